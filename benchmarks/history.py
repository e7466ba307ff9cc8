"""Stores with a past: closed incidents with everything that belongs to them, and what is open and waits."""

import json
import shutil
import tempfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Table, insert

from benchmarks.frame import Scale
from remediator.ids import derived_id
from remediator.playbooks.library import LoadedSet
from remediator.store import meta, schema
from remediator.store.database import Store, Tx, open_store

ROWS_AN_INCIDENT = 14
"""With its alert, delivery, decision, run, step, message and six lines of its story."""
_AT_ONCE = 500
_SQLITE = "sqlite:///"
_TEMPLATES: dict[int, tempfile.TemporaryDirectory[str]] = {}
"""By rows of the past; removed when the process ends."""
_PAST = timedelta(days=60)
"""Younger than what retention takes away."""


def lengths(scale: Scale) -> tuple[int, ...]:
    """Rows of what is over, beside none: what grows with them is a defect."""
    return scale.of(quick=(), full=(10_000, 1_000_000), soak=(10_000, 1_000_000, 10_000_000))


Rows = dict[Table, list[dict[str, Any]]]


async def fill(url: str, playbooks: LoadedSet, *, past_rows: int, open_alerts: int = 0) -> None:
    """Make the store, if need be, and put that much in: about so many rows of what is over, and what is open and decided.

    These playbooks are in force in it already, so that a start decides nothing anew.
    """
    if past_rows and url.startswith(_SQLITE):
        shutil.copy(await _template(past_rows), url.removeprefix(_SQLITE))
        past_rows = 0
    store = await open_store(url)
    now = datetime.now(UTC)
    revisions = {playbook.name: playbook.revision for playbook in playbooks.playbooks}
    try:
        async with store.begin(Tx.MARK) as tx:
            await meta.put(tx, meta.MODE, "live")
            await meta.put_instant(tx, meta.LIVE_SINCE, now - _PAST)
            await meta.activate_set(tx, set_hash=playbooks.set_hash, playbooks=revisions, now=now)
        await _write_past(store, past_rows)
        for first in range(0, open_alerts, _AT_ONCE):
            await _write(store, _merged(_open(number, now) for number in _numbers(first, open_alerts)))
    finally:
        await store.close()


async def _template(past_rows: int) -> Path:
    """A file with nothing but that past: made once a process, since a long one takes a minute."""
    folder = _TEMPLATES.get(past_rows)
    if folder is None:
        folder = _TEMPLATES[past_rows] = tempfile.TemporaryDirectory(prefix="remediator-bench-past-")
        store = await open_store(f"{_SQLITE}{folder.name}/past.sqlite")
        try:
            await _write_past(store, past_rows)
        finally:
            await store.close()
    return Path(folder.name) / "past.sqlite"


async def _write_past(store: Store, rows: int) -> None:
    now, incidents = datetime.now(UTC), rows // ROWS_AN_INCIDENT
    for first in range(0, incidents, _AT_ONCE):
        await _write(store, _merged(_past(number, incidents, now) for number in _numbers(first, incidents)))


def _numbers(first: int, end: int) -> range:
    return range(first, min(first + _AT_ONCE, end))


async def _write(store: Store, rows: Rows) -> None:
    async with store.begin(Tx.MARK) as tx:
        for table, some in rows.items():
            await tx.execute(insert(table), some)


def _merged(many: Iterator[Rows]) -> Rows:
    merged: Rows = {
        table: []
        for table in (
            *(schema.deliveries, schema.incidents, schema.episodes, schema.decisions, schema.timeline),
            *(schema.runs, schema.journal, schema.ledger, schema.outbox),
        )
    }
    for one in many:
        for table, rows in one.items():
            merged[table] += rows
    return {table: rows for table, rows in merged.items() if rows}


def _past(number: int, of: int, now: datetime) -> Rows:
    at = now - _PAST * (of - number) / of
    name = f"past-{number % 5_000}"
    ids = {kind: derived_id(kind, "past", str(number)) for kind in ("inc", "epi", "dlv", "dec", "run", "int")}
    closed = {"state": "closed", "closed_at": at + timedelta(minutes=10), "look_again_at": None}
    over = {"state": "closed", "ended_at": at + timedelta(minutes=9), "closed_at": at + timedelta(minutes=10)}
    ended = {"state": "ended", "outcome": "verified", "ended_at": at + timedelta(minutes=2), "changed_at": at}
    step = {"seq": 1, "remedy": "restart", "action": "kubernetes.rollout_restart", "direction": "apply", "fence": 1}
    key = f"{ids['inc']}/L1"
    return {
        schema.deliveries: [_delivery(ids["dlv"], at)],
        schema.incidents: [_incident(ids["inc"], name, at) | closed],
        schema.episodes: [_episode(ids, name, f"{number:016x}", at) | over],
        schema.decisions: [_decision(ids, name, "run", at) | {"run_id": ids["run"]}],
        schema.runs: [_run(ids, name, at) | ended],
        schema.timeline: [_event(ids, line, at) for line in range(6)],
        schema.journal: [
            {"intent_id": ids["int"], "run_id": ids["run"], **step, "state": "done", "plan": {}, "attempts": 1}
            | {"begun_at": at, "first_begun_at": at, "ended_at": at}
        ],
        schema.ledger: [
            {"run_id": ids["run"], "mode": "live", "playbook": "service-down", "target": _target(name)}
            | {"reserved_at": at, "changed_at": at, "counted_at": at, "outcome": "verified"}
        ],
        schema.outbox: [
            {"id": derived_id("msg", "past", str(number)), "incident_id": ids["inc"], "mode": "live"}
            | {"channel": "pagerduty", "action": "trigger", "dedup_key": key, "cause": "past", "message": {}}
            | {"state": "sent", "created_at": at, "attempts": 1, "settled_at": at}
        ],
    }


