"""Before every apply, every next remedy and every undo: guards, plan and episode are asked again (S10, S22, S23, S25).

``check`` looks at the world and answers with the plan or the reason. ``still_admitted`` asks the guards once more inside the
transaction that writes the begun mark, so that a pause or a limit reached in between is never overlooked.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from remediator.decision import autonomy, guards
from remediator.decision.facts import Facts, Problem, RemedyFacts
from remediator.engine import facts
from remediator.engine.confirmation import confirmed
from remediator.engine.steps import Steps
from remediator.engine.survey import Survey
from remediator.engine.tools import Tools
from remediator.ids import intent_id
from remediator.playbooks.language import ASKS_ALWAYS
from remediator.playbooks.model import Autonomy, Playbook
from remediator.runs.cursor import Cursor
from remediator.runs.events import Admitted, Cancel, Denied
from remediator.runs.plan import Plan, plans_hash
from remediator.store import approvals, episodes, journal, runs
from remediator.store.database import Connection
from remediator.store.episodes import EpisodeRow
from remediator.store.runs import RunRow

_UNTOUCHED = timedelta(minutes=15)
"""A run that has changed nothing for so long is decided anew (S10)."""


@dataclass(frozen=True, slots=True)
class Checked:
    """What a check found: an admission with its plan, or a denial."""

    event: Admitted | Denied
    plan: Plan | None = None
    survey: Survey = field(default_factory=Survey)


class Recheck:
    """For one run."""

    def __init__(self, tools: Tools, playbook: Playbook, run: RunRow) -> None:
        self._tools = tools
        self._playbook = playbook
        self._run = run

    async def check(self, cursor: Cursor) -> Checked:
        """Look at the world, make the plan of the next step, and ask the guards."""
        now = self._tools.clock.now()
        async with self._tools.store.read() as connection:
            request = await approvals.get(connection, self._run.id)
            episode = await episodes.episode(connection, self._run.episode_id)
        if episode is not None and cursor.direction == "apply":  # a yes can come an hour after the last delivery
            await confirmed(self._tools, episode, [self._playbook])
        untouched_since = cursor.since if request is None else request["answered_at"] or cursor.since
        if cursor.direction == "apply" and not cursor.changed and now - untouched_since > _UNTOUCHED:
            return Checked(Denied("untouched for 15m; it is decided anew"))
        labels = {} if episode is None else dict(episode.labels)
        if cursor.direction == "undo":
            checked = await self._undo(cursor, labels)
        else:
            checked = await self._forward(cursor, episode, labels, request)
        if isinstance(checked.event, Denied):
            return checked
        async with self._tools.store.read() as connection:
            denied = await self._denied(connection, cursor, checked)
        return checked if denied is None else replace(checked, event=denied)

    async def still_admitted(self, tx: Connection, cursor: Cursor, checked: Checked) -> Denied | Cancel | None:
        """The guards again, and the cancel mark, in the transaction that begins the step."""
        run = await runs.get(tx, self._run.id)
        if run is not None and run.cancel_at is not None and not cursor.cancelled:
            return Cancel(run.cancel_by or "somebody")
        return await self._denied(tx, cursor, checked)

    async def _forward(
        self, cursor: Cursor, episode: EpisodeRow | None, labels: Mapping[str, str], request: Mapping[str, Any] | None
    ) -> Checked:
        surveyor = self._tools.surveyor
        survey = await surveyor.find_target(self._playbook, self._run.source, labels, held=self._run.where)
        if survey.target is None or survey.world is None:
            problem = survey.target_problem or Problem("target_undetermined", "the target cannot be found")
            return Checked(Denied(problem.text), survey=survey)
        if survey.target != self._run.where:
            return Checked(Denied(f"the alert now leads to {survey.target}, not to {self._run.target}"), survey=survey)
        if cursor.step == 0 and not cursor.done:
            survey = replace(survey, remedy=await self._remedy(cursor, survey, episode))
        else:
            survey = replace(survey, remedy=await self._step(cursor, survey))
        found = survey.remedy
        if found is None or found.unknown is not None:
            return Checked(Denied("whether a remedy applies could not be read"), survey=survey)
        if found.chosen is None:
            return Checked(Denied("its preconditions do not hold", no_remedy=True), survey=survey)
        if found.refused is not None or not found.plans:
            text = "it could not be planned" if found.refused is None else found.refused.text
            return Checked(Denied(text), survey=survey)
        if not cursor.changed and request is not None and request["plan_hash"] != plans_hash(found.plans):
            # A yes is bound to what was shown (S16, S18).
            changed = "the plan is not the one that was approved: the world has changed since"
            return Checked(Denied(changed), survey=survey)
        if cursor.changed and (other := await self._another(found.plans[0])):
            return Checked(Denied(other), survey=survey)
        return Checked(Admitted(found.chosen), found.plans[0], survey)

    async def _remedy(self, cursor: Cursor, survey: Survey, episode: EpisodeRow | None) -> RemedyFacts | None:
        if survey.target is None or survey.world is None or episode is None:
            return None
        async with self._tools.store.read() as connection:
            known = await facts.known(
                connection,
                surveyor=self._tools.surveyor,
                playbook=self._playbook,
                episode=episode,
                target=survey.target,
                now=self._tools.clock.now(),
                since=self._run.created_at,
                asked=self._playbook.preconditions,
            )
        return await self._tools.surveyor.choose(
            self._playbook, survey.target, survey.world, known, first=cursor.remedy, own_changes=cursor.changed
        )

    async def _step(self, cursor: Cursor, survey: Survey) -> RemedyFacts:
        step = self._playbook.remedies[cursor.remedy].steps[cursor.step]
        if survey.target is None or survey.world is None:
            return RemedyFacts(cursor.remedy)
        plan = await self._tools.surveyor.plan_step(step, survey.target, survey.world, own_changes=cursor.changed)
        if isinstance(plan, Problem):
            return RemedyFacts(cursor.remedy, refused=plan)
        return RemedyFacts(cursor.remedy, plans=(plan,))

    async def _undo(self, cursor: Cursor, labels: Mapping[str, str]) -> Checked:
        """A plan that puts the step back, if its target is exactly as we left it (S25)."""
        survey = await self._tools.surveyor.find_target(self._playbook, self._run.source, labels)
        applied = intent_id(cursor.reverses or self._run.id, cursor.remedy, cursor.step, "apply")
        async with self._tools.store.read() as connection:
            step = await journal.get(connection, applied)
        if step is None:
            return Checked(Denied("the journal has no such step to undo"), survey=survey)
        plan = await Steps(self._tools.worlds, source=self._run.source).undo_plan(step)
        if isinstance(plan, Problem):
            return Checked(Denied(plan.text, unread=plan.kind == "wait"), survey=survey)
        return Checked(Admitted(cursor.remedy), plan, replace(survey, target=self._run.where))

    async def _another(self, plan: Plan) -> str | None:
        """What bears the target's name now is not what this run has changed (S16)."""
        async with self._tools.store.read() as connection:
            steps = await journal.of_run(connection, self._run.id)
        if all(step.plan["uid"] == plan.uid for step in steps):
            return None
        return f"{plan.target} was deleted and made again since this run began"

    async def _denied(self, connection: Connection, cursor: Cursor, checked: Checked) -> Denied | None:
        episode = await episodes.episode(connection, self._run.episode_id)
        if episode is None:
            return Denied("its episode is gone from the store")
        present = self._tools.playbooks().get(self._playbook.name)
        # The snapshot says what is done; the present playbook says whether (S22).
        judge = present or self._playbook
        found = await facts.complete(
            connection,
            settings=self._tools.settings,
            mode=self._run.mode,
            episode=episode,
            playbook=judge,
            playbook_present=present is not None,
            survey=checked.survey,
            now=self._tools.clock.now(),
            own_run=self._run.id,
            acting=True,
        )
        denials = guards.denials(self._guards(cursor), judge, found)
        if denials:
            paused = any(denial.guard == "pause" for denial in denials)
            return Denied("; ".join(denial.text for denial in denials), paused=paused)
        if cursor.direction == "apply":
            return await self._held(connection, judge, found, checked.plan, cursor)
        return None

    def _guards(self, cursor: Cursor) -> tuple[guards.Guard, ...]:
        if cursor.direction == "undo":
            return guards.TO_UNDO
        return guards.ALWAYS if cursor.changed else guards.TO_ADMIT

    async def _held(
        self, connection: Connection, playbook: Playbook, found: Facts, plan: Plan | None, cursor: Cursor
    ) -> Denied | None:
        """Present autonomy must allow the step: act by itself, or approve with a yes in hand. Some steps need the yes in any case."""
        request = await approvals.get(connection, self._run.id)
        approved = request is not None and request["answer"] == "approved"
        level = autonomy.in_force(playbook, found)
        needed = Autonomy.APPROVE if approved else Autonomy.ACT
        if level.level.rank < needed.rank:
            return Denied(f"held at {level.level} by {level.held_by}")
        if plan is not None and plan.action in ASKS_ALWAYS and not _said_yes_to(plan, request, cursor.step):
            return Denied(f"{plan.action} is done only after a yes to this very plan: {plan.summary}")
        return None


def _said_yes_to(plan: Plan, request: Mapping[str, Any] | None, step: int) -> bool:
    """Was this step among those that were shown and approved? A yes to another remedy is none to this one."""
    if request is None or request["answer"] != "approved":
        return False
    steps = request["plan"]["steps"]
    if step >= len(steps):
        return False
    seen = steps[step]
    return bool(
        seen["action"] == plan.action
        and seen["target"] == str(plan.target)
        and seen["changes"] == [str(change) for change in plan.changes]
    )
