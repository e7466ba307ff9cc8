"""What people ask: incidents, runs, decisions, pauses, playbooks, status. Reads only; rows and plain values as the store keeps them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remediator.clock import Clock
from remediator.decision.autonomy import InForce, level_of
from remediator.decision.facts import PauseFact
from remediator.engine import facts
from remediator.engine.refused import UnknownIdError
from remediator.playbooks.library import LoadedSet
from remediator.playbooks.model import Playbook
from remediator.settings import Settings
from remediator.store import approvals, autonomy, decisions, incidents, journal, meta, pauses, runs
from remediator.store.database import Store
from remediator.store.incidents import IncidentRow, Story
from remediator.store.journal import StepRow
from remediator.store.runs import RunRow

_MOST = 1_000


@dataclass(frozen=True, slots=True)
class RunRecord:
    """One run with its journal, and the request that it waits for or waited for."""

    run: RunRow
    steps: Sequence[StepRow]
    approval: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class PlaybookRecord:
    """One playbook of the active set, and how much it may do by itself."""

    playbook: Playbook
    file: str
    in_force: InForce


@dataclass(frozen=True, slots=True)
class Status:
    """The service at one glance."""

    now: datetime
    mode: str
    paused: Sequence[PauseFact]
    hold_until: datetime | None
    """Until then it only watches (S10)."""
    set_hash: str
    playbooks: int
    open_incidents: int
    in_hand: Mapping[str, int]
    """Runs that have not ended, by state."""


class Records:
    """Answers operators' questions. Changes nothing."""

    def __init__(
        self, *, store: Store, clock: Clock, mode: str, settings: Settings, playbooks: Callable[[], LoadedSet]
    ) -> None:
        self._store = store
        self._clock = clock
        self._mode = mode
        self._settings = settings
        self._playbooks = playbooks

    async def incidents(self, *, states: Sequence[str] = (), limit: int = 100) -> list[IncidentRow]:
        """Newest first."""
        async with self._store.read() as connection:
            return await incidents.listing(connection, states=states, limit=limit)

    async def incident(self, incident_id: str) -> Story:
        """All that is known of one.

        Raises:
            UnknownIdError: no such incident.
        """
        async with self._store.read() as connection:
            story = await incidents.story(connection, incident_id)
        if story is None:
            raise UnknownIdError(f"there is no incident {incident_id[:80]!r}")
        return story

    async def runs(
        self, *, states: Sequence[str] = (), incident_id: str | None = None, limit: int = 100
    ) -> list[RunRow]:
        """Newest first."""
        async with self._store.read() as connection:
            return await runs.listing(connection, states=states, incident_id=incident_id, limit=limit)

    async def run(self, run_id: str) -> RunRecord:
        """One with its journal and its approval request.

        Raises:
            UnknownIdError: no such run.
        """
        async with self._store.read() as connection:
            run = await runs.get(connection, run_id)
            if run is None:
                raise UnknownIdError(f"there is no run {run_id[:80]!r}")
            return RunRecord(run, await journal.of_run(connection, run_id), await approvals.get(connection, run_id))

    async def decisions(
        self, *, incident_id: str | None = None, episode_id: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Newest first; columns as in ``schema.decisions``."""
        async with self._store.read() as connection:
            return await decisions.listing(connection, incident_id=incident_id, episode_id=episode_id, limit=limit)

    async def pauses(self) -> list[dict[str, Any]]:
        """Those that stand, oldest first, each with the effects in its scope that are begun and not settled (S23)."""
        async with self._store.read() as connection:
            standing = await pauses.listing(connection)
            return [{**row, "effects_begun": await pauses.effects_begun(connection, row["scope"])} for row in standing]

    async def playbooks(self) -> list[PlaybookRecord]:
        """The active set by name, each with the autonomy in force for an alert of a known severity."""
        loaded = self._playbooks()
        found: list[PlaybookRecord] = []
        async with self._store.read() as connection:
            for playbook in loaded.playbooks:
                ladder = await autonomy.of(connection, playbook.name)
                outside = facts.autonomy_facts(self._settings, playbook.name, ladder)
                level = level_of(playbook, outside, None)
                found.append(PlaybookRecord(playbook, loaded.files.get(playbook.name, ""), level))
        return found

    async def status(self) -> Status:
        """The service at one glance."""
        loaded = self._playbooks()
        async with self._store.read() as connection:
            in_hand = await runs.listing(connection, states=runs.IN_HAND_STATES, limit=_MOST)
            counts = {state: sum(run.state == state for run in in_hand) for state in runs.IN_HAND_STATES}
            return Status(
                now=self._clock.now(),
                mode=self._mode,
                paused=(*facts.by_pause_file(self._settings.pause_file), *await pauses.standing(connection)),
                hold_until=await meta.get_instant(connection, meta.HOLD_UNTIL) if self._mode == "live" else None,
                set_hash=loaded.set_hash,
                playbooks=len(loaded.playbooks),
                open_incidents=len(await incidents.listing(connection, states=("open",), limit=_MOST)),
                in_hand=counts,
            )
