"""The live story: rows of incidents' timelines, deliveries and the cluster's own changes, told in an on-call engineer's words.

Nothing here is scripted: a line is shown because it stands in the store, or because the simulated cluster changed.
"""

import asyncio
import json
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from remediator.decision.guards import TO_ADMIT
from remediator.drills.demo_stage import NAMESPACE, Stage
from remediator.durations import format_duration
from remediator.sandbox import workloads
from remediator.store.incidents import IncidentRow, Story

_LOOK_EVERY_S, _SELDOM_S, _QUIET_AFTER_S = 0.1, 0.5, 3.0
_FOLLOWED = 20
"""Incidents that are followed: the newest ones."""

Line = tuple[datetime, str, str, tuple[str, ...]]
"""When, who, what, and what goes with it."""

_WHO = {
    "incident_opened": "alert",
    "incident_reopened": "alert",
    "decided": "decides",
    "step_begun": "acts",
    "step_done": "acts",
    "step_failed": "acts",
    "step_unsettled": "acts",
    "step_looked_at": "looks",
    "looked": "looks",
    "moved": "decides",
    "paged": "pages",
    "needs_person": "pages",
    "resolved": "resolved",
    "incident_closed": "closed",
}
_TOLD_ELSEWHERE = frozenset({"alert_closed"})
"""The delivery that closed it was told already."""


class Narrator:
    """Follows store, Alertmanager and cluster, and tells each new thing once."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._told: set[str] = set()
        self._incidents: dict[str, IncidentRow] = {}
        self._deliveries = 0
        self._seen: dict[str, str] = {}
        self._looking = asyncio.Lock()

    async def run(self) -> None:
        """For ever."""
        quiet_s = 0.0
        while True:
            pause_s = _SELDOM_S if quiet_s > _QUIET_AFTER_S else _LOOK_EVERY_S
            quiet_s = 0.0 if await self.catch_up() else quiet_s + pause_s
            await self._stage.clock.sleep(pause_s)

    async def catch_up(self) -> bool:
        """Tell all that has happened until now, in the order in which it did. Returns whether anything had."""
        async with self._looking:
            lines = [*self._cluster(), *self._delivered(), *await self._events()]
            for at, who, text, more in sorted(lines, key=lambda line: line[0]):
                self._stage.timeline.happened(at, who, text)
                for one in more:
                    self._stage.timeline.more(one)
            return bool(lines)

    def _cluster(self) -> list[Line]:
        now = self._stage.clock.now()
        lines: list[Line] = []
        for name in deployments(self._stage):
            before, seen = self._seen.get(name), condition_of(self._stage, name)
            self._seen[name] = seen
            # A crash loop starts its pods again and again; one that is merely between two crashes is no news.
            between = before == _CRASHING and seen.endswith("pods are ready") and self._stage.sick(name)
            if between:
                self._seen[name] = _CRASHING
            elif before not in (None, seen):
                lines.append((now, "cluster", f"{NAMESPACE}/{name}: {seen}", ()))
        return lines

    def _delivered(self) -> list[Line]:
        attempts = self._stage.world.alertmanager.attempts
        fresh, self._deliveries = attempts[self._deliveries :], len(attempts)
        return [(one.sent_at, "alert", delivery(one.body, one.status), ()) for one in fresh]

    async def _events(self) -> list[Line]:
        lines: list[Line] = []
        for incident in (await self._stage.incidents())[:_FOLLOWED]:
            if incident.state == "closed" and self._incidents.get(incident.id) == incident:
                continue
            self._incidents[incident.id] = incident
            story = await self._stage.story(incident.id)
            for event in () if story is None else story.timeline:
                if event["id"] not in self._told and story is not None:
                    self._told.add(event["id"])
                    lines += told(event, story, self._stage.app.settings.timings.settle)
        return lines


_CRASHING = "its pods crash-loop"


def deployments(stage: Stage) -> list[str]:
    """Names of those in the demo's namespace."""
    deployments = stage.world.kubernetes.registry.by_plural("deployments")
    return sorted(found["metadata"]["name"] for found in stage.world.kubernetes.store.all(deployments, NAMESPACE))


