"""``rollout_complete``: is every pod of the workload's present template running and available, and no old one left?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.rollout import rollout_of
from remediator.clients.permissions import Permission, read_workloads
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class RolloutComplete:
    """As ``kubectl rollout status`` judges it. A rollout that cannot end by itself is a known no, with the reason.

    With the strategy OnDelete it is judged only where this run takes the old pods away, and unknown elsewhere.
    """

    name: ClassVar[str] = "rollout_complete"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_workloads(kind)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params
        if target.workload is None:
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} belongs to no workload")
        try:
            workload = await world.kubernetes.workloads.read(target.workload)
        except (TargetNotFoundError, FactsMissingError) as error:
            # A workload that is gone is no "no": `not: {rollout_complete: {}}` must not hold because of it.
            return Look(Answer.UNKNOWN, str(error))
        by_hand = any(plan.uid == workload.uid and plan.params.get("evict_old_pods") for plan in known.done)
        if workload.strategy == "OnDelete" and not by_hand:
            return Look(Answer.UNKNOWN, f"{target.short} has the strategy OnDelete, whose rollouts have no end")
        rollout = rollout_of(workload, by_hand=by_hand)
        return Look(Answer.of(rollout.done), rollout.reason)
