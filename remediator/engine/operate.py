"""What people order: approve, reject, cancel, answer, pause, resume.

Each order is one transaction that says in the incident's timeline who gave it and why. One that comes too late changes nothing and
says why (S34), so every one is safe to repeat.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import structlog

from remediator.clock import Clock
from remediator.engine import pause_scope
from remediator.engine.escalator import judge_incident
from remediator.engine.facts import by_pause_file
from remediator.engine.records import Records
from remediator.engine.refused import InvalidOrderError, NoEffectError, UnknownIdError
from remediator.playbooks.library import LoadedSet
from remediator.runs.cursor import Question
from remediator.runs.events import ANSWERS
from remediator.settings import Settings
from remediator.store import approvals, episodes, incidents, pauses, runs
from remediator.store.database import Connection, Store, Tx
from remediator.store.runs import RunRow

log = structlog.get_logger(__name__)

_ALL_RUNS = 10_000


@dataclass(frozen=True, slots=True)
class Ordered:
    """An order that was taken."""

    run_id: str
    said: str
    """One sentence for people."""


@dataclass(frozen=True, slots=True)
class Paused:
    """A pause that stands. Its effects already begun cannot be stopped any more (S23)."""

    pause_id: str
    scope: str
    effects_begun: list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Resumed:
    """How many pauses of this scope ended, and what else still stands."""

    scope: str
    ended: int
    still_paused: list[str]


class Operations:
    """The doors of operators; ``records`` are the questions they may ask."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        mode: str,
        settings: Settings,
        playbooks: Callable[[], LoadedSet],
        wake_runner: Callable[[], None],
        wake_decider: Callable[[], None],
        wake_courier: Callable[[], None],
    ) -> None:
        """The ``wake_`` functions are hints after the commit; they must not block."""
        self.records = Records(store=store, clock=clock, mode=mode, settings=settings, playbooks=playbooks)
        self._store = store
        self._clock = clock
        self._settings = settings
        self._playbooks = playbooks
        self._wake_runner = wake_runner
        self._wake_decider = wake_decider
        self._wake_courier = wake_courier

    async def approve(self, run_id: str, plan_hash: str, by: str, reason: str) -> Ordered:
        """Say yes to exactly the plan of this hash (S16, S18). Everything is planned and checked again before it begins.

        Raises:
            UnknownIdError: no such run.
            NoEffectError: another plan, answered before, expired, withdrawn, cancelled.
        """
        return await self._settle_request(run_id, plan_hash, "approved", by, reason)

    async def reject(self, run_id: str, by: str, reason: str) -> Ordered:
        """Say no; the run ends cancelled without having changed anything.

        Raises:
            UnknownIdError: no such run.
            NoEffectError: answered before, expired, withdrawn, cancelled.
        """
        return await self._settle_request(run_id, None, "rejected", by, reason)

    async def cancel(self, run_id: str, by: str, reason: str) -> Ordered:
        """Begin nothing more (S18). Before its first change the run ends; after it, what was begun is settled and looked at once.

        Repeated, it answers with the cancel that stands.

        Raises:
            UnknownIdError: no such run.
            NoEffectError: it has ended.
        """
        async with self._store.begin(Tx.OPERATE) as tx:
            now, run = self._clock.now(), await self._run(tx, run_id)
            if not await runs.ask_cancel(tx, run_id, by=f"{by} ({reason})", now=now):
                raise NoEffectError(f"run {run_id} ended {run.outcome}{_at(run.ended_at)}: there is nothing to cancel")
            if run.cancel_at is None:
                await self._tell(tx, run, "cancel_asked", f"{by} asked to cancel: {reason}", by, reason, now)
        self._wake_runner()
        if run.cancel_at is not None:
            return Ordered(run_id, f"cancel was asked before,{_at(run.cancel_at)} by {run.cancel_by}")
        left = "nothing was changed" if run.changed_at is None else "what was begun is settled and looked at once"
        if run.due_at is not None:
            left = "what was made for a time stays"
        return Ordered(run_id, f"cancelling: nothing more is begun, {left}")

    async def answer(self, run_id: str, said: str, by: str, reason: str) -> Ordered:
        """Answer the question of a run that needs a person (S19).

        Raises:
            UnknownIdError: no such run.
            InvalidOrderError: not an answer to its question.
            NoEffectError: it asks nothing, or somebody has answered.
        """
        async with self._store.begin(Tx.OPERATE) as tx:
            now, run = self._clock.now(), await self._run(tx, run_id)
            if run.state != "needs_person" or run.question is None:
                ended = f", ended {run.outcome}{_at(run.ended_at)}" if run.state == "ended" else ""
                raise NoEffectError(f"run {run_id} asks nothing: it is {run.state}{ended}")
            if run.answer is not None:
                raise NoEffectError(f"{run.answer['by']} has answered {run.answer['said']}: {run.answer['reason']}")
            accepted = sorted(answer.value for answer in ANSWERS[Question(run.question["kind"])])
            if said not in accepted:
                message = f"{said[:40]!r} is no answer to {run.question['kind']!r} ({run.question['text']})"
                raise InvalidOrderError("said", message, ", ".join(accepted))
            await runs.give_answer(tx, run_id, said=said, by=by, reason=reason, now=now)
            await self._tell(tx, run, "answered", f"{by} answered {said}: {reason}", by, reason, now)
        self._wake_runner()
        return Ordered(run_id, f"answered {said}: the run goes on from there")

    async def pause(self, scope: str, by: str, reason: str, remind_after: timedelta | None = None) -> Paused:
        """From the commit on no effect begins in this scope; reading, deciding and pages go on (S23). Ends only by ``resume``.

        ``remind_after``: when its owner is reminded that it stands. Repeated by the same person for the same reason, the first
        pause stands.

        Raises:
            InvalidOrderError: a scope that covers nothing.
        """
        names = [playbook.name for playbook in self._playbooks().playbooks]
        covers = pause_scope.canonical(scope, settings=self._settings, playbooks=names)
        async with self._store.begin(Tx.OPERATE) as tx:
            now = self._clock.now()
            same = (covers, by, reason)
            standing = [
                row["id"] for row in await pauses.listing(tx) if (row["scope"], row["by"], row["reason"]) == same
            ]
            if standing:
                pause_id = str(standing[0])
            else:
                remind_at = None if remind_after is None else now + remind_after
                pause_id = await pauses.begin(tx, scope=covers, by=by, reason=reason, remind_at=remind_at, now=now)
                for run in await self._in_hand(tx, covers):
                    await self._note(tx, run, "paused", f"{by} paused {covers}: {reason}", by, reason, now)
            begun = await pauses.effects_begun(tx, covers)
        log.warning("paused", scope=covers, by=by, reason=reason, effects_begun=len(begun))
        return Paused(pause_id, covers, begun)

    async def resume(self, scope: str, by: str) -> Resumed:
        """End every pause of exactly this scope, and decide every open alert anew: nothing goes on by an old plan (S5, S23).

        Raises:
            NoEffectError: no such pause stands.
        """
        async with self._store.begin(Tx.OPERATE) as tx:
            now = self._clock.now()
            standing = {row["scope"] for row in await pauses.listing(tx)}
            covers = scope if scope in standing else self._canonical(scope, standing)
            ended = await pauses.end(tx, scope=covers, by=by, now=now)
            if not ended:
                listed = ", ".join(sorted(standing)) or "none"
                raise NoEffectError(f"no pause of {covers} stands; standing: {listed}")
            for run in await self._in_hand(tx, covers):
                await self._note(tx, run, "resumed", f"{by} resumed {covers}", by, None, now)
            await episodes.wake_all(tx, now)
        log.warning("resumed", scope=covers, by=by, ended=ended)
        self._wake_decider()
        self._wake_runner()
        by_file = [f"{pause.scope} ({pause.reason})" for pause in by_pause_file(self._settings.pause_file)]
        return Resumed(covers, ended, [*by_file, *sorted(standing - {covers})])

    def _canonical(self, scope: str, standing: set[str]) -> str:
        """A pause of a playbook that is gone since can still be ended; one that never was is told with what stands."""
        names = [playbook.name for playbook in self._playbooks().playbooks]
        try:
            return pause_scope.canonical(scope, settings=self._settings, playbooks=names)
        except InvalidOrderError as error:
            if standing:
                raise InvalidOrderError(error.field, error.message, ", ".join(sorted(standing))) from None
            raise NoEffectError("nothing is paused") from None

    async def _settle_request(self, run_id: str, plan_hash: str | None, said: str, by: str, reason: str) -> Ordered:
        async with self._store.begin(Tx.OPERATE) as tx:
            now, run = self._clock.now(), await self._run(tx, run_id)
            if run.cancel_at is not None and run.state != "ended":
                raise NoEffectError(f"cancel was asked{_at(run.cancel_at)} by {run.cancel_by}")
            refused = await approvals.answer(
                tx, run_id=run_id, plan_hash=plan_hash, said=said, by=by, reason=reason, now=now
            )
            if refused is not None:
                request = await approvals.get(tx, run_id)
                why = None if request is None or request["answer"] is None else request["reason"]
                raise NoEffectError(f"{refused} ({why})" if why else refused)
            bound = f" plan {plan_hash}" if plan_hash else ""
            await self._tell(tx, run, said, f"{by} {said}{bound}: {reason}", by, reason, now)
        self._wake_runner()
        then = (
            "it is planned and checked again, then begins"
            if said == "approved"
            else "the run ends, nothing was changed"
        )
        return Ordered(run_id, f"{said}: {then}")

    async def _run(self, connection: Connection, run_id: str) -> RunRow:
        run = await runs.get(connection, run_id)
        if run is None:
            raise UnknownIdError(f"there is no run {run_id[:80]!r}")
        return run

    async def _in_hand(self, connection: Connection, scope: str) -> list[RunRow]:
        """Runs in this scope that have not ended: in their stories the pause must be seen."""
        found = await runs.listing(connection, states=runs.IN_HAND_STATES, limit=_ALL_RUNS)
        return [run for run in found if pauses.covers(scope, run.playbook, run.where)]

    async def _tell(
        self, tx: Connection, run: RunRow, event: str, text: str, by: str, reason: str | None, now: datetime
    ) -> None:
        """Into the timeline; then what people should be told is judged anew."""
        await self._note(tx, run, event, text, by, reason, now)
        named = self._playbooks().get
        await judge_incident(tx, run.incident_id, now=now, settings=self._settings, playbook_named=named)
        log.info(event, run_id=run.id, incident_id=run.incident_id, playbook=run.playbook, by=by, reason=reason)
        self._wake_courier()

    async def _note(
        self, tx: Connection, run: RunRow, event: str, text: str, by: str, reason: str | None, now: datetime
    ) -> None:
        await incidents.add_event(tx, run.incident_id, run.id, now, event, text, {"by": by, "reason": reason})


def _at(instant: datetime | None) -> str:
    return "" if instant is None else f" at {instant:%H:%M:%S}Z"
