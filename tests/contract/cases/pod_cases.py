"""One pod evicted or deleted. What stood before is noted on its workload, so that the world alone tells what went."""

import json
from datetime import UTC, datetime
from functools import partial

from remediator.targets import Target
from tests.controlplane.words import READY, STUCK_TERMINATING
from tests.support.action_case import ActionCase
from tests.support.cluster import CLUSTER, Object, Stage

_BEFORE = "example.net/pods-before"


def pod_target(stage: Stage, pod: Object, kind: str = "deployment", name: str = "checkout") -> Target:
    return Target.kubernetes(CLUSTER, stage.namespace, "pod", pod["metadata"]["name"], stage.target(name, kind))


async def note_pods(stage: Stage, kind: str = "Deployment") -> Target:
    """The first of the pods as they are now; later `gone_pods` counts which of them went."""
    pods = await stage.list("Pod", "app=checkout")
    uids = json.dumps([pod["metadata"]["uid"] for pod in pods])
    await stage.patch(kind, "checkout", {"metadata": {"annotations": {_BEFORE: uids}}})
    # A Deployment's annotations go to its ReplicaSet a moment later, which is no doing of ours.
    await stage.until(
        kind, "checkout", lambda found: found["status"]["observedGeneration"] == found["metadata"]["generation"]
    )
    first = min(pods, key=lambda pod: str(pod["metadata"]["name"]))
    return pod_target(stage, first, kind.lower())


async def gone_pods(stage: Stage, kind: str = "Deployment", *, going: bool = True) -> int:
    """Without `going` only those that are gone for good."""
    noted = json.loads((await stage.get(kind, "checkout"))["metadata"]["annotations"][_BEFORE])
    pods = await stage.list("Pod", "app=checkout")
    there = {one["metadata"]["uid"] for one in pods if not (going and "deletionTimestamp" in one["metadata"])}
    return len(set(noted) - there)


async def _up(stage: Stage, kind: str) -> Target:
    await stage.workload("checkout", kind=kind)
    await stage.rolled_out("checkout", kind)
    return await note_pods(stage, kind)


async def _never_ready(stage: Stage) -> Target:
    await stage.workload("checkout", replicas=2, behaviour="never-ready")
    await stage.until("Deployment", "checkout", lambda found: found["status"].get("updatedReplicas") == 2)
    for pod in await stage.pods("checkout"):
        await stage.until("Pod", pod["metadata"]["name"], lambda found: found["status"].get("phase") == "Running")
    return await note_pods(stage)


async def stuck_terminating(stage: Stage, kind: str = "Deployment") -> tuple[Target, str]:
    """A pod that does not end, on a node that does not answer; the node's name."""
    node, there = await stage.node()
    told = {STUCK_TERMINATING: "true"}
    pod = {**there, "terminationGracePeriodSeconds": 1}
    await stage.workload("checkout", kind=kind, replicas=1, annotations=told, pod=pod)
    await stage.rolled_out("checkout", kind)
    target = await note_pods(stage, kind)
    await stage.delete("Pod", target.name)
    await stage.patch("Node", node, {"metadata": {"annotations": {READY: "False"}}})
    await stage.until("Node", node, _not_ready)
    await stage.until("Pod", target.name, _should_have_ended)
    return target, node


async def _stuck(stage: Stage) -> Target:
    return (await stuck_terminating(stage))[0]


def _should_have_ended(pod: Object) -> bool:
    return datetime.fromisoformat(pod["metadata"]["deletionTimestamp"]) <= datetime.now(UTC)


def _not_ready(node: Object) -> bool:
    return any(one["type"] == "Ready" and one["status"] != "True" for one in node["status"].get("conditions", []))


CASES = (
    *(
        ActionCase(
            "kubernetes.evict_pod",
            prepare=partial(_up, kind=kind),
            changes=partial(gone_pods, kind=kind),
            name=kind.lower(),
        )
        for kind in ("Deployment", "StatefulSet")
    ),
    ActionCase(
        "kubernetes.delete_pod",
        prepare=_never_ready,
        changes=gone_pods,
        params={"because": "never_ready", "for_at_least": "0s"},
        name="never-ready",
    ),
    ActionCase(
        "kubernetes.delete_pod",
        prepare=_stuck,
        changes=partial(gone_pods, going=False),
        params={"because": "stuck_terminating", "for_at_least": "0s", "force": True},
        name="stuck",
    ),
)
