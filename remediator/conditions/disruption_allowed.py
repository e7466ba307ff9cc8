"""``disruption_allowed``: would the pod's disruption budget let it go now?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.budgets import objection
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class DisruptionAllowed:
    """A pod without a budget may go."""

    name: ClassVar[str] = "disruption_allowed"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        budgets = RESOURCES["poddisruptionbudget"].permission("list")
        return (RESOURCES["pod"].permission("get"), budgets) if kind == "pod" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params, known
        if target.kind != "pod":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no pod")
        try:
            pod = await world.kubernetes.single_pods.read(target)
            found = objection(pod, await world.kubernetes.budgets.of(target.namespace))
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        return Look(Answer.of(found is None), f"pod {target.short} may go" if found is None else found.text)
