"""What the world says about one alert and one playbook: the target, the remedy that applies, the plans of its steps.

Reads only, outside of any transaction. What could not be read is a ``Problem`` of kind ``wait``, never a guess.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from remediator.actions import action_named
from remediator.actions.base import Action, ActionContext, PlanRefusedError
from remediator.answers import Answer, all_of
from remediator.conditions.ask import ask
from remediator.conditions.base import Known, Look, World
from remediator.decision.facts import Asked, Lacking, Problem, RemedyFacts
from remediator.engine.finding import find
from remediator.engine.leave import not_let
from remediator.engine.named_target import NamedTarget, at_aws, named_target
from remediator.engine.places import account_of, cluster_of
from remediator.engine.worlds import Worlds
from remediator.errors import RemediatorError, TargetNotFoundError
from remediator.playbooks.model import Playbook, Remedy, Step
from remediator.runs.plan import Plan
from remediator.settings import Settings
from remediator.targets import Target


@dataclass(frozen=True, slots=True)
class Survey:
    """What one look at the world gave."""

    target: Target | None = None
    target_problem: Problem | None = None
    remedy: RemedyFacts | None = None
    missing: tuple[Problem, ...] = ()
    world: World | None = None
    lacking: tuple[Lacking, ...] = ()


def nothing_known(playbook: Playbook, target: Target) -> tuple[Lacking, ...]:
    """Of a surveyor for whom nobody has asked the API server what we may do."""
    del playbook, target
    return ()


def whose_answer(settings: Settings, playbooks: Iterable[Playbook], source: str, labels: Mapping[str, str]) -> str:
    """The clusters and accounts that a look for these playbooks waits for. One that does not answer holds up what waits for it only."""
    asked = {(account_of if at_aws(one) else cluster_of)(settings, source, labels) for one in playbooks}
    return " ".join(sorted(place for place in asked if isinstance(place, str)))


class Surveyor:
    """Looks; decides nothing. ``lacking`` tells what permissions are known to be missing."""

    def __init__(
        self,
        *,
        settings: Settings,
        worlds: Worlds,
        lacking: Callable[[Playbook, Target], tuple[Lacking, ...]] = nothing_known,
    ) -> None:
        self._settings = settings
        self._worlds = worlds
        self._lacking = lacking

    def named_target(self, playbook: Playbook, source: str, labels: Mapping[str, str]) -> NamedTarget | Problem:
        """What the alert names, without asking the cluster whether it exists."""
        of_aws = at_aws(playbook)
        place = (account_of if of_aws else cluster_of)(self._settings, source, labels)
        if isinstance(place, Problem):
            return place
        if not (_admits_account(playbook, self._settings, place) if of_aws else playbook.only.admits(cluster=place)):
            return Problem("place_not_allowed", f"playbook {playbook.name} is only for other places than {place}")
        return named_target(playbook, place, labels)

    async def find_target(
        self, playbook: Playbook, source: str, labels: Mapping[str, str], *, held: Target | None = None
    ) -> Survey:
        """Exactly one existing target, or the problem. ``held``: the target of the run that asks."""
        named = self.named_target(playbook, source, labels)
        if isinstance(named, Problem):
            return Survey(target_problem=named)
        world = self._worlds.of(named.place, source)
        if world is None:
            problem = Problem("place_unreachable", f"no client for {named.place}", "wait")
            return Survey(target_problem=problem)
        found = await find(named, world, held=held)
        if isinstance(found, Target):
            return Survey(target=found, world=world, lacking=self._lacking(playbook, found))
        return Survey(target_problem=found, missing=(found,) if found.code == "facts_missing" else ())

    async def choose(
        self,
        playbook: Playbook,
        target: Target,
        world: World,
        known: Known,
        *,
        first: int = 0,
        own_changes: bool = False,
    ) -> RemedyFacts:
        """The first remedy from ``first`` on that applies for certain, with the plans of all its steps (S7)."""
        asked: list[Asked] = []
        for index, remedy in enumerate(playbook.remedies[first:], start=first):
            answer = await self._applies(remedy, target, world, known, asked)
            if answer is Answer.UNKNOWN:
                return RemedyFacts(None, unknown=remedy.name, asked=tuple(asked))
            if answer is Answer.YES:
                plans, refused = await self._plans(remedy.steps, target, world, own_changes=own_changes)
                return RemedyFacts(index, asked=tuple(asked), plans=plans, refused=refused)
        return RemedyFacts(None, asked=tuple(asked))

    async def plan_step(self, step: Step, target: Target, world: World, *, own_changes: bool) -> Plan | Problem:
        """What one step would do now, or why it must not or cannot be planned."""
        action: Action = action_named(step.action)
        if target.kind not in action.target_kinds:
            kinds = ", ".join(sorted(action.target_kinds))
            return Problem("target_kind", f"{action.name} does not act on a {target.kind}; accepted: {kinds}")
        params = action.params.model_validate(step.params)
        if (problem := not_let(self._settings, action, target, params)) is not None:
            return problem
        ctx = ActionContext(world.cluster, own_changes=own_changes, account=world.account)
        try:
            return await action.plan(ctx, target, params)
        except PlanRefusedError as refused:
            return Problem(refused.code, str(refused), refused.kind)
        except TargetNotFoundError as error:
            return Problem("target_not_found", str(error))
        except RemediatorError as error:
            return Problem("facts_missing", f"{action.name} could not be planned: {error}", "wait")

    async def _applies(self, remedy: Remedy, target: Target, world: World, known: Known, asked: list[Asked]) -> Answer:
        if not remedy.when:
            return Answer.YES

        def told(question: str, look: Look) -> None:
            asked.append(Asked(remedy.name, question, look.answer, look.seen))

        return all_of([(await ask(condition, world, target, known, told)).answer for condition in remedy.when])

    async def _plans(
        self, steps: tuple[Step, ...], target: Target, world: World, *, own_changes: bool
    ) -> tuple[tuple[Plan, ...], Problem | None]:
        plans: list[Plan] = []
        for index, step in enumerate(steps):
            plan = await self.plan_step(step, target, world, own_changes=own_changes or index > 0)
            if isinstance(plan, Problem):
                return tuple(plans), plan
            plans.append(plan)
        return tuple(plans), None


def _admits_account(playbook: Playbook, settings: Settings, place: str) -> bool:
    """An account may be listed by its number, its name or an alias."""
    number, _, region = place.partition("/")
    names = {
        spelled
        for name, one in settings.accounts.items()
        if one.id == number
        for spelled in (number, name, *one.aliases)
    }
    return any(playbook.only.admits(account=name, region=region) for name in names or {number})


def shown(remedy: Remedy, plans: tuple[Plan, ...], plan_hash: str) -> dict[str, Any]:
    """A plan as decisions and approvals keep it, for people and programs."""
    return {
        "remedy": remedy.name,
        "hash": plan_hash,
        "steps": [
            {
                "action": plan.action,
                "summary": plan.summary,
                "target": str(plan.target),
                "changes": [str(change) for change in plan.changes],
                "calls": [str(call) for call in plan.calls],
                "fidelity": plan.fidelity,
            }
            for plan in plans
        ],
    }
