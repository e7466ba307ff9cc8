"""One action carried out by the real run machine and the real ``Steps``, without store and guards: what a run does to the world.

Waits are short in the world's time and as long as the machine says in the run's.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from remediator.actions import action_named
from remediator.actions.base import ActionContext, PlanRefusedError
from remediator.answers import Answer
from remediator.clients.aws.api import AwsApi
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.transport import WritePermit
from remediator.clock import Clock, SystemClock
from remediator.conditions.base import Look
from remediator.decision.facts import Problem
from remediator.engine.steps import Steps
from remediator.engine.worlds import Fixed, Worlds
from remediator.errors import RemediatorError
from remediator.ids import intent_id
from remediator.runs import machine
from remediator.runs.cursor import Cursor, Phase, RemedyShape, Shape
from remediator.runs.events import Admitted, Applied, Command, Denied, Do, Event, Wait
from remediator.runs.plan import Plan
from remediator.store.journal import StepRow
from remediator.targets import Target
from tests.support.cluster import CLUSTER

_TURNS = 400
_NAP_S = 0.05
_LACKING = "missing permission"


@dataclass
class CarriedOut:
    """Plans and carries out; ``go`` returns the cursor at the end, or where a person is asked."""

    kubernetes: KubernetesClient | None
    target: Target
    action: str
    params: Mapping[str, Any]
    if_refuted: Literal["undo", "keep"] = "keep"
    verified: Answer | None = None
    """What the remedy's conditions answer; None: what the action itself sees of its effect."""
    within: timedelta = timedelta(minutes=2)
    told: list[str] = field(default_factory=list)
    aws: AwsApi | None = None
    clock: Clock | None = None
    """Whose time passes when the run waits; None: a nap, and the run believes that it was as long as it had to be."""
    look: timedelta = timedelta(seconds=2)
    _now: datetime = field(default_factory=lambda: datetime.now(UTC))
    _steps: dict[str, StepRow] = field(default_factory=dict)
    _plan: Plan | None = None

    async def go(self) -> Cursor:
        place = self.target.place
        cluster = CLUSTER if self.target.provider == "aws" else place
        worlds = Worlds(
            kubernetes={} if self.kubernetes is None else {cluster: self.kubernetes},
            prometheus={},
            alertmanagers={},
            aws={} if self.aws is None else {place: self.aws},
            fixed={"test": Fixed(cluster, place)},
        )
        self._doing = Steps(worlds, source="test")
        if self.clock is not None:
            self._now = self.clock.now()
        shape = Shape(
            remedies=(RemedyShape(1, self.within, timedelta(0), self.if_refuted),),
            rehearsal=any(one.dry_run for one in (self.kubernetes, self.aws) if one is not None),
            settle=timedelta(0),
            look=self.look,
        )
        cursor, command = machine.resume(machine.start(0, self._now), shape, self._now)
        for _ in range(_TURNS):
            if command in (Do.END, Do.ASK_PERSON):
                return cursor
            if isinstance(command, Wait):
                await self._wait(command.until)
                cursor, command = machine.resume(cursor, shape, self._now)
                continue
            event = await self._do(cursor, command)
            self.told.append(f"{cursor.direction} {command}: {event}")
            self._now += timedelta(milliseconds=10)
            cursor, command = machine.advance(cursor, event, shape, self._now)
        raise AssertionError(f"neither ended nor asking a person: {cursor}; {self.told[-5:]}")

    async def _wait(self, until: datetime) -> None:
        if self.clock is None:
            await asyncio.sleep(_NAP_S)
        else:
            await self.clock.sleep((until - self.clock.now()).total_seconds())
        self._now = max(self._now, until)

    async def _do(self, cursor: Cursor, command: Command) -> Event:
        match command:
            case Do.CHECK:
                return await self._check(cursor)
            case Do.APPLY:
                return await self._apply(cursor)
            case Do.LAND:
                landed = await self._doing.landed(self._step(cursor))
                seen = self._seen(landed)
                return Applied.PARTLY if landed.partly and seen is Answer.YES else seen
            case Do.LOOK_EFFECT:
                return self._seen(await self._doing.effect(self._step(cursor)))
            case Do.LOOK_VERIFY:
                look = await self._doing.effect(self._steps[self._intent("apply")])
                seen = self._seen(look)
                if self.verified is None:
                    return seen
                if seen is Answer.YES or _LACKING in look.seen:
                    # Further looks would see the same: the rest of the window passes at once, as if there had been all of them.
                    await self._wait(self._now + self.within)
                return self.verified
            case _:
                raise AssertionError(command)

    async def _check(self, cursor: Cursor) -> Admitted | Denied:
        try:
            if cursor.direction == "undo":
                found = await self._doing.undo_plan(self._steps[self._intent("apply")])
                if isinstance(found, Problem):
                    return Denied(found.text, unread=found.kind == "wait")
                self._plan = found
                return Admitted(0)
            action = action_named(self.action)
            ctx = ActionContext(self.kubernetes, own_changes=cursor.changed, account=self.aws)
            plan = await action.plan(ctx, self.target, action.params.model_validate(dict(self.params)))
        except PlanRefusedError as refused:
            return Denied(f"{refused.code}: {refused}")
        except RemediatorError as error:
            return Denied(str(error))
        self._plan = Plan.from_json(plan.to_json())
        return Admitted(0)

    async def _apply(self, cursor: Cursor) -> Event:
        assert self._plan is not None
        intent = self._intent(cursor.direction)
        clock = self.clock or SystemClock()
        begun_at = clock.now()
        done = await self._doing.apply(self._plan, intent, WritePermit(clock.boottime() + 300))
        former = self._steps.get(intent)
        self._steps[intent] = StepRow(
            intent_id=intent,
            run_id="run_test",
            seq=1,
            remedy="test",
            action=self._plan.action,
            direction=cursor.direction,
            state=done.state,
            plan=self._plan.to_json(),
            attempts=1 if former is None else former.attempts + 1,
            begun_at=begun_at,
            first_begun_at=begun_at if former is None else former.first_begun_at,
            ended_at=None,
            applied=done.applied,
            error=done.error,
        )
        if done.error is not None:
            self.told.append(done.error)
        return done.event

    def _seen(self, look: Look) -> Answer:
        self.told.append(look.seen)
        return look.answer

    def _step(self, cursor: Cursor) -> StepRow:
        return self._steps[self._intent(cursor.direction)]

    def _intent(self, direction: str) -> str:
        return intent_id(f"run_test{id(self)}", 0, 0, direction)


def is_at_rest(cursor: Cursor) -> bool:
    """Ended, or waiting for a person."""
    return cursor.phase in (Phase.ENDED, Phase.PERSON)
