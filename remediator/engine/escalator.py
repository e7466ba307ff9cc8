"""Judges incidents and writes what people are told into the outbox, in the transaction that caused it (S30 to S35).

``judge_incident`` is called by decider and runner at the end of their transactions; ``Escalator`` calls it when only time has
passed: ``page_after``, ``close_within``, reminders.
"""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from remediator.clock import Clock
from remediator.engine.briefing import situation
from remediator.engine.door import Door
from remediator.engine.wakeup import Wakeup
from remediator.errors import StoreUnavailableError
from remediator.escalation import levels, messages
from remediator.escalation.facts import IncidentFacts, Told
from remediator.escalation.policy import Page, Rules, judge
from remediator.playbooks.model import Playbook
from remediator.settings import Settings
from remediator.store import incidents, outbox, paging
from remediator.store.database import Connection, Tx
from remediator.store.incidents import IncidentRow

log = structlog.get_logger(__name__)

PlaybookNamed = Callable[[str], Playbook | None]

_CHANNEL = "pagerduty"
_PAGES_AT_ONCE = 8
"""More causes than these in one transaction wait for the next look, which comes at once."""
_BATCH = 50
_AFTER_DEFECT = timedelta(seconds=30)
_POLL_S = 5.0
"""The slow poll is the truth; wake-ups are hints (engine.md 7)."""


async def judge_incident(
    tx: Connection, incident_id: str, *, now: datetime, settings: Settings, playbook_named: PlaybookNamed
) -> None:
    """Judge an incident inside the transaction that changed it. Writes pages, resolves, timeline and ``look_again_at``.

    Safe to repeat: one message per key and cause. A closed incident is left alone.
    """
    incident = await incidents.incident(tx, incident_id)
    if incident is None or incident.state != "open":
        return
    facts = await paging.incident_facts(tx, incident, now)
    rules = _rules(facts, playbook_named)
    judgement = judge(facts, rules, settings.escalation)
    for _ in range(_PAGES_AT_ONCE):
        if judgement.page is not None:
            facts = await _page(tx, incident, facts, judgement.page, settings, playbook_named)
        if judgement.resolve:
            facts = await _resolve(tx, incident, facts, judgement.why)
        if judgement.close:
            await incidents.close(tx, incident_id, now=now, why=judgement.why)
            log.info("incident_closed", incident_id=incident_id, target=incident.target, reason=judgement.why)
            return
        if judgement.page is None and not judgement.resolve:
            break
        judgement = judge(facts, rules, settings.escalation)
    await incidents.settle(tx, incident_id, look_again_at=judgement.look_again_at, verified_at=judgement.verified_at)


def _rules(facts: IncidentFacts, playbook_named: PlaybookNamed) -> Rules:
    names = {run.playbook for run in facts.runs} | {answer.playbook for answer in facts.answers}
    found = {name: playbook_named(name) for name in names if name is not None}
    return {name: playbook.escalate for name, playbook in found.items() if playbook is not None}


async def _page(
    tx: Connection,
    incident: IncidentRow,
    facts: IncidentFacts,
    page: Page,
    settings: Settings,
    playbook_named: PlaybookNamed,
) -> IncidentFacts:
    story = await incidents.story(tx, incident.id)
    if story is None:
        raise ValueError(f"no incident {incident.id}")
    try:
        told = situation(story, now=facts.now, external_url=settings.external_url, playbook_named=playbook_named)
        message = messages.page(told, page)
    except Exception:
        # A page that cannot be put into words is still a page: a person is told, and finds the rest in the API.
        log.exception("page_not_composed", incident_id=incident.id, reason=page.cause)
        message = messages.bare(incident.id, facts.severity, page, facts.now)
    key = levels.dedup_key(incident.id, incident.recurrences)
    await outbox.add(
        tx,
        incident_id=incident.id,
        mode=incident.mode,
        channel=_CHANNEL,
        action="trigger",
        dedup_key=key,
        cause=page.cause,
        message=message,
        now=facts.now,
    )
    if page.reminder:
        await paging.count_reminder(tx, page.about, page.reminder)
    said = "Page" if incident.mode == "live" else f"Page (withheld, mode {incident.mode})"
    detail = {"dedup_key": key, "cause": page.cause, "policy": page.policy}
    await incidents.add_event(tx, incident.id, None, facts.now, "paged", f"{said}: {message['summary']}", detail)
    log.info("paged", incident_id=incident.id, dedup_key=key, reason=page.cause, policy=page.policy, mode=incident.mode)
    return replace(facts, told=(*facts.told, Told(key, "trigger", page.cause)))


async def _resolve(tx: Connection, incident: IncidentRow, facts: IncidentFacts, why: str) -> IncidentFacts:
    for key in levels.triggered(facts.told):
        cause = f"over+{levels.resolves(facts.told, key)}"
        message = messages.all_clear(incident.id, why, facts.now)
        await outbox.add(
            tx,
            incident_id=incident.id,
            mode=incident.mode,
            channel=_CHANNEL,
            action="resolve",
            dedup_key=key,
            cause=cause,
            message=message,
            now=facts.now,
        )
        await incidents.add_event(
            tx, incident.id, None, facts.now, "resolved", f"Page resolved: {why}", {"dedup_key": key}
        )
        log.info("page_resolved", incident_id=incident.id, dedup_key=key, reason=why, mode=incident.mode)
        facts = replace(facts, told=(*facts.told, Told(key, "resolve", cause)))
    return facts


class Escalator:
    """One per process: looks at incidents whose time has come."""

    def __init__(
        self,
        *,
        store: Door,
        clock: Clock,
        settings: Settings,
        mode: str,
        playbook_named: PlaybookNamed,
        wakeup: Wakeup,
        on_page: Callable[[], None],
    ) -> None:
        """``on_page`` is called when there may be something to send; it must not block."""
        self._store = store
        self._clock = clock
        self._settings = settings
        self._mode = mode
        self._playbook_named = playbook_named
        self._wakeup = wakeup
        self._on_page = on_page

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            try:
                looked_at = await self.judge_due()
                ahead_s = 0.0 if looked_at else await self._ahead_s()
            except StoreUnavailableError as error:
                log.warning("escalator_store_unavailable", reason=error.reason)
                ahead_s = 1.0
            await self._wakeup.wait(self._clock, ahead_s)

    async def judge_due(self) -> int:
        """Judge what is due, one transaction each, so that one defect does not silence the others. Returns how many."""
        async with self._store.read() as connection:
            due = await incidents.due(connection, self._clock.now(), _BATCH, mode=self._mode)
        for incident_id in due:
            try:
                await self._judge(incident_id)
            except StoreUnavailableError:
                raise
            except Exception:
                log.exception("incident_not_judged", incident_id=incident_id)
                async with self._store.begin(Tx.JUDGE_INCIDENT) as tx:
                    await incidents.postpone(tx, incident_id, self._clock.now() + _AFTER_DEFECT)
        if due:
            self._on_page()
        return len(due)

    async def _judge(self, incident_id: str) -> None:
        async with self._store.begin(Tx.JUDGE_INCIDENT) as tx:
            await judge_incident(
                tx,
                incident_id,
                now=self._clock.now(),
                settings=self._settings,
                playbook_named=self._playbook_named,
            )

    async def _ahead_s(self) -> float:
        async with self._store.read() as connection:
            due_at = await incidents.next_due_at(connection, mode=self._mode)
        ahead_s = _POLL_S if due_at is None else (due_at - self._clock.now()).total_seconds()
        return min(max(ahead_s, 0.0), _POLL_S)
