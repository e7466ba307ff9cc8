"""Single pods: reading them wherever they run, evicting one, deleting one."""

from typing import Any

from remediator.clients.kubernetes.marks import FIELD_MANAGER
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.kubernetes.single_pod import SinglePod, single_pod_from
from remediator.targets import Target

_POD = RESOURCES["pod"]


def eviction_body(namespace: str, name: str, uid: str) -> dict[str, Any]:
    """Of exactly the pod of this uid: one that was made again under the same name is left alone."""
    return {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": name, "namespace": namespace},
        "deleteOptions": {"preconditions": {"uid": uid}},
    }


class SinglePods(Part):
    """Of one cluster."""

    async def read(self, target: Target) -> SinglePod:
        """Raises TargetNotFoundError or FactsMissingError."""
        document = await self.document(target)
        return understood(target, lambda: single_pod_from(document))

    async def everywhere(self, field_selector: str = "") -> tuple[SinglePod, ...]:
        """All pods of the cluster, or those that the selector leaves. Raises FactsMissingError."""
        found = await self._list("pod", "", {"fieldSelector": field_selector} if field_selector else None)
        return understood("pods", lambda: tuple(map(single_pod_from, found)))

    async def on_node(self, name: str) -> tuple[SinglePod, ...]:
        """All pods that are assigned to the node, whatever their state."""
        return await self.everywhere(f"spec.nodeName={name}")

    async def selected(self, namespace: str, label_selector: str = "") -> tuple[SinglePod, ...]:
        """Those of a namespace, or those of them that the selector leaves."""
        found = await self._list("pod", namespace, {"labelSelector": label_selector} if label_selector else None)
        return understood(f"pods of {namespace}", lambda: tuple(map(single_pod_from, found)))

    async def evict(self, pod: SinglePod) -> None:
        """Ask for it to go, as its disruption budget allows.

        Raises:
            BudgetExhaustedError: its budget allows none now; nothing was changed.
            PermanentError: it has more than one budget, which the server cannot judge.
            TargetNotFoundError, ConflictError: it is gone, or another bears its name.
        """
        body = eviction_body(pod.namespace, pod.name, pod.uid)
        if self._api.dry_run:
            body["deleteOptions"]["dryRun"] = ["All"]  # the server compares it with the mark in the query
        path = _POD.path(pod.namespace, pod.name, "eviction")
        permission = _POD.permission("create", "eviction")
        await self._api.create(path, permission, body, field_manager=FIELD_MANAGER)

    async def delete(self, pod: SinglePod, *, at_once: bool = False) -> None:
        """Delete exactly this one, whatever its budget says. ``at_once``: without waiting for its kubelet, which may still run it.

        Raises:
            TargetNotFoundError, ConflictError: it is gone, or another bears its name.
        """
        options = {"gracePeriodSeconds": 0} if at_once else {}
        path = _POD.path(pod.namespace, pod.name)
        await self._api.delete(path, _POD.permission("delete"), uid=pod.uid, **options)
