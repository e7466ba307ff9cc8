"""A stage on the real API server of the test bed. Its clients are service accounts, their rights RBAC objects."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from remediator.clients.permissions import Permission, Right, in_cluster
from tests.controlplane.access import write_kubeconfig
from tests.controlplane.server import ControlPlane
from tests.controlplane.words import BEHAVIOUR
from tests.support.cluster import Asked, Object, RefusedError, Stage
from tests.support.kinds import kind_of

_METHODS = {
    "create": "POST",
    "update": "PUT",
    "patch": "PATCH",
    "delete": "DELETE",
    "deletecollection": "DELETE",
}
"""Of what the audit log calls a verb; the rest is GET."""
_RBAC = "rbac.authorization.k8s.io"


@dataclass
class RealStage(Stage):
    """Needs `plane`."""

    plane: ControlPlane = field(kw_only=True)
    _everywhere: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.url, self.is_real = self.plane.url, True
        log = self.plane.audit_log
        self._audit_from = log.stat().st_size if log.exists() else 0

    def _open(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(ssl=self.plane.tls())
        return aiohttp.ClientSession(self.url, headers=self.plane.headers, connector=connector)

    async def _clear(self) -> None:
        """What has a namespace goes with it, in the background."""
        for kind, name in [*reversed(self._everywhere), ("Namespace", self.namespace)]:
            try:
                await self.delete(kind, name)
            except RefusedError as error:
                if error.status not in (404, 409):
                    raise

    async def create(self, manifest: Object) -> Object:
        made = await super().create(manifest)
        if not (kind := kind_of(manifest["kind"])).namespaced and kind.kind != "Namespace":
            self._everywhere.append((kind.kind, made["metadata"]["name"]))
        return made

    async def credentials(self, permissions: Iterable[Right]) -> Path:
        name = f"remediator-{next(self._numbers)}"
        wanted = in_cluster(permissions)
        await self.create({"kind": "ServiceAccount", "metadata": {"name": name}})
        await self._grant("Role", name, [one for one in wanted if not one.everywhere])
        await self._grant("ClusterRole", f"{self.namespace}-{name}", [one for one in wanted if one.everywhere], name)
        path = kind_of("ServiceAccount").path(self.namespace, name, "token")
        asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
        token = (await self.request("POST", path, asked))["status"]["token"]
        certificate = self.plane.access.certificate.read_bytes()
        return write_kubeconfig(self.directory / f"{name}.kubeconfig", self.url, certificate, token)

    async def _grant(self, kind: str, name: str, wanted: Sequence[Permission], account: str | None = None) -> None:
        if not wanted:
            return
        rules = [{"apiGroups": [one.group], "resources": [one.resource], "verbs": [one.verb]} for one in wanted]
        await self.create({"kind": kind, "metadata": {"name": name}, "rules": rules})
        subject = {"kind": "ServiceAccount", "namespace": self.namespace, "name": account or name}
        role = {"apiGroup": _RBAC, "kind": kind, "name": name}
        await self.create(
            {"kind": f"{kind}Binding", "metadata": {"name": name}, "subjects": [subject], "roleRef": role}
        )

    async def audit(self) -> list[Asked]:
        mark = f"/version?mark={self.namespace}-{next(self._numbers)}"
        await self.request("GET", mark)
        found: list[Asked] = []
        with self.plane.audit_log.open() as log:
            log.seek(self._audit_from)
            for line in log:
                if self.namespace not in line:
                    continue
                event = json.loads(line)
                if event["requestURI"] == mark:
                    break
                user = event["user"]["username"]
                if user.startswith(f"system:serviceaccount:{self.namespace}:") and event["stage"] == "ResponseComplete":
                    found.append(_asked(event, user))
        return found

    async def sicken(self, name: str, behaviour: str, kind: str = "Deployment") -> None:
        for pod in await self.pods(name):
            told = {"metadata": {"annotations": {BEHAVIOUR: behaviour}}}
            await self.patch("Pod", pod["metadata"]["name"], told)


def _asked(event: Object, user: str) -> Asked:
    uri = urlsplit(event["requestURI"])
    method = _METHODS.get(event["verb"], "GET")
    # Reading ones that are spelled otherwise, such as "get" on exec, change nothing that the audit log could tell.
    return Asked(
        method, uri.path, dict(parse_qsl(uri.query)), user, event.get("userAgent", ""), event.get("requestObject")
    )
