"""One step's calls of its action, with every way in which they can end told apart (S15)."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import structlog

from remediator.actions import action_named
from remediator.actions.base import ActionContext
from remediator.actions.base import Applied as Answered
from remediator.answers import Answer
from remediator.clients.transport import WritePermit, permit
from remediator.conditions.base import Look, World
from remediator.decision.facts import Problem
from remediator.engine.worlds import Worlds
from remediator.errors import OvertakenError, PermanentError, RemediatorError, TransientError
from remediator.runs.events import Applied, Refused
from remediator.runs.plan import Plan
from remediator.store.journal import StepRow

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Done:
    """How an apply ended, for the machine and for the journal."""

    event: Applied | Refused
    summary: str = ""
    applied: dict[str, Any] | None = None
    error: str | None = None

    @property
    def state(self) -> str:
        """Of the journal's row: only what certainly changed nothing is ``failed``."""
        match self.event:
            case Applied.DONE | Applied.PARTLY:
                return "done"
            case Applied.LOST:
                return "unsettled"
            case _:
                return "failed"


class Steps:
    """For one run. ``source`` and the plan's target say which world is meant."""

    def __init__(self, worlds: Worlds, *, source: str) -> None:
        self._worlds = worlds
        self._source = source

    async def apply(self, plan: Plan, intent: str, given: WritePermit) -> Done:
        """Carry the plan out, once. Whatever is not certainly "nothing changed" counts as lost, and is looked at next."""
        try:
            action = action_named(plan.action)
            with permit(given):
                answered = await action.apply(self._context(plan), plan, intent)
        except OvertakenError as error:
            return Done(Refused(str(error), overtaken=True), error=str(error))
        except PermanentError as error:
            return Done(Refused(str(error)), error=str(error))
        except TransientError as error:
            return Done(Applied.NOT_DONE, error=str(error))
        except Exception as error:
            log.warning("apply_answer_lost", step=plan.action, error_type=type(error).__name__, error=str(error))
            return Done(Applied.LOST, error=f"answer lost: {error}")
        event = Applied.DONE if answered.complete else Applied.PARTLY
        return Done(event, summary=answered.summary, applied=asdict(answered))

    async def landed(self, step: StepRow) -> Look:
        """Does the world carry our mark of this step?"""
        look = await self._landed(step, step.first_begun_at)
        if look.answer is Answer.NO and step.begun_at > step.first_begun_at:
            # What says no "because it would have been seen by now" has judged by the first attempt; the last one is younger.
            look = await self._landed(step, step.begun_at)
        return look

    async def _landed(self, step: StepRow, begun_at: datetime) -> Look:
        plan = Plan.from_json(step.plan)
        try:
            return await action_named(plan.action).landed(self._context(plan), plan, step.intent_id, begun_at)
        except RemediatorError as error:
            return Look(Answer.UNKNOWN, str(error))

    async def effect(self, step: StepRow) -> Look:
        """Has the step's effect run its course?"""
        plan = Plan.from_json(step.plan)
        answered = None if step.applied is None else Answered(**step.applied)
        try:
            return await action_named(plan.action).verify(self._context(plan), plan, answered)
        except RemediatorError as error:
            return Look(Answer.UNKNOWN, str(error))

    async def undo_plan(self, step: StepRow) -> Plan | Problem:
        """A plan that puts the step back, or why it is left as it is (S25)."""
        plan = Plan.from_json(step.plan)
        try:
            undo = await action_named(plan.action).undo_plan(self._context(plan), plan, step.intent_id)
        except RemediatorError as error:
            return Problem("facts_missing", f"whether it can be undone could not be read: {error}", "wait")
        if undo is None:
            return Problem("not_undoable", f"{plan.summary}: it cannot be put back, or somebody wrote since")
        return undo

    def _context(self, plan: Plan) -> ActionContext:
        world: World | None = self._worlds.of(plan.target.place, self._source)
        if world is None:
            raise TransientError(f"no client for {plan.target.place}")
        return ActionContext(world.cluster, own_changes=True, account=world.account)
