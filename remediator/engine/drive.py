"""Driving one claimed run: do the machine's command, store what happened, until it waits, asks a person or ends."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog

from remediator.answers import Answer
from remediator.clients.kubernetes.one_look import one_look
from remediator.clients.transport import WritePermit
from remediator.conditions.ask import ask
from remediator.engine import facts, reverse
from remediator.engine.admission import shape_of
from remediator.engine.escalator import judge_incident
from remediator.engine.evidence import EvidenceKeeper, seen_by_step
from remediator.engine.recheck import Checked, Recheck
from remediator.engine.steps import Done, Steps
from remediator.engine.target_events import TargetEvents
from remediator.engine.tools import Tools
from remediator.ids import intent_id
from remediator.playbooks.model import Playbook
from remediator.runs import machine
from remediator.runs.cursor import Cursor, Outcome, Phase
from remediator.runs.events import Applied, Cancel, Command, Denied, Do, Event, PersonSaid, Wait
from remediator.runs.plan import Plan
from remediator.store import approvals, episodes, incidents, journal, ledger, runs
from remediator.store.database import Connection, Tx
from remediator.store.journal import StepRow
from remediator.store.runs import RunRow

log = structlog.get_logger(__name__)

_UNWATCHED = timedelta(seconds=30)
"""A look that comes so much too late, after an outage, does not continue a hold."""
_SETTLED_BY_WORD: dict[Event, str] = {PersonSaid.LANDED: "done", PersonSaid.NOT_LANDED: "failed"}
"""What a person's word about a step says of its journal row."""


