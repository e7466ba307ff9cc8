"""Bounds of autoscalers, of their own and of the KEDA ScaledObject that made them."""

from functools import partial

from remediator.targets import Target
from tests.contract.cases.workload_cases import up
from tests.support import crds
from tests.support.action_case import ActionCase
from tests.support.cluster import CLUSTER, Object, Stage

AIM: Object = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}


async def autoscaler(stage: Stage, name: str = "checkout", **metadata: object) -> Object:
    """From 2 to 5 replicas of checkout."""
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }
    spec = {"scaleTargetRef": AIM, "minReplicas": 2, "maxReplicas": 5, "metrics": [metric]}
    return await stage.create({"kind": "HorizontalPodAutoscaler", "metadata": {"name": name, **metadata}, "spec": spec})


async def scaled_object(stage: Stage, name: str = "checkout") -> Object:
    """From 2 to 5 replicas of checkout, with the autoscaler that KEDA would make of it."""
    await crds.install(stage, crds.KEDA)
    spec = {"scaleTargetRef": {"name": "checkout"}, "minReplicaCount": 2, "maxReplicaCount": 5}
    made = await stage.create({"kind": "ScaledObject", "metadata": {"name": name}, "spec": spec})
    owner = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "name": name, "uid": made["metadata"]["uid"]}
    await autoscaler(stage, f"keda-hpa-{name}", ownerReferences=[{**owner, "controller": True}])
    return made


def target_of(stage: Stage, name: str = "checkout") -> Target:
    """The autoscaler itself, within its workload."""
    return Target.kubernetes(CLUSTER, stage.namespace, "horizontalpodautoscaler", name, stage.target("checkout"))


async def _by_itself(stage: Stage) -> Target:
    await up(stage, "Deployment")
    await autoscaler(stage)
    return target_of(stage)


async def _of_workload(stage: Stage) -> Target:
    target = await up(stage, "Deployment")
    await autoscaler(stage)
    return target


async def _of_keda(stage: Stage) -> Target:
    target = await up(stage, "Deployment")
    await scaled_object(stage)
    return target


async def _moved(stage: Stage, kind: str, field: str, before: int) -> int:
    return int((await stage.get(kind, "checkout"))["spec"][field] != before)


CASES = (
    ActionCase(
        "kubernetes.hpa_bounds",
        prepare=_by_itself,
        changes=partial(_moved, kind="HorizontalPodAutoscaler", field="maxReplicas", before=5),
        params={"max_by": 2, "bound": 10},
        undoable=True,
        name="by-itself",
    ),
    ActionCase(
        "kubernetes.hpa_bounds",
        prepare=_of_workload,
        changes=partial(_moved, kind="HorizontalPodAutoscaler", field="minReplicas", before=2),
        params={"min": 3},
        undoable=True,
        name="of-workload",
    ),
    ActionCase(
        "kubernetes.hpa_bounds",
        prepare=_of_keda,
        changes=partial(_moved, kind="ScaledObject", field="maxReplicaCount", before=5),
        params={"max": 8, "scaled_object": True},
        undoable=True,
        name="keda",
    ),
)
