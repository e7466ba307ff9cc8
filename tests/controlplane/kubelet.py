"""The kubelets of every node of the test bed: each pod gets a task that starts it, lets it behave as told, and stops it."""

import asyncio
import itertools
from contextlib import suppress
from dataclasses import dataclass, field

import aiohttp

from tests.controlplane.api import STRATEGIC, Api, Object
from tests.controlplane.behaviours import Life, ended, look, rfc3339, terminated
from tests.controlplane.words import STUCK_TERMINATING

STOP_S = 0.1
_RETRY_S = 0.2
_ENDED = ("Succeeded", "Failed")


@dataclass
class _Pod:
    latest: Object
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    life: Life = field(default_factory=lambda: Life(asyncio.get_running_loop().time()))
    task: "asyncio.Task[None] | None" = None


class Kubelet:
    """`pods` are those that it looks after, by namespace and name."""

    def __init__(self, api: Api, nodes: set[str]) -> None:
        self._api = api
        self._nodes = nodes
        self._by_uid: dict[str, _Pod] = {}
        self._events = itertools.count(1)
        self.pods: dict[tuple[str, str], Object] = {}

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as group:
            async for change, pod in self._api.follow("/api/v1/pods"):
                uid, at = pod["metadata"]["uid"], (pod["metadata"]["namespace"], pod["metadata"]["name"])
                known = self._by_uid.get(uid)
                if change == "GONE":
                    self.pods.pop(at, None)
                    if known is not None:
                        del self._by_uid[uid]
                        assert known.task is not None
                        known.task.cancel()
                elif known is not None:
                    known.latest = self.pods[at] = pod
                    known.changed.set()
                elif pod["spec"].get("nodeName") in self._nodes:
                    self.pods[at] = pod
                    known = self._by_uid[uid] = _Pod(pod)
                    known.task = group.create_task(self._live(known))

    async def _live(self, pod: _Pod) -> None:
        over = False
        while not over:
            pod.changed.clear()
            try:
                over, again_s = await self._tend(pod, pod.latest)
            except aiohttp.ClientError:  # the API server was away for a moment
                again_s = _RETRY_S
            if not over:
                with suppress(TimeoutError):
                    async with asyncio.timeout(again_s):
                        await pod.changed.wait()

    async def _tend(self, pod: _Pod, seen: Object) -> tuple[bool, float | None]:
        """Whether that was the last of it, and when to look again at the latest."""
        if "deletionTimestamp" in seen["metadata"]:
            return await self._stop(pod, seen), None
        if seen.get("status", {}).get("phase") in _ENDED:
            return False, None
        then = look(seen, pod.life, asyncio.get_running_loop().time())
        if then.status is not None and await self._write(seen, then.status) and then.event is not None:
            await self._tell(seen, *then.event)
        return False, then.again_s

    async def _stop(self, pod: _Pod, seen: Object) -> bool:
        """Whether it was removed; one that is stuck is only looked at again when it changes."""
        metadata = seen["metadata"]
        if (metadata.get("annotations") or {}).get(STUCK_TERMINATING) == "true":
            return False
        await asyncio.sleep(min(STOP_S, metadata.get("deletionGracePeriodSeconds") or 0))
        phase = seen.get("status", {}).get("phase")
        if seen["spec"].get("restartPolicy", "Always") != "Always" and phase not in _ENDED:
            # The Job controller counts a pod, and lets it go, only once it has ended.
            state = terminated(pod.life, asyncio.get_running_loop().time(), "Error")
            await self._write(seen, ended(seen, pod.life, "Failed", state))
        removal = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        await self._api.call("DELETE", _path(seen), removal)
        return not metadata.get("finalizers")

    async def _write(self, pod: Object, status: Object) -> bool:
        """Whether it was news: our own write comes back as a change."""
        old = pod.get("status", {})
        conditions = {one["type"]: one["status"] for one in old.get("conditions", [])}
        same = all(
            old.get(key) == value for key, value in status.items() if key not in ("conditions", "containerStatuses")
        )
        same = same and all(conditions.get(one["type"]) == one["status"] for one in status["conditions"])
        if same and old.get("containerStatuses", []) == status["containerStatuses"]:
            return False
        body = {"metadata": {"uid": pod["metadata"]["uid"]}, "status": status}
        await self._api.call("PATCH", f"{_path(pod)}/status", body, STRATEGIC)
        return True

    async def _tell(self, pod: Object, reason: str, message: str) -> None:
        metadata, now = pod["metadata"], rfc3339()
        event = {
            "metadata": {"name": f"{metadata['name']}.{metadata['uid'][:8]}{next(self._events)}"},
            "involvedObject": {
                "apiVersion": "v1",
                "kind": "Pod",
                "namespace": metadata["namespace"],
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
            "reason": reason,
            "message": message,
            "type": "Warning",
            "source": {"component": "kubelet", "host": pod["spec"]["nodeName"]},
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        await self._api.call("POST", f"/api/v1/namespaces/{metadata['namespace']}/events", event)


def _path(pod: Object) -> str:
    return f"/api/v1/namespaces/{pod['metadata']['namespace']}/pods/{pod['metadata']['name']}"