class Drive:
    """One claim of one run."""

    def __init__(self, tools: Tools, run: RunRow, permit: WritePermit, *, stopping: Callable[[], bool]) -> None:
        self._tools = tools
        self._store = tools.store
        self._run = run
        self._playbook = Playbook.from_snapshot(run.snapshot)
        self._shape = shape_of(self._playbook, mode=run.mode, settings=tools.settings)
        self._cursor = Cursor.from_json(run.cursor)
        self._permit = permit
        self._stopping = stopping
        self._steps = Steps(tools.worlds, source=run.source)
        self._told_there = TargetEvents(tools, run, permit)
        self._recheck = Recheck(tools, self._playbook, run)
        self._evidence = EvidenceKeeper(tools, run, self._playbook)
        self._plan: Plan | None = None
        self._seen = ""
        """What the last look at the remedy's conditions showed, for the people who are told how it ended."""

    @property
    def unfinished(self) -> bool:
        """It has begun something, and is not over."""
        return self._cursor.phase is not Phase.ENDED and (self._cursor.changed or self._cursor.attempts > 0)

    async def go(self) -> None:
        """Until it waits, asks a person or ends.

        Raises:
            LostClaimError: another process has it.
            StoreUnavailableError: nothing more can be recorded, so nothing more is begun.
        """
        async with self._store.read() as connection:
            episode = await episodes.episode(connection, self._run.episode_id)
        structlog.contextvars.bind_contextvars(fingerprint="" if episode is None else episode.fingerprint)
        command = await self._take_up()
        while command is not None:
            command = await self._follow(command)

    async def _take_up(self) -> Command | None:
        """The first command of this claim: an answered request, a cancel, or where the cursor stands."""
        if self._run.state == "approval":
            await self._end_request()
            return None
        if self._run.wake_at is not None and self._now - self._run.wake_at > _UNWATCHED:
            self._cursor = replace(self._cursor, hold_since=None)  # what nobody looked at did not hold (S24)
        self._cursor, command = machine.resume(self._cursor, self._shape, self._now)
        if self._run.cancel_at is not None and not self._cursor.cancelled:
            return await self._tell(Cancel(self._run.cancel_by or "somebody"), "cancel was asked")
        return command

    async def _follow(self, command: Command) -> Command | None:
        """Do one command. None: the claim is given back."""
        if isinstance(command, Wait):
            await self._wait(command.until)
            return None
        if self._stopping() and command not in (Do.APPLY, Do.END, Do.ASK_PERSON):
            await self._wait(self._now)
            return None
        match command:
            case Do.CHECK:
                return await self._check()
            case Do.APPLY:
                return await self._apply()
            case Do.LAND:
                return await self._land()
            case Do.LOOK_EFFECT:
                look = await self._steps.effect(await self._step())
                return await self._tell(look.answer, f"effect of {self._remedy_name}: {look.answer}: {look.seen}")
            case Do.LOOK_VERIFY:
                return await self._verify()
            case Do.ASK_PERSON:
                return await self._ask_person()
            case Do.END:
                await self._end()
                return None

    async def _check(self) -> Command | None:
        with one_look():
            checked = await self._recheck.check(self._cursor)
            plan = None if isinstance(checked.event, Denied) else checked.plan
            if plan is not None:
                await self._evidence.before_first_step(self._cursor)
        if plan is None:
            reason = checked.event.reason if isinstance(checked.event, Denied) else "there is no plan"
            return await self._tell(checked.event, f"not begun: {reason}")
        return await self._begin(checked, plan)

    async def _begin(self, checked: Checked, plan: Plan) -> Command | None:
        """The begun mark, with guards, pause and cancel asked once more in its own transaction (S23)."""
        command: Command | None = None
        async with self._store.begin(Tx.BEGIN_STEP) as tx:
            now = self._now
            episode = await episodes.episode(tx, self._run.episode_id)
            received_at = now if episode is None else episode.first_received_at
            unfit, unsteady_s = await self._tools.unfit(tx), self._tools.unsteady_s()
            stopped = await self._recheck.still_admitted(tx, self._cursor, checked)
            if unfit is None and not unsteady_s and stopped is None:
                self._cursor, command = machine.advance(self._cursor, checked.event, self._shape, now)
                await runs.move(tx, self._run, self._cursor)
                await journal.begin(
                    tx,
                    intent_id=self._intent,
                    run_id=self._run.id,
                    remedy=self._remedy_name,
                    direction=self._cursor.direction,
                    plan=plan,
                    fence=self._run.fence,
                    now=now,
                )
                if self._playbook.remedies[self._cursor.remedy].writes:
                    await ledger.mark_changed(tx, self._cursor.reverses or self._run.id, now)
                again = "" if self._cursor.attempts == 1 else f" (attempt {self._cursor.attempts})"
                await self._event(tx, "step_begun", f"{self._cursor.direction}: {plan.summary}{again}", now)
        if unfit is not None:
            await self._wait(now, f"not begun here: {unfit}")  # a replica that is fit takes it up at once
            return None
        if unsteady_s:
            steady_at = now + timedelta(seconds=unsteady_s)
            await self._wait(steady_at, "not begun: the clock has stepped, and nothing begins until it is steady")
            return None
        if stopped is not None:
            reason = stopped.reason if isinstance(stopped, Denied) else f"cancelled by {stopped.by}"
            return await self._tell(stopped, f"not begun: {reason}")
        self._plan = plan
        if self._run.changed_at is None and self._cursor.attempts == 1 and self._cursor.reverses is None:
            self._tools.metrics.alert_to_first_call.observe((now - received_at).total_seconds())
        log.info("step_begun", step=plan.action, target=self._run.target, attempt=self._cursor.attempts)
        return command

    async def _apply(self) -> Command | None:
        if self._plan is None:
            raise RuntimeError("nothing is applied that was not begun here")
        plan, intent = self._plan, self._intent
        async with asyncio.TaskGroup() as group:
            group.create_task(self._told_there.begun(plan, intent, self._cursor))
            done = await self._steps.apply(plan, intent, self._permit)
        async with self._store.begin(Tx.END_STEP) as tx:
            now, begun = self._now, self._cursor
            self._cursor, command = machine.advance(begun, done.event, self._shape, now)
            await runs.move(tx, self._run, self._cursor)
            await journal.settle(tx, intent, state=done.state, now=now, applied=done.applied, error=done.error)
            if done.event is Applied.DONE:
                await self._follow_up(tx, begun, now)
            await self._event(tx, f"step_{done.state}", _told(done, plan), now, seen_by_step(done.applied))
        log.info("step_applied", step=plan.action, target=self._run.target, result=done.state, error=done.error)
        await self._told_there.settled(plan, intent, begun, done.state)
        return command

    async def _land(self) -> Command | None:
        """Look for our mark, once a request on its way can no longer arrive (S20). It may have left long after the begun mark, so
        its time counts from when the answer was lost, or from when the step was taken up from a process that is gone."""
        step = await self._step()
        look_at = self._cursor.since + self._tools.settings.timings.request
        if self._now < look_at:
            await self._wait(look_at)
            return None
        look = await self._steps.landed(step)
        async with self._store.begin(Tx.END_STEP) as tx:
            now, begun = self._now, self._cursor
            landed = Applied.PARTLY if look.partly and look.answer is Answer.YES else look.answer
            self._cursor, command = machine.advance(begun, landed, self._shape, now)
            await runs.move(tx, self._run, self._cursor)
            state = {Answer.YES: "done", Answer.NO: "failed", Answer.UNKNOWN: "unsettled"}[look.answer]
            found = f"landed {look.answer}: {look.seen}"
            await journal.settle(tx, step.intent_id, state=state, now=now, error=found)
            if landed is Answer.YES:
                await self._follow_up(tx, begun, now)
            if step.error != found:  # a look that shows the same again is no news
                await self._event(tx, "step_looked_at", f"did {step.action} happen? {look.answer}: {look.seen}", now)
        log.info("step_looked_at", step=step.action, answer=str(look.answer), seen=look.seen)
        if step.error != found:
            await self._told_there.settled(Plan.from_json(step.plan), step.intent_id, begun, state)
        return command

    async def _verify(self) -> Command | None:
        verify = self._playbook.remedies[self._cursor.remedy].verify
        world = self._tools.worlds.of(self._run.where.place, self._run.source)
        if verify is None or world is None:
            return await self._tell(Answer.UNKNOWN, "looked: unknown: there is nothing to ask")
        async with self._store.read() as connection:
            episode = await episodes.episode(connection, self._run.episode_id)
            if episode is None:
                raise RuntimeError(f"run {self._run.id} has no episode")
            known = await facts.known(
                connection,
                surveyor=self._tools.surveyor,
                playbook=self._playbook,
                episode=episode,
                target=self._run.where,
                now=self._now,
                since=self._run.created_at,
                asked=(verify.condition,),
                done=await self._done_plans(connection),
                asked_since=self._cursor.since,
                absent_since=self._cursor.absent_since,
            )
        look = await ask(verify.condition, world, self._run.where, known)
        self._seen = look.seen
        absent_since = (self._cursor.absent_since or self._now) if look.absent else None
        self._cursor = replace(self._cursor, absent_since=absent_since)
        return await self._tell(look.answer, f"looked: {look.answer}: {look.seen}")

    async def _done_plans(self, connection: Connection) -> tuple[Plan, ...]:
        """What conditions may compare the present with: the world before our own steps."""
        steps = await journal.of_run(connection, self._run.id)
        return tuple(Plan.from_json(step.plan) for step in steps if step.direction == "apply" and step.state == "done")

    async def _ask_person(self) -> Command | None:
        if self._run.answer is not None:
            answer, self._run = self._run.answer, replace(self._run, answer=None)  # one answer, one question
            said = PersonSaid(answer["said"])
            return await self._tell(said, f"{answer['by']} answered {said.value}: {answer['reason']}")
        async with self._store.begin(Tx.ADVANCE_RUN) as tx:
            now = self._now
            self._run = replace(self._run, incident_id=await reverse.call(tx, self._run, self._cursor, now))
            await runs.park(tx, self._run, self._cursor, wake_at=None, state="needs_person")
            await self._event(tx, "needs_person", f"a person is needed: {self._cursor.note}", now)
            await self._judge(tx, now)
        log.warning("run_needs_person", question=self._cursor.question, reason=self._cursor.note)
        self._tools.on_page()  # first: the cluster may take its time over an event
        await self._told_there.asks(self._cursor)
        return None

    async def _tell(self, event: Event, said: str) -> Command | None:
        """Tell the machine what happened, store where the run stands now, and go on with its next command."""
        before, intent = self._cursor, self._intent
        now = self._now
        self._cursor, command = machine.advance(self._cursor, event, self._shape, now)
        if self._seen and self._cursor.phase is not before.phase and self._cursor.phase in (Phase.WATCH, Phase.ENDED):
            self._cursor = replace(self._cursor, note=f"{self._cursor.note} (last look: {self._seen})")
        turned = before.phase is not self._cursor.phase or before.hold_since != self._cursor.hold_since
        if isinstance(command, Wait):
            await self._wait(command.until, said if turned else "")
            return None
        async with self._store.begin(Tx.ADVANCE_RUN) as tx:
            taken = {"answer": None} if isinstance(event, PersonSaid) else {}
            await runs.move(tx, self._run, self._cursor, **taken)
            if event in _SETTLED_BY_WORD:
                await journal.settle(tx, intent, state=_SETTLED_BY_WORD[event], now=now, error=said)
            if event is PersonSaid.LANDED:
                await self._follow_up(tx, before, now)
            await self._event(tx, "looked" if isinstance(event, Answer) else "moved", said, now)
        return command

    async def _wait(self, until: datetime, said: str = "") -> None:
        async with self._store.begin(Tx.ADVANCE_RUN) as tx:
            now = self._now
            await runs.park(tx, self._run, self._cursor, wake_at=until)
            if said:
                await self._event(tx, "looked", said, now)
            if self._cursor.phase is Phase.WATCH:  # unknown: people are told now, while it keeps looking (S24)
                await self._judge(tx, now)

    async def _end(self) -> None:
        async with self._store.begin(Tx.ADVANCE_RUN) as tx:
            await self._record_end(tx)
        self._ended()
        await self._told_there.ended(self._outcome)

    async def _end_request(self) -> None:
        """A request that was rejected, has expired or was cancelled. (An approved one is claimed as ``running``.)"""
        async with self._store.begin(Tx.ADVANCE_RUN) as tx:
            now = self._now
            request = await approvals.get(tx, self._run.id)
            if self._run.cancel_at is not None:
                why, said = f"cancelled by {self._run.cancel_by}", "withdrawn"
            elif request is not None and request["answer"] == "rejected":
                why, said = f"rejected by {request['answered_by']}: {request['reason']}", "rejected"
            else:
                why, said = "the request expired without an answer", "expired"
            await approvals.settle(tx, self._run.id, said=said, by="remediator", reason=why, now=now)
            cancelled, _ = machine.advance(self._cursor, Cancel(why), self._shape, now)
            self._cursor = replace(cancelled, note=why)
            await self._record_end(tx)
        self._ended()

    async def _record_end(self, tx: Connection) -> None:
        now, outcome = self._now, self._outcome
        await runs.end(tx, self._run, self._cursor, now)
        await self._event(tx, "run_ended", f"{self._playbook.name} ended {outcome}: {self._cursor.note}", now)
        await episodes.wake_incident(tx, self._run.incident_id, now)
        await self._judge(tx, now)

    def _ended(self) -> None:
        self._tools.metrics.runs.labels(outcome=str(self._outcome), mode=self._run.mode).inc()
        log.info("run_ended", outcome=str(self._outcome), reason=self._cursor.note)
        self._tools.on_ended()
        self._tools.on_page()

    async def _judge(self, tx: Connection, now: datetime) -> None:
        named = self._tools.playbooks().get
        await judge_incident(tx, self._run.incident_id, now=now, settings=self._tools.settings, playbook_named=named)

    async def _follow_up(self, tx: Connection, settled: Cursor, now: datetime) -> None:
        """The step at which ``settled`` stands is done."""
        await reverse.follow(tx, self._run, self._playbook, settled, settings=self._tools.settings, now=now)

    async def _event(
        self, tx: Connection, event: str, text: str, now: datetime, detail: Mapping[str, Any] | None = None
    ) -> None:
        await incidents.add_event(tx, self._run.incident_id, self._run.id, now, event, text, detail)

    async def _step(self) -> StepRow:
        async with self._store.read() as connection:
            step = await journal.get(connection, self._intent)
        if step is None:
            raise RuntimeError(f"run {self._run.id} looks for a step that was never begun")
        return step

    @property
    def _now(self) -> datetime:
        return self._tools.clock.now()

    @property
    def _outcome(self) -> Outcome:
        return self._cursor.outcome or Outcome.FAILED

    @property
    def _remedy_name(self) -> str:
        return self._playbook.remedies[self._cursor.remedy].name

    @property
    def _intent(self) -> str:
        cursor = self._cursor
        return intent_id(self._run.id, cursor.remedy, cursor.step, cursor.direction)


def _told(done: Done, plan: Plan) -> str:
    return f"{plan.summary}: {done.error}" if done.error else f"done: {done.summary}"
