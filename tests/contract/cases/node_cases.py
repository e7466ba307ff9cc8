"""Nodes of a test's own cordoned, opened and drained. The test's nodes are its pool: those of others do not count."""

from remediator.clients.kubernetes.node import CORDONED
from remediator.targets import Target
from tests.contract.cases.pod_cases import gone_pods, note_pods
from tests.support.action_case import ActionCase
from tests.support.cluster import CLUSTER, Object, Stage

POOL = "sandbox.remediator.dev/stage"
"""Label of a stage's own nodes."""


def node_target(name: str) -> Target:
    return Target.kubernetes(CLUSTER, "", "node", name)


async def first_node(stage: Stage) -> str:
    """Of the two or more that the stage made."""
    return min(str(node["metadata"]["name"]) for node in await stage.list("Node", f"{POOL}={stage.namespace}"))


async def two_nodes(stage: Stage) -> Target:
    for _ in range(2):
        await stage.node()
    return node_target(await first_node(stage))


async def cordoned(stage: Stage) -> int:
    return int(bool((await stage.get("Node", await first_node(stage)))["spec"].get("unschedulable")))


async def _cordoned_by_us(stage: Stage) -> Target:
    target = await two_nodes(stage)
    ours = {"metadata": {"annotations": {CORDONED: "int_0"}}, "spec": {"unschedulable": True}}
    await stage.patch("Node", target.name, ours)
    return target


async def _opened(stage: Stage) -> int:
    return 1 - await cordoned(stage)


async def filled_node(
    stage: Stage, *, replicas: int = 2, behaviour: str = "healthy", pod: Object | None = None
) -> Target:
    """A node with all pods of `checkout`, and one beside it that came later and has none."""
    node, there = await stage.node()
    await stage.workload("checkout", replicas=replicas, behaviour=behaviour, pod={**there, **(pod or {})})
    await stage.rolled_out("checkout")
    await note_pods(stage)
    await stage.node()
    return node_target(node)


async def _moved_from_it(stage: Stage) -> int:
    """Pods that left the node while it is closed: an undo opens it again and brings none of them back."""
    return await gone_pods(stage) if await cordoned(stage) else 0


CASES = (
    ActionCase("kubernetes.cordon", prepare=two_nodes, changes=cordoned, params={"pool": POOL}, undoable=True),
    ActionCase("kubernetes.uncordon", prepare=_cordoned_by_us, changes=_opened, undoable=True),
    ActionCase(
        "kubernetes.drain",
        prepare=filled_node,
        changes=_moved_from_it,
        params={"pool": POOL},
        times=2,
        undoable=True,
    ),
)
