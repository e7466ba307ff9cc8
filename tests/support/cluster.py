"""One cluster as a test sees it, the same on the emulator and on the real API server: `Stage`.

It speaks HTTP as the cluster's administrator, in a namespace of its own, and hands out clients of ours that hold exactly the
permissions that a test names.
"""

import asyncio
import itertools
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import aiohttp

from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.connect import connect
from remediator.clients.permissions import Right
from remediator.clock import SystemClock
from remediator.settings import Cluster
from remediator.targets import Target
from tests.controlplane.words import BEHAVIOUR, KUBELET, ON_RESTART
from tests.support.kinds import kind_of

Object = dict[str, Any]
Objects = list[Object]

MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
CLUSTER = "prod"
"""What the cluster is called in targets."""
_LOOK_EVERY_S = 0.03
_REQUEST_TIMEOUT_S = 10.0


class RefusedError(Exception):
    """The API server did not answer 2xx."""

    def __init__(self, status: int, answer: Object) -> None:
        super().__init__(f"{status}: {answer.get('message', answer)}")
        self.status = status
        self.answer = answer


@dataclass(frozen=True)
class Asked:
    """One request that one of the stage's clients made. `verb` is the HTTP method."""

    verb: str
    path: str
    query: dict[str, str]
    user: str
    user_agent: str
    body: Object | list[Any] | None

    @property
    def writes(self) -> bool:
        """Whether it could change something, dry-run or not. Reviews of one's own access do not."""
        return self.verb not in ("GET", "HEAD", "OPTIONS") and "/authorization.k8s.io/" not in self.path

    @property
    def dry_run(self) -> bool:
        """A DELETE says it in its body, if it has one; then the API server does not look at the query."""
        if self.verb == "DELETE" and isinstance(self.body, dict):
            return self.body.get("dryRun") == ["All"]
        return self.query.get("dryRun") == "All"


