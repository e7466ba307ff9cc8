"""``sizes_as_before``: has everything in the namespace that was scaled to zero its size again, and the pods for it?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.sized import REPLICATED
from remediator.clients.kubernetes.sizes import WITH_CRON_JOBS, NamespaceSizes, read_sizes
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class SizesAsBefore:
    """Nothing remembers a size any more, and what this run gave one back has it, and its pods are available.

    What an autoscaler decides may have become another size meanwhile, only not zero.
    """

    name: ClassVar[str] = "sizes_as_before"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return read_sizes(WITH_CRON_JOBS) if kind == "namespace" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params
        if target.kind != "namespace":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no namespace")
        try:
            sizes = await world.kubernetes.sizes.of(target, WITH_CRON_JOBS)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        ours = [plan for plan in known.done if plan.action == "kubernetes.restore_namespace" and plan.target == target]
        if any(plan.uid != sizes.uid for plan in ours):
            return Look(Answer.UNKNOWN, f"namespace {target.name} was made again since its sizes were given back")
        wrong = [
            f"{thing.key} still has the size {thing.before} to come"
            for thing in sizes.things
            if thing.before is not None
        ]
        for plan in ours:
            wrong += [text for key, before in plan.memory["sizes"].items() if (text := _wrong(sizes, key, before))]
        return Look(Answer.of(not wrong), "; ".join(wrong[:3]) or f"namespace {target.name} has its sizes again")


def _wrong(sizes: NamespaceSizes, key: str, before: str) -> str:
    """What is not as it was; empty if it is, or if the thing is gone."""
    thing = sizes.get(key)
    if thing is None:
        return ""
    if thing.size != before and (thing.at_nothing or not sizes.scaled(key)):
        return f"{key} has size {thing.size} and had {before}"
    return (
        "" if thing.kind not in REPLICATED or thing.is_up else f"{key}: {thing.available} of {thing.size} are available"
    )