def _open(number: int, now: datetime) -> Rows:
    """An alert that matches nothing, was decided, and pages nobody."""
    name = f"open-{number}"
    ids = {kind: derived_id(kind, "open", str(number)) for kind in ("inc", "epi", "dlv", "dec")}
    unmatched = {"alertname": "NobodyKnows", "severity": "low", "rank": 3}
    return {
        schema.deliveries: [_delivery(ids["dlv"], now)],
        schema.incidents: [_incident(ids["inc"], name, now) | {"state": "open", "severity": "low"}],
        schema.episodes: [
            _episode(ids, name, f"{1 << 60 | number:016x}", now)
            | {"state": "open", "labels": {"alertname": "NobodyKnows", "instance": name}}
            | unmatched
        ],
        schema.decisions: [_decision(ids, name, "no_playbook", now) | {"playbook": None, "target": None}],
    }


def _delivery(id_: str, at: datetime) -> dict[str, Any]:
    return {"id": id_, "source": "default", "received_at": at, "receiver": "remediator", "group_key": "{}:{}"} | {
        "truncated": 0,
        "alerts": 1,
        "body": zlib.compress(json.dumps({"alerts": [{"labels": {"alertname": "ServiceDown"}}]}).encode()),
    }


def _target(name: str) -> str:
    return f"kubernetes/sandbox/shop/deployment/{name}"


def _incident(id_: str, name: str, at: datetime) -> dict[str, Any]:
    return {"id": id_, "key": f"live|{_target(name)}", "target": _target(name), "mode": "live"} | {
        "title": f"ServiceDown on shop/{name}",
        "severity": "critical",
        "opened_at": at,
        "recurrences": 0,
    }


def _episode(ids: dict[str, str], name: str, fingerprint: str, at: datetime) -> dict[str, Any]:
    labels = {"alertname": "ServiceDown", "namespace": "shop", "deployment": name, "severity": "critical"}
    return {"id": ids["epi"], "source": "default", "fingerprint": fingerprint, "latest": True, "labels": labels} | {
        **dict.fromkeys(("starts_at", "last_starts_at", "first_received_at", "last_received_at", "confirmed_at"), at),
        "severity": "critical",
        "rank": 0,
        "alertname": "ServiceDown",
        "annotations": {"summary": f"{name} is down"},
        "generator_url": "",
        "external_url": "",
        "receiver": "remediator",
        "group_key": "{}:{}",
        "delivery_id": ids["dlv"],
        "incident_id": ids["inc"],
    }


def _decision(ids: dict[str, str], name: str, verdict: str, at: datetime) -> dict[str, Any]:
    return {"id": ids["dec"], "episode_id": ids["epi"], "incident_id": ids["inc"], "playbook": "service-down"} | {
        "revision": "0" * 16,
        "mode": "live",
        "verdict": verdict,
        "target": _target(name),
        "reasons": [],
        "answer_hash": "0" * 16,
        "times": 1,
        "decided_at": at,
        "confirmed_at": at,
        "current": True,
    }


def _run(ids: dict[str, str], name: str, at: datetime) -> dict[str, Any]:
    return {"id": ids["run"], "mode": "live", "incident_id": ids["inc"], "episode_id": ids["epi"]} | {
        "playbook": "service-down",
        "revision": "0" * 16,
        "snapshot": {},
        "target": _target(name),
        "source": "default",
        "remedy": 0,
        "cursor": {"phase": "settle", "since": at.isoformat()},
        "created_at": at,
        "deadline_at": at + timedelta(hours=8),
    }


def _event(ids: dict[str, str], line: int, at: datetime) -> dict[str, Any]:
    id_ = derived_id("evt", ids["inc"], str(line))
    return {"id": id_, "incident_id": ids["inc"], "run_id": ids["run"], "at": at, "event": "looked", "text": "seen"}
