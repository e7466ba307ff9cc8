"""Which pods of a node a drain moves, and which of them forbid it."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from remediator.actions.kubernetes.node_service import OutOfServiceParams
from remediator.clients.kubernetes.budgets import Budget, objection
from remediator.clients.kubernetes.single_pod import SinglePod

_SYSTEM = ("kube-system", "kube-public", "kube-node-lease")
_NAMED = 3


class Params(OutOfServiceParams):
    """What would be lost by moving it must be accepted by name."""

    empty_dir: Literal["accept"] | None = Field(
        None, description="accept: move pods with emptyDir volumes; what is in them is lost"
    )
    unmanaged: Literal["accept"] | None = Field(
        None, description="accept: evict pods without a controller; nothing makes them anew"
    )
    system_pods: Literal["accept"] | None = Field(
        None, description="accept: move pods of kube-system that are no DaemonSet's, such as the cluster's DNS"
    )


@dataclass(frozen=True, slots=True)
class Judged:
    """The pods of one node, sorted. Those that stay by nature (see ``SinglePod.stays``) are in none of these."""

    movable: tuple[SinglePod, ...]
    """To be evicted."""
    going: tuple[SinglePod, ...]
    """On their way already."""
    refused: tuple[str, ...]
    """Why the node cannot be drained; empty when it can."""


def judge(pods: Iterable[SinglePod], params: Params) -> Judged:
    """By the pods alone."""
    moved = [pod for pod in pods if not pod.stays]
    waiting = [pod for pod in moved if not pod.terminating]
    rules: tuple[tuple[list[SinglePod], str, str | None], ...] = (
        ([pod for pod in waiting if not pod.controller], "without a controller: unmanaged", params.unmanaged),
        ([pod for pod in waiting if pod.empty_dirs], "with emptyDir volumes: empty_dir", params.empty_dir),
        (
            [pod for pod in waiting if pod.namespace in _SYSTEM],
            "of the cluster itself: system_pods",
            params.system_pods,
        ),
    )
    refused = [
        f"{len(found)} pods {what}: accept would move {named(found)}"
        for found, what, said in rules
        if found and not said
    ]
    return Judged(tuple(waiting), tuple(pod for pod in moved if pod.terminating), tuple(refused))


def never_allowed(pods: Iterable[SinglePod], budgets: tuple[Budget, ...]) -> tuple[str, ...]:
    """What no waiting helps."""
    found = [objection(pod, budgets) for pod in pods]
    return tuple(dict.fromkeys(one.text for one in found if one is not None and not one.passes))


def whose(pod: SinglePod) -> str:
    """Its controller, in its namespace."""
    return f"{pod.namespace}/{pod.controller}"


def workload_of(pod: SinglePod) -> str:
    """``<namespace>/<name>`` of what it belongs to, without asking for it: a Deployment's ReplicaSet is named after it and the hash of
    its template. Of a pod without a controller its own name."""
    name, of_template = pod.controller.partition(" ")[2] or pod.name, pod.labels.get("pod-template-hash")
    return f"{pod.namespace}/{name.removesuffix(f'-{of_template}') if of_template else name}"


def ready_by_controller(movable: Iterable[SinglePod], everywhere: Iterable[SinglePod]) -> dict[str, int]:
    """Of each controller that loses pods here: how many of its pods are ready now, wherever they run."""
    losing = {whose(pod) for pod in movable if pod.controller}
    ready = Counter(whose(pod) for pod in everywhere if pod.ready and not pod.terminating)
    return {controller: ready[controller] for controller in sorted(losing)}


def named(pods: Iterable[SinglePod]) -> str:
    """A few names."""
    names = sorted(pod.short for pod in pods)
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
