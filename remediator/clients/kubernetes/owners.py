"""From a pod, a claim or an autoscaler to the workload that it belongs to, by what the cluster says, never by the shape of a name."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.kubernetes.workload_json import controller_of
from remediator.clients.permissions import Permission, read_workload
from remediator.targets import WORKLOAD_KINDS, Target

_FROM = {
    "pod": (
        RESOURCES["replicaset"].permission("get"),
        *(one for kind in WORKLOAD_KINDS for one in read_workload(kind)),
    ),
    "horizontalpodautoscaler": (),
    "persistentvolumeclaim": (RESOURCES["statefulset"].permission("list"),),
}


def permissions_from(kind: str) -> tuple[Permission, ...]:
    """What finding the workload of such a thing needs beside reading the thing itself."""
    return _FROM.get(kind, ())


@dataclass(frozen=True, slots=True)
class Owner:
    """The workload that something belongs to, or why there is none."""

    workload: Target | None
    why_none: str = ""
    ambiguous: bool = False
    """There are several that it could belong to."""


class Owners(Part):
    """Of one cluster."""

    async def of(self, kind: str, namespace: str, document: Mapping[str, Any]) -> Owner:
        """The workload of a pod, autoscaler or claim as just read; nothing else has one.

        Raises:
            FactsMissingError: one link of the chain could not be read.
        """
        match kind:
            case "pod":
                return await self._of_pod(namespace, document)
            case "horizontalpodautoscaler":
                return understood(kind, lambda: self._of_autoscaler(namespace, document))
            case "persistentvolumeclaim":
                return await self._of_claim(namespace, str(document["metadata"]["name"]))
            case _:
                return Owner(None, f"a {kind} belongs to no workload")

    async def _of_pod(self, namespace: str, document: Mapping[str, Any]) -> Owner:
        reference = controller_of(document)
        told = f"pod {document['metadata']['name']}"
        if reference.get("kind") == "ReplicaSet":
            try:
                replica_set = Target.kubernetes(self._cluster, namespace, "replicaset", str(reference["name"]))
                found = await self.document(replica_set)
            except TargetNotFoundError:
                return Owner(None, f"{told} belongs to ReplicaSet {reference['name']}, which is gone")
            if found["metadata"]["uid"] != reference.get("uid"):
                return Owner(
                    None, f"{told} belongs to a ReplicaSet {reference['name']} that was deleted and made again"
                )
            told, reference = f"{told} of ReplicaSet {reference['name']}", controller_of(found)
        if not reference:
            return Owner(None, f"{told} has no controller")
        kind = str(reference["kind"]).lower()
        group = str(reference.get("apiVersion") or "").partition("/")[0]
        if kind not in WORKLOAD_KINDS or group != "apps":
            return Owner(
                None,
                f"{told} belongs to {reference['kind']} {reference['name']}, which is no {', '.join(WORKLOAD_KINDS)}",
            )
        workload = Target.kubernetes(self._cluster, namespace, kind, str(reference["name"]))
        try:
            present = await self.document(workload)
        except TargetNotFoundError:
            return Owner(None, f"{told} belongs to {kind} {workload.short}, which is gone")
        if present["metadata"]["uid"] != reference.get("uid"):
            return Owner(None, f"{told} belongs to a {kind} {workload.short} that was deleted and made again")
        return Owner(workload)

    def _of_autoscaler(self, namespace: str, document: Mapping[str, Any]) -> Owner:
        aimed = document["spec"]["scaleTargetRef"]
        kind, group = str(aimed["kind"]).lower(), str(aimed.get("apiVersion") or "apps/v1").partition("/")[0]
        if kind not in WORKLOAD_KINDS or group != "apps":
            return Owner(None, f"it scales {aimed['kind']} {aimed['name']}, which is no {', '.join(WORKLOAD_KINDS)}")
        return Owner(Target.kubernetes(self._cluster, namespace, kind, str(aimed["name"])))

    async def _of_claim(self, namespace: str, name: str) -> Owner:
        """A StatefulSet's claims carry no reference to it by default: they are those that its templates would make."""
        sets = await self._list("statefulset", namespace)
        found = understood(name, lambda: [one["metadata"]["name"] for one in sets if _makes_claim(one, name)])
        if len(found) != 1:
            why = (
                f"claim {name} could be of StatefulSets {', '.join(found)}"
                if found
                else f"claim {name} is of no StatefulSet"
            )
            return Owner(None, why, ambiguous=bool(found))
        return Owner(Target.kubernetes(self._cluster, namespace, "statefulset", found[0]))


def _makes_claim(stateful_set: Mapping[str, Any], claim: str) -> bool:
    name = re.escape(stateful_set["metadata"]["name"])
    templates = stateful_set["spec"].get("volumeClaimTemplates") or ()
    return any(re.fullmatch(f"{re.escape(one['metadata']['name'])}-{name}-[0-9]+", claim) for one in templates)
