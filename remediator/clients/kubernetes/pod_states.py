"""The pods of any target, as ``PodState``: those of its workload, of its jobs, on its node, in its namespace."""

from collections.abc import Mapping
from typing import Any

from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.kubernetes.pod_state import PodState, pod_state_from
from remediator.clients.kubernetes.workload_json import controller_of, selector_of
from remediator.clients.permissions import Permission, read_workload, read_workloads
from remediator.targets import Target

_POD = RESOURCES["pod"]
_MOST = "500"
"""Of a namespace's or node's pods so many are looked at: this is for people, not for decisions."""
_CNPG_CLUSTER = "cnpg.io/cluster"
WITHOUT_PODS = frozenset({"certificate"})
"""Kinds to which no pods belong."""
_WITHIN_WORKLOAD = frozenset({"persistentvolumeclaim", "horizontalpodautoscaler"})


class PodStates(Part):
    """Of one cluster."""

    async def of(self, target: Target) -> tuple[PodState, ...]:
        """Old and new ones, in no order. Of what belongs to no workload there are none.

        Raises:
            TargetNotFoundError, FactsMissingError: the target, or its workload, is not there or could not be read.
        """
        match target.kind:
            case "pod":
                return (await self.one(target),)
            case "node":
                found = await self._list("pod", "", {"fieldSelector": f"spec.nodeName={target.name}", "limit": _MOST})
            case "namespace":
                found = await self._list("pod", target.namespace, {"limit": _MOST})
            case "cronjob":
                jobs = [one for one in await self._in(target) if _job_of(one, target.name)]
                return understood(target, lambda: tuple(map(pod_state_from, jobs)))
            case "postgrescluster":
                found = await self._in(target, f"{_CNPG_CLUSTER}={target.name}")
            case _:
                if target.workload is None:
                    return ()
                found = await self._of_workload(target.workload)
        return understood(target, lambda: tuple(map(pod_state_from, found)))

    async def one(self, pod: Target) -> PodState:
        """A single one. Raises TargetNotFoundError or FactsMissingError."""
        document = await self.document(pod)
        return understood(pod, lambda: pod_state_from(document))

    async def _of_workload(self, workload: Target) -> list[dict[str, Any]]:
        document = await self.document(workload)
        uid, selector = understood(
            workload, lambda: (document["metadata"]["uid"], selector_of(document["spec"]["selector"]))
        )
        found = await self._in(workload, selector)
        return [pod for pod in found if understood(workload, lambda: _belongs(pod, workload, uid))]  # noqa: B023

    async def _in(self, target: Target, selector: str = "") -> list[dict[str, Any]]:
        query = {"limit": _MOST, **({"labelSelector": selector} if selector else {})}
        return await self._list("pod", target.namespace, query)


def permissions_for_pods(kind: str) -> tuple[Permission, ...]:
    """What ``of`` asks for a target of this kind."""
    if kind in WITHOUT_PODS:
        return ()
    if kind == "pod":
        return (_POD.permission("get"),)
    if kind == "node":
        return (_POD.permission("list", everywhere=True),)
    workload = read_workload(kind) or (read_workloads(kind) if kind in _WITHIN_WORKLOAD else ())
    return (*workload, _POD.permission("list"))


def _belongs(pod: Mapping[str, Any], workload: Target, uid: str) -> bool:
    """Is it the workload's, or of a ReplicaSet that bears the workload's name and the pod's own template hash?"""
    metadata = pod["metadata"]
    owner: Mapping[str, Any] = controller_of(pod)
    template = (metadata.get("labels") or {}).get("pod-template-hash")
    return owner.get("uid") == uid or (
        owner.get("kind") == "ReplicaSet" and owner.get("name") == f"{workload.name}-{template}"
    )


def _job_of(pod: Mapping[str, Any], cronjob: str) -> bool:
    """Jobs are named for their CronJob and the minute; a mistake here only shows a pod too many."""
    owners = (pod.get("metadata") or {}).get("ownerReferences") or ()
    return any(one.get("kind") == "Job" and str(one.get("name")).startswith(f"{cronjob}-") for one in owners)
