"""What a run tells on its target, as Kubernetes Events: a step begun, how it ended, how the run ended.

Told beside the journal, never instead of it: whatever happens to an event happens to nothing else. In a dry-run they are validated and
not kept, like every other write.
"""

from datetime import datetime

import structlog

from remediator.clients.kubernetes.events import Told
from remediator.clients.transport import WritePermit, permit
from remediator.engine.tools import Tools
from remediator.errors import RemediatorError
from remediator.runs.cursor import Cursor, Outcome
from remediator.runs.plan import Plan
from remediator.store import journal
from remediator.store.runs import RunRow

log = structlog.get_logger(__name__)

_WORDS = {"done": "StepDone", "failed": "StepFailed", "unsettled": "StepUnsettled"}
"""States of the journal."""
_GOOD = frozenset({Outcome.VERIFIED, Outcome.INFORMED, Outcome.REHEARSED})


class TargetEvents:
    """For one claim of one run. No method raises; each takes at most one request's time-out."""

    def __init__(self, tools: Tools, run: RunRow, given: WritePermit) -> None:
        self._tools = tools
        self._run = run
        self._permit = given

    async def begun(self, plan: Plan, intent: str, cursor: Cursor) -> None:
        """A step begins."""
        note = f"{cursor.direction}: {plan.summary}"
        await self._tell(plan, "StepBegun", f"{intent}/{cursor.attempts}", note)

    async def settled(self, plan: Plan, intent: str, cursor: Cursor, state: str) -> None:
        """How its call ended, in the journal's word."""
        note = f"{cursor.direction} {state}: {plan.summary}"
        await self._tell(plan, _WORDS[state], f"{intent}/{cursor.attempts}", note, bad=state != "done")

    async def asks(self, cursor: Cursor) -> None:
        """A person is needed."""
        await self._of_run("RunNeedsPerson", "waits for a person", f"{cursor.since.isoformat()}", bad=True)

    async def ended(self, outcome: Outcome) -> None:
        """The run is over."""
        word = outcome.value
        await self._of_run(f"Run{word.capitalize()}", f"ended {word}", "", bad=outcome not in _GOOD)

    async def _of_run(self, reason: str, said: str, which: str, *, bad: bool) -> None:
        """About what it has touched; a run that began nothing has nothing to tell there."""
        try:
            async with self._tools.store.read() as connection:
                steps = await journal.of_run(connection, self._run.id)
        except RemediatorError as error:
            log.info("event_not_told", reason=str(error))
            return
        if steps:
            plan = Plan.from_json(steps[-1].plan)
            await self._tell(plan, reason, which, f"{said}; `remediator runs {self._run.id}` says why", bad=bad)

    async def _tell(self, plan: Plan, reason: str, which: str, note: str, *, bad: bool = False) -> None:
        world = self._tools.worlds.of(plan.target.place, self._run.source)
        if world is None or plan.target.provider != "kubernetes":
            return
        told = Told(
            target=plan.target,
            uid=plan.uid,
            run_id=self._run.id,
            which=which,
            reason=reason,
            action=_camel(plan.action),
            note=f"{self._run.playbook} (run {self._run.id}, incident {self._run.incident_id}): {note}",
            at=self._now,
            type="Warning" if bad else "Normal",
        )
        try:
            with permit(self._permit):
                await world.kubernetes.events.tell(told)
        except Exception as error:  # nobody's run may hang on what is only told
            log.info("event_not_told", target=str(plan.target), reason=str(error))

    @property
    def _now(self) -> datetime:
        return self._tools.clock.now()


def _camel(action: str) -> str:
    """``kubernetes.rollout_restart`` as ``RolloutRestart``."""
    return "".join(word.capitalize() for word in action.rpartition(".")[2].split("_"))
