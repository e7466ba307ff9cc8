"""Where a rollout stands: kubectl's algorithm for "done" and semantics S8's for "under way". Pure."""

from dataclasses import dataclass
from datetime import timedelta

from remediator.clients.kubernetes.workload import Workload

STATEFUL_DEADLINE = timedelta(minutes=10)
"""StatefulSets and DaemonSets know no progress deadline; after this long their rollout no longer counts as under way. The default
deadline of Deployments."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """``done``: every pod is new and available. ``under_way``: it can still get there by itself; neither: it is stuck."""

    done: bool
    under_way: bool
    reason: str


def rollout_of(workload: Workload, *, by_hand: bool = False) -> Rollout:
    """Judge one read. Availability does not make a rollout "under way": a crash loop would be under way for ever (S8).

    ``by_hand``: whoever asks takes the old pods of an OnDelete workload away, so that its rollout does end.
    """
    if workload.observed_generation < workload.generation:
        return Rollout(False, True, "the controller has not seen the newest change yet")
    if workload.kind == "deployment":
        return _deployment(workload)
    if workload.strategy == "OnDelete" and not by_hand:
        return Rollout(False, False, "its strategy is OnDelete, so no rollout ends by itself")
    return _stateful(workload) if workload.kind == "statefulset" else _daemon(workload)


def _deployment(workload: Workload) -> Rollout:
    old = workload.total - workload.updated
    if workload.updated < workload.replicas or old > 0:
        progress = f"{workload.updated} of {workload.replicas} pods are new, {max(old, 0)} old ones remain"
        if workload.progress_deadline_exceeded:
            return Rollout(False, False, f"the progress deadline was exceeded: {progress}")
        if workload.paused:
            return Rollout(False, False, f"it is paused: {progress}")
        return Rollout(False, True, progress)
    return _availability(workload, workload.updated, workload.available, "available")


def _stateful(workload: Workload) -> Rollout:
    wanted = max(workload.replicas - workload.partition, 0)
    if workload.updated < wanted:
        return _unfinished(workload, f"{workload.updated} of {wanted} pods are new")
    if workload.total > workload.replicas:
        return _unfinished(workload, f"{workload.total} pods for {workload.replicas} replicas")
    return _availability(workload, workload.replicas, workload.ready, "ready")


def _daemon(workload: Workload) -> Rollout:
    if workload.updated < workload.replicas:
        return _unfinished(workload, f"{workload.updated} of {workload.replicas} pods are new")
    return _availability(workload, workload.replicas, workload.available, "available")


def _unfinished(workload: Workload, progress: str) -> Rollout:
    changed_at = workload.written_at("spec", "template")
    if changed_at is not None and workload.read_at - changed_at > STATEFUL_DEADLINE:
        return Rollout(False, False, f"{progress}, for over {STATEFUL_DEADLINE.seconds // 60} minutes")
    return Rollout(False, True, progress)


def _availability(workload: Workload, wanted: int, have: int, word: str) -> Rollout:
    counted = f"{have} of {wanted} new pods are {word}"
    if have >= wanted:
        return Rollout(True, False, counted)
    if workload.progress_deadline_exceeded:
        return Rollout(False, False, f"the progress deadline was exceeded: {counted}")
    return Rollout(False, False, counted)
