"""Alerts that no playbook matches, decided for the first time: most of a storm is these, so they are recorded by the group.

What comes of them is what the decider makes of any other: a ``no_playbook`` decision each, an incident a group (S31).
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import structlog

from remediator.decision.decide import decide
from remediator.engine.tools import Tools
from remediator.store import decisions, episodes, incidents
from remediator.store.database import Connection
from remediator.store.episodes import EpisodeRow

log = structlog.get_logger(__name__)

_NAMED = 5
"""Alert names that the group's line in the timeline lists."""


def by_group(found: Iterable[EpisodeRow], mode: str) -> dict[str, list[EpisodeRow]]:
    """The episodes of each one's group, itself included, by its id."""
    groups: dict[str, list[EpisodeRow]] = {}
    of_each: dict[str, list[EpisodeRow]] = {}
    for episode in found:
        key = incidents.incident_key(mode, source=episode.source, group_key=episode.group_key)
        of_each[episode.id] = groups.setdefault(key, [])
        of_each[episode.id].append(episode)
    return of_each


async def record(tx: Connection, group: Sequence[EpisodeRow], tools: Tools, now: datetime) -> str:
    """Record one group. Returns its incident. None of them may have been decided before."""
    key = incidents.incident_key(tools.mode, source=group[0].source, group_key=group[0].group_key)
    severity = group[0].severity
    for episode in group:
        severity = incidents.higher(severity, episode.severity)
    incident_id = await incidents.join(
        tx,
        key=key,
        target=None,
        mode=tools.mode,
        severity=severity,
        title=group[0].alertname or "an alert without alertname",
        at=min(episode.first_received_at for episode in group),
        now=now,
        reopen_within=tools.settings.escalation.reopen_within,
    )
    [decision] = decide([], now)
    answer = decisions.Answer(None, None, decision.verdict, None, None, decision.reasons(), None, None)
    ids = [episode.id for episode in group]
    await decisions.record_first(tx, episode_ids=ids, incident_id=incident_id, mode=tools.mode, answer=answer, now=now)
    await episodes.settle_all(tx, ids, incident_id=incident_id)
    names = sorted({episode.alertname for episode in group})
    named = ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")
    said = f"{named}: no playbook matches" + (f" ({len(group)} alerts)" if len(group) > 1 else "")
    await incidents.add_event(tx, incident_id, None, now, "decided", said, {"verdict": decision.verdict})
    tools.metrics.decisions.labels(verdict=str(decision.verdict), reason="none").inc(len(group))
    log.info("unmatched", incident_id=incident_id, episodes=len(group), alertname=named, mode=tools.mode)
    return incident_id
