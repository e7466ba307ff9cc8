"""Pods of a former template that their workload does not replace by itself, evicted one at a time.

With the strategy OnDelete these are all old pods; in a StatefulSet that keeps its order, an old pod that never becomes ready holds up
the rest of the rollout until somebody takes it away.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from remediator.actions.base import ActionContext, Applied
from remediator.clients.kubernetes.errors import BudgetExhaustedError, ConflictError, TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.revision import present_of
from remediator.clients.kubernetes.single_pod import SinglePod
from remediator.clients.kubernetes.workload import Workload
from remediator.clients.permissions import Permission
from remediator.errors import FactsMissingError, OvertakenError, TransientError
from remediator.runs.plan import Plan

REVISION_LABEL = "controller-revision-hash"
EVICTED_FROM = frozenset({"statefulset", "daemonset"})


@dataclass(frozen=True, slots=True)
class Left:
    """Old pods that are ours to take away, and the one that may go now."""

    old: tuple[SinglePod, ...]
    next: SinglePod | None
    why_none: str = ""


def left_over(workload: Workload, revision: str, pods: Sequence[SinglePod]) -> Left:
    """What remains to be done, by one look. Pods that are not ready go first: they serve nobody."""
    label = revision.removeprefix(f"{workload.target.name}-") if workload.kind == "daemonset" else revision
    staying = [pod for pod in pods if not pod.terminating]
    old = [pod for pod in staying if pod.labels.get(REVISION_LABEL) != label and _reached(workload, pod)]
    broken = [pod for pod in old if not pod.ready]
    if workload.strategy != "OnDelete":
        return Left(tuple(broken), broken[0] if broken else None)
    old.sort(key=lambda pod: (pod.ready, -_ordinal(pod)))
    others = sum(not pod.ready for pod in staying) - len(broken) + max(workload.replicas - len(staying), 0)
    if not old or broken:
        return Left(tuple(old), old[0] if old else None)
    if others:
        return Left(tuple(old), None, f"{others} of its other pods are not ready yet")
    return Left(tuple(old), old[0])


class Evicting(Protocol):
    """Parameters of an action that may evict."""

    @property
    def evict_old_pods(self) -> bool: ...


def evicts(kind: str, params: Evicting) -> bool:
    """Are pods to be evicted? A Deployment replaces all of its own."""
    return params.evict_old_pods and kind in EVICTED_FROM


def permissions(kind: str, params: Evicting) -> tuple[Permission, ...]:
    """Beside those of the workload and its history."""
    pod = RESOURCES["pod"]
    return (pod.permission("list"), pod.permission("create", "eviction")) if evicts(kind, params) else ()


async def any_left(ctx: ActionContext, workload: Workload, params: Evicting) -> bool:
    """Is the template written and not yet all of the rest done? Raises FactsMissingError."""
    if not evicts(workload.kind, params):
        return False
    left = await look_left(ctx, workload)
    return left is None or bool(left.old)


async def look_left(ctx: ActionContext, workload: Workload) -> Left | None:
    """None: its controller has not seen the new template yet. Raises FactsMissingError."""
    present = present_of(workload, await ctx.kubernetes.workloads.revisions(workload))
    if present is None:
        return None
    pods = await ctx.kubernetes.single_pods.selected(workload.target.namespace, workload.selector)
    return left_over(workload, present.name, [pod for pod in pods if pod.controller_uid == workload.uid])


async def evict_next(ctx: ActionContext, plan: Plan) -> Applied:
    """One more pass after the template was written: one pod at most, as its disruption budget allows.

    Raises:
        OvertakenError: the workload is gone or another.
        TransientError: it could not be read, or the eviction was certainly not made.
        PermanentError, OutcomeUnknownError: as the API says.
    """
    try:
        workload = await ctx.kubernetes.workloads.read(plan.target)
        if workload.uid != plan.uid:
            raise OvertakenError(f"{plan.target} was deleted and made again since; nothing more was done")
        left = await look_left(ctx, workload)
    except TargetNotFoundError:
        raise OvertakenError(f"{plan.target} is gone; nothing more was done") from None
    except FactsMissingError as error:
        raise TransientError(f"nothing was evicted: {error}") from None
    facts = {"generation": workload.generation}
    if left is None:
        return Applied(f"{plan.target.short}: its controller has not seen the new template yet", facts, complete=False)
    if not left.old:
        return Applied(f"{plan.target.short}: no old pod is left to be evicted", facts)
    remain = f"{len(left.old)} old pods remain"
    if left.next is None:
        return Applied(f"{plan.target.short}: {remain}; {left.why_none}", facts, complete=False)
    try:
        await ctx.kubernetes.single_pods.evict(left.next)
    except BudgetExhaustedError as refused:
        return Applied(f"{plan.target.short}: {remain}; {refused}", facts, complete=False)
    except (ConflictError, TargetNotFoundError):
        return Applied(f"{plan.target.short}: {left.next.short} was gone already", facts, complete=False)
    return Applied(f"evicted old pod {left.next.short}; before that {remain}", facts, complete=False)


def _reached(workload: Workload, pod: SinglePod) -> bool:
    """Below the partition a StatefulSet makes pods of the former template again."""
    return workload.partition == 0 or _ordinal(pod) >= workload.partition


def _ordinal(pod: SinglePod) -> int:
    number = pod.name.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0