def condition_of(stage: Stage, name: str) -> str:
    """How a deployment fares, in a few words."""
    cluster = stage.world.kubernetes
    found = cluster.get("deployments", NAMESPACE, name)
    status, wanted = found.get("status", {}), found["spec"]["replicas"]
    updated, ready = status.get("updatedReplicas", 0), status.get("readyReplicas", 0)
    if status.get("observedGeneration", 0) < found["metadata"]["generation"]:
        return "a new rollout begins"
    if updated < wanted or status.get("replicas", 0) > updated:
        old = max(status.get("replicas", 0) - updated, 0)
        return f"rolling out, {updated} of {wanted} pods are new, {old} old"
    if workloads.is_crash_looping(cluster, "deployments", NAMESPACE, name):
        return _CRASHING
    return f"{ready} of {wanted} pods are ready"


def delivery(body: bytes, status: int | None) -> str:
    """One webhook request of Alertmanager's in a line."""
    alerts = json.loads(body)["alerts"]
    said = ", ".join(f"{alert['labels'].get('alertname')} {alert['status']}" for alert in alerts[:3])
    more = f" and {len(alerts) - 3} more" if len(alerts) > 3 else ""
    answer = "answered 200: it is on disk" if status == 200 else f"answered {status}"
    return f"Alertmanager delivers {said}{more}; {answer}"


def told(event: Mapping[str, Any], story: Story, settle: timedelta) -> list[Line]:
    """One row of an incident's timeline for people; nothing when another line has said it."""
    kind, text, at = event["event"], event["text"], event["at"]
    if kind in _TOLD_ELSEWHERE:
        return []
    more: tuple[str, ...] = ()
    who = _WHO.get(kind, "notes")
    match kind:
        case "incident_opened":
            text = f"{text.removeprefix('Opened: ')}: incident opened, {story.incident.severity}"
        case "incident_reopened":
            text = f"{story.incident.title}: {text[:1].lower()}{text[1:]}"
        case "decided":
            text, more = decided(event, story, settle)
        case "step_begun":
            text = f"{text.removeprefix('apply: ')}; written down before it is sent"
        case "step_done":
            text = (
                f"done: {'AWS' if str(story.incident.target).startswith('aws/') else 'the API server'} took the change"
            )
        case "looked":
            answer, _, seen = text.removeprefix("looked: ").partition(": ")
            before = [
                one["text"] for one in story.timeline if one["run_id"] == event["run_id"] and one["id"] < event["id"]
            ]
            if event["text"] in before:
                text = f"is it fixed? still {answer}"
            else:
                text, more = f"is it fixed? {answer}", tuple(seen.split("; "))
        case "run_ended":
            run = next((run for run in story.runs if run.id == event["run_id"]), None)
            who = {"verified": "verified", None: "notes"}.get(None if run is None else run.outcome, "refuted")
        case "paged":
            text = f"to PagerDuty: {text.removeprefix('Page: ')}"
        case "incident_closed":
            text = f"{story.incident.title}: {text[:1].lower()}{text[1:]}"
    return [(at, who, text, more)]


def decided(event: Mapping[str, Any], story: Story, settle: timedelta) -> tuple[str, tuple[str, ...]]:
    """A decision with its reasons: what admits it and the plan, or every denial."""
    detail = event["detail"] or {}
    answer = next(
        (
            one
            for one in story.decisions
            if (one["episode_id"], one["verdict"]) == (detail.get("episode_id"), detail.get("verdict"))
        ),
        None,
    )
    if answer is None:
        return event["text"], ()
    name = answer["playbook"] or "no playbook"
    if answer["verdict"] == "run":
        waits = f"waits {format_duration(settle)} for alerts that belong together, then asks every guard again"
        return f"{name}: RUN, none of {len(TO_ADMIT)} guards objects", (*_plan(answer["plan"]), waits)
    kind = {"wait": ", and waits", "refuse": ", and tells a person"}.get(answer["kind"] or "", "")
    reasons: Sequence[Mapping[str, Any]] = answer["reasons"]
    return f"{name}: {str(answer['verdict']).upper()}{kind}", tuple(reason["text"] for reason in reasons)


def _plan(plan: Mapping[str, Any] | None) -> tuple[str, ...]:
    if plan is None:
        return ()
    lines = []
    for step in plan["steps"]:
        lines.append(f"plan: {step['summary']}")
        lines += [f"call: {' '.join(str(call).split(' ', 2)[:2])}" for call in step["calls"]]
    return tuple(lines)
