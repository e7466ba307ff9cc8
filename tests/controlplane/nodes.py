"""Nodes of the test bed: three in three zones, and whatever else a test labels as ours. They say that they are well unless told."""

import asyncio
from datetime import UTC, datetime

from tests.controlplane.api import MERGE, STRATEGIC, Api, Object
from tests.controlplane.behaviours import rfc3339
from tests.controlplane.words import KUBELET, READY

ZONES = ("zone-a", "zone-b", "zone-c")
_LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_RENEW_S = 10.0
_CAPACITY = {"cpu": "16", "memory": "64Gi", "pods": "1000", "ephemeral-storage": "100Gi"}


class Nodes:
    """`names` gets the nodes whose kubelets are played; none is taken away: a node that is gone still has pods to end."""

    def __init__(self, api: Api, kubelet_port: int, names: set[str]) -> None:
        self._api = api
        self._port = kubelet_port
        self._present: set[str] = set()
        self._names = names

    async def make(self) -> None:
        """The three."""
        for number, zone in enumerate(ZONES, 1):
            name = f"node-{number}"
            labels = {KUBELET: "true", "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone}
            await self._api.call("POST", "/api/v1/nodes", {"metadata": {"name": name, "labels": labels}})

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._renew())
            async for change, node in self._api.follow(f"/api/v1/nodes?labelSelector={KUBELET}"):
                name = node["metadata"]["name"]
                if change == "GONE":
                    self._present.discard(name)
                    await self._api.call("DELETE", f"{_LEASES}/{name}")
                    continue
                if name not in self._present:
                    self._present.add(name)
                    self._names.add(name)
                    await self._beat(name)
                await self._report(node)

    async def _report(self, node: Object) -> None:
        status = node.get("status", {})
        ready = (node["metadata"].get("annotations") or {}).get(READY, "True")
        if any(one["type"] == "Ready" and one["status"] == ready for one in status.get("conditions", [])):
            return
        now = rfc3339()
        conditions = [
            {
                "type": f"{what}Pressure",
                "status": "False",
                "reason": f"KubeletHasNo{what}Pressure",
                "lastHeartbeatTime": now,
            }
            for what in ("Memory", "Disk", "PID")
        ]
        reason = "KubeletReady" if ready == "True" else "KubeletNotReady"
        told = {"type": "Ready", "status": ready, "reason": reason, "lastHeartbeatTime": now, "lastTransitionTime": now}
        capacity = status.get("capacity") or _CAPACITY
        written = {
            "conditions": [*conditions, told],
            "capacity": capacity,
            "allocatable": status.get("allocatable") or capacity,
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": self._port}},
            "nodeInfo": {"kubeletVersion": "v1.36.2", "operatingSystem": "linux", "architecture": "amd64"},
        }
        await self._api.call(
            "PATCH", f"/api/v1/nodes/{node['metadata']['name']}/status", {"status": written}, STRATEGIC
        )

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(_RENEW_S)
            for name in sorted(self._present):
                await self._beat(name)

    async def _beat(self, name: str) -> None:
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        spec = {"holderIdentity": name, "leaseDurationSeconds": 40, "renewTime": at}
        status, _ = await self._api.call("PATCH", f"{_LEASES}/{name}", {"spec": spec}, MERGE)
        if status == 404:
            await self._api.call("POST", _LEASES, {"metadata": {"name": name}, "spec": spec})
