"""``pod_replaced``: is the pod that this run took away gone, and is its workload whole again?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.permissions import Permission, read_workloads
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """Nothing to choose."""


class PodReplaced:
    """Compares with the pod's uid before the run's own step: a pod of a StatefulSet comes back under the same name."""

    name: ClassVar[str] = "pod_replaced"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return (RESOURCES["pod"].permission("get"), *read_workloads(kind)) if kind == "pod" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del params
        before = next((plan.uid for plan in reversed(known.done) if plan.target == target), None)
        if target.kind != "pod" or before is None:
            return Look(Answer.UNKNOWN, f"this run has not taken away {target.kind} {target.short}")
        if target.workload is None:
            return Look(Answer.UNKNOWN, f"pod {target.short} belongs to no workload that could replace it")
        try:
            pod = await world.kubernetes.single_pods.read(target)
            if pod.uid == before:
                return Look(Answer.NO, f"pod {target.short} is still {'going' if pod.terminating else 'there'}")
        except TargetNotFoundError:
            pass  # gone, which is what is wanted
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        try:
            workload = await world.kubernetes.workloads.read(target.workload)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if workload.observed_generation < workload.generation:
            return Look(Answer.NO, "the controller has not seen the newest change yet, so its counts are old")
        whole = workload.ready >= workload.replicas > 0
        return Look(Answer.of(whole), f"it is gone; {workload.ready} of {workload.replicas} pods are ready")