@dataclass
class Stage(ABC):
    """A namespace on a cluster. Use as `async with`."""

    namespace: str
    directory: Path
    url: str = ""
    is_real: bool = False
    _clients: list[KubernetesClient] = field(default_factory=list)
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _session: aiohttp.ClientSession | None = None
    _played: list["asyncio.Task[None]"] = field(default_factory=list)

    # What differs between the two.

    @abstractmethod
    def _open(self) -> aiohttp.ClientSession:
        """A session of the administrator."""

    @abstractmethod
    async def credentials(self, permissions: Iterable[Right]) -> Path:
        """A kubeconfig of a new user who may do exactly that, in this namespace unless marked `everywhere`."""

    @abstractmethod
    async def audit(self) -> list[Asked]:
        """Every request of this stage's users that was answered before now, oldest first."""

    @abstractmethod
    async def sicken(self, name: str, behaviour: str, kind: str = "Deployment") -> None:
        """From now on the running pods of the workload behave so, later ones as its template says."""

    async def __aenter__(self) -> Self:
        self._session = self._open()
        await self.create({"kind": "Namespace", "metadata": {"name": self.namespace}})
        return self

    def play(self, part: Coroutine[Any, Any, None]) -> None:
        """Somebody else in this cluster (an operator, a person), until the stage is left."""
        self._played.append(asyncio.create_task(part))

    async def __aexit__(self, *_: object) -> None:
        for task in self._played:
            task.cancel()
        failed = [
            one for one in await asyncio.gather(*self._played, return_exceptions=True) if isinstance(one, Exception)
        ]
        for client in self._clients:
            await client.close()
        if self._session is not None:
            await self._clear()
            await self._session.close()
        if failed:
            raise ExceptionGroup("what was played on the stage failed", failed)

    async def _clear(self) -> None:  # noqa: B027 - one that goes as a whole has nothing to do
        """Remove what the test made."""

    # Objects, by kind ("Deployment") or plural ("deployments"), in this namespace. All raise RefusedError.

    @property
    def session(self) -> aiohttp.ClientSession:
        """The administrator's, for what is no JSON."""
        assert self._session is not None
        return self._session

    async def request(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Object:
        """Any request of the administrator."""
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": content_type}
        async with self.session.request(method, path, data=data, headers=headers) as answer:
            text = await answer.text()
            found: Object = json.loads(text) if answer.content_type == "application/json" else {"message": text}
            if answer.status >= 300:
                raise RefusedError(answer.status, found)
            return found

    async def create(self, manifest: Object) -> Object:
        """Any object; namespace and apiVersion are filled in."""
        kind = kind_of(manifest["kind"])
        metadata = {**({"namespace": self.namespace} if kind.namespaced else {}), **manifest["metadata"]}
        body = {"apiVersion": kind.api_version, **manifest, "metadata": metadata}
        return await self.request("POST", kind.path(metadata.get("namespace", "")), body)

    async def get(self, kind: str, name: str) -> Object:
        return await self.request("GET", kind_of(kind).path(self.namespace, name))

    async def list(self, kind: str, selector: str = "") -> Objects:
        path = kind_of(kind).path(self.namespace) + (f"?labelSelector={selector}" if selector else "")
        items: Objects = (await self.request("GET", path))["items"]
        return items

    async def patch(
        self, kind: str, name: str, body: Any, *, subresource: str | None = None, content_type: str = MERGE
    ) -> Object:
        path = kind_of(kind).path(self.namespace, name, subresource)
        return await self.request("PATCH", path, body, content_type)

    async def delete(self, kind: str, name: str, options: Object | None = None) -> Object:
        return await self.request("DELETE", kind_of(kind).path(self.namespace, name), options)

    async def exists(self, kind: str, name: str) -> bool:
        try:
            await self.get(kind, name)
        except RefusedError as error:
            if error.status == 404:
                return False
            raise
        return True

    # Waiting.

    async def until(
        self, kind: str, name: str, holds: Callable[[Object], object], *, within_s: float = 60.0, what: str = ""
    ) -> Object:
        """Look at an object until it is so; it need not exist yet. TimeoutError shows what it was at last."""
        last: Object | None = None
        try:
            async with asyncio.timeout(within_s):
                while True:
                    try:
                        last = {"status": {}, **await self.get(kind, name)}
                        if holds(last):
                            return last
                    except RefusedError as error:
                        if error.status != 404:
                            raise
                    await asyncio.sleep(_LOOK_EVERY_S)
        except TimeoutError:
            seen = json.dumps((last or {}).get("status", last))
            raise TimeoutError(f"{kind} {name} is not {what or 'as wanted'} after {within_s} s: {seen}") from None

    async def gone(self, kind: str, name: str, within_s: float = 60.0) -> None:
        """Wait until there is no such object."""
        async with asyncio.timeout(within_s):
            while await self.exists(kind, name):  # noqa: ASYNC110 - nothing to wait for but the server's answer
                await asyncio.sleep(_LOOK_EVERY_S)

    async def rolled_out(self, name: str, kind: str = "Deployment", within_s: float = 60.0) -> Object:
        """Wait until the rollout is done as `kubectl rollout status` sees it."""
        rule = {"Deployment": _deployment_done, "StatefulSet": _set_done, "DaemonSet": _daemons_done}[kind]
        return await self.until(kind, name, lambda found: _observed(found) and rule(found), within_s=within_s)

    # What tests need again and again.

    async def workload(
        self,
        name: str,
        *,
        kind: str = "Deployment",
        replicas: int = 3,
        behaviour: str = "healthy",
        on_restart: str | None = None,
        image: str = "registry.example.net/app:1.0",
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        pod: Object | None = None,
        spec: Object | None = None,
    ) -> Object:
        """Make one; `rolled_out` waits for it. `pod` overrides or adds keys of the pod's spec, `spec` of the workload's.

        `annotations` are those of the pod template (see `tests/controlplane/words.py`).
        """
        told = {BEHAVIOUR: behaviour, **({ON_RESTART: on_restart} if on_restart else {}), **(annotations or {})}
        chosen = {"app": name}
        containers = [{"name": "app", "image": image}]
        made: Object = {
            "selector": {"matchLabels": chosen},
            "template": {
                "metadata": {"labels": {**chosen, **(labels or {})}, "annotations": told},
                "spec": {"containers": containers, **(pod or {})},
            },
        }
        if kind != "DaemonSet":
            made["replicas"] = replicas
        if kind == "StatefulSet":
            made["serviceName"] = name
        metadata = {"name": name, "labels": {**chosen, **(labels or {})}}
        return await self.create({"kind": kind, "metadata": metadata, "spec": {**made, **(spec or {})}})

    async def node(self, *, zone: str = "zone-a", capacity: dict[str, str] | None = None) -> tuple[str, Object]:
        """A node for this test alone: its name, and what a pod's spec needs to go there and nowhere else.

        Tests that cordon, drain or spoil nodes take theirs from here: the three others belong to all tests.
        """
        name = f"{self.namespace}-{next(self._numbers)}"
        owner = {"sandbox.remediator.dev/stage": self.namespace}
        labels = {KUBELET: "true", "kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone, **owner}
        ((key, value),) = owner.items()
        manifest: Object = {
            "kind": "Node",
            "metadata": {"name": name, "labels": labels},
            "spec": {"taints": [{"key": key, "value": value, "effect": "NoSchedule"}]},
        }
        if capacity is not None:
            manifest["status"] = {"capacity": capacity, "allocatable": capacity}
        await self.create(manifest)
        await self.until("Node", name, _is_ready)
        toleration = {"key": key, "value": value, "effect": "NoSchedule"}
        return name, {"nodeSelector": owner, "tolerations": [toleration]}

    async def pods(self, name: str) -> Objects:
        """The pods of a workload that was made here, those that are going away left out."""
        found = await self.list("Pod", f"app={name}")
        return [one for one in found if "deletionTimestamp" not in one["metadata"]]

    def target(self, name: str, kind: str = "deployment") -> Target:
        return Target.kubernetes(CLUSTER, self.namespace, kind, name)

    async def client(self, permissions: Iterable[Right], *, dry_run: bool = False) -> KubernetesClient:
        """Our own client as a new user who holds exactly these. Live ones write only with a permit (`may_write`)."""
        cluster = Cluster(kubeconfig=await self.credentials(permissions), loopback_only=True)
        made = await connect(cluster, name=CLUSTER, dry_run=dry_run, clock=SystemClock(), timeout_s=_REQUEST_TIMEOUT_S)
        self._clients.append(made)
        return made


def _observed(found: Object) -> bool:
    return bool(found.get("status", {}).get("observedGeneration", 0) >= found["metadata"]["generation"])


def _deployment_done(found: Object) -> bool:
    status, wanted = found["status"], found["spec"]["replicas"]
    updated = status.get("updatedReplicas", 0)
    all_new = updated >= wanted and status.get("replicas", 0) <= updated
    return bool(all_new and status.get("availableReplicas", 0) >= updated)


def _set_done(found: Object) -> bool:
    status, spec = found["status"], found["spec"]
    partition = ((spec.get("updateStrategy") or {}).get("rollingUpdate") or {}).get("partition", 0)
    updated = status.get("updatedReplicas", 0)
    return bool(status.get("readyReplicas", 0) >= spec["replicas"] and updated >= spec["replicas"] - partition)


def _daemons_done(found: Object) -> bool:
    status = found["status"]
    wanted = status.get("desiredNumberScheduled", 0)
    return bool(min(status.get("updatedNumberScheduled", 0), status.get("numberAvailable", 0)) >= wanted)


def _is_ready(node: Object) -> bool:
    conditions = node.get("status", {}).get("conditions", [])
    ready = any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)
    return ready and not any("not-ready" in one["key"] for one in node["spec"].get("taints", []))
