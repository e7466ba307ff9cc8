"""The volumes of the test bed's storage classes: made when claimed, enlarged when asked for more, deleted when released."""

import asyncio

from tests.controlplane.api import MERGE, Api, Object
from tests.controlplane.words import PROVISIONER, RESIZE

_CLAIMED_FROM = "volume.kubernetes.io/storage-provisioner"
_MADE_BY = "pv.kubernetes.io/provisioned-by"
_VOLUMES = "/api/v1/persistentvolumes"
_RESIZE_S = 0.2


class Volumes:
    """No bytes behind any of them."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._resizing: set[str] = set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._delete_released())
            async for change, claim in self._api.follow("/api/v1/persistentvolumeclaims"):
                if change == "GONE" or (claim["metadata"].get("annotations") or {}).get(_CLAIMED_FROM) != PROVISIONER:
                    continue
                if claim["status"]["phase"] == "Pending":
                    await self._make(claim)
                elif (uid := claim["metadata"]["uid"]) not in self._resizing and _wants_more(claim):
                    self._resizing.add(uid)
                    group.create_task(self._enlarge(claim))

    async def _make(self, claim: Object) -> None:
        metadata, spec = claim["metadata"], claim["spec"]
        volume = {
            "metadata": {"name": f"pvc-{metadata['uid']}", "annotations": {_MADE_BY: PROVISIONER}},
            "spec": {
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "accessModes": spec["accessModes"],
                "storageClassName": spec["storageClassName"],
                "persistentVolumeReclaimPolicy": "Delete",
                "hostPath": {"path": f"/nowhere/{metadata['uid']}"},
                "claimRef": {
                    "kind": "PersistentVolumeClaim",
                    "apiVersion": "v1",
                    "namespace": metadata["namespace"],
                    "name": metadata["name"],
                    "uid": metadata["uid"],
                },
            },
        }
        await self._api.call("POST", _VOLUMES, volume)

    async def _enlarge(self, claim: Object) -> None:
        metadata = claim["metadata"]
        try:
            when = (metadata.get("annotations") or {}).get(RESIZE, str(_RESIZE_S))
            if when == "never":
                return
            await asyncio.sleep(float(when))
            size = {"storage": claim["spec"]["resources"]["requests"]["storage"]}
            await self._api.call(
                "PATCH", f"{_VOLUMES}/{claim['spec']['volumeName']}", {"spec": {"capacity": size}}, MERGE
            )
            at = f"/api/v1/namespaces/{metadata['namespace']}/persistentvolumeclaims/{metadata['name']}/status"
            await self._api.call("PATCH", at, {"status": {"capacity": size}}, MERGE)
        finally:
            self._resizing.discard(metadata["uid"])

    async def _delete_released(self) -> None:
        async for change, volume in self._api.follow(_VOLUMES):
            ours = (volume["metadata"].get("annotations") or {}).get(_MADE_BY) == PROVISIONER
            if change == "PRESENT" and ours and volume.get("status", {}).get("phase") == "Released":
                await self._api.call("DELETE", f"{_VOLUMES}/{volume['metadata']['name']}")


def _wants_more(claim: Object) -> bool:
    asked = claim["spec"]["resources"]["requests"]["storage"]
    given = claim["status"].get("capacity", {}).get("storage")
    return claim["status"]["phase"] == "Bound" and given is not None and asked != given
