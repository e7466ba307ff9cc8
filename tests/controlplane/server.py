"""A real control plane on loopback: etcd, kube-apiserver, kube-controller-manager and kube-scheduler as plain processes."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp

from tests.controlplane import processes
from tests.controlplane.access import ADMIN, CONTROLLERS, SCHEDULER, Access, make_access
from tests.controlplane.build import command
from tests.controlplane.processes import Program, StartError, free_ports

READY_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.05

# Who belongs to the test bed is not written down, so that what is left is what was asked by those under test. /version is
# written down for everybody: whoever reads the log asks for it with a mark, and knows at the mark that all before is there.
_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "Metadata", "nonResourceURLs": ["/version*"]},
        {"level": "None", "userGroups": ["system:masters", "system:serviceaccounts:kube-system"]},
        {"level": "None", "users": [CONTROLLERS, SCHEDULER, "system:apiserver"]},
        {"level": "Request"},
    ],
}


@dataclass(frozen=True)
class ControlPlane:
    """One that runs."""

    url: str
    access: Access

    @property
    def audit_log(self) -> Path:
        return self.access.directory / "audit.log"

    @property
    def admin_kubeconfig(self) -> Path:
        return self.access.kubeconfig_path(ADMIN)

    @property
    def headers(self) -> dict[str, str]:
        """What makes a request one of the administrator's."""
        return {"Authorization": f"Bearer {self.access.tokens[ADMIN]}"}

    def tls(self) -> ssl.SSLContext:
        """To speak with the API server."""
        return ssl.create_default_context(cafile=str(self.access.certificate))


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[ControlPlane]:
    """Start everything, its files in `directory`; ready when pods can be made. Raises StartError."""
    access = make_access(directory)
    etcd_port, peer_port, api_port, controllers_port, scheduler_port = free_ports(5)
    url, etcd_url = f"https://127.0.0.1:{api_port}", f"http://127.0.0.1:{etcd_port}"
    plane = ControlPlane(url, access)
    access.kubeconfig(ADMIN, url)
    started: list[Program] = []

    async def start(name: str, flags: list[str]) -> None:
        started.append(await processes.start(name, [*_program(name), *flags], directory / f"{name}.log"))

    try:
        await start("etcd", _etcd(directory, etcd_url, f"http://127.0.0.1:{peer_port}"))
        await start("kube-apiserver", _apiserver(directory, plane, etcd_url, api_port))
        await _answers(plane, "/readyz", started)  # only then it has the roles that the others need
        await start(
            "kube-controller-manager", _controllers(access, access.kubeconfig(CONTROLLERS, url), controllers_port)
        )
        await start("kube-scheduler", _client(access.kubeconfig(SCHEDULER, url), scheduler_port))
        await _answers(plane, "/api/v1/namespaces/default/serviceaccounts/default", started)  # pods can be made
        yield plane
    finally:
        for program in reversed(started):
            await program.stop()


def _program(name: str) -> list[str]:
    found = command(name)
    if found is None:
        raise StartError(f"there is no {name}: python -m tests.controlplane.build makes it")
    return found


def _etcd(directory: Path, url: str, peer_url: str) -> list[str]:
    return [
        f"--data-dir={directory / 'etcd'}",
        "--unsafe-no-fsync",  # nobody needs the data after the machine has crashed
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peer_url}",
        f"--initial-advertise-peer-urls={peer_url}",
        f"--initial-cluster=default={peer_url}",
        "--log-level=warn",
    ]


def _apiserver(directory: Path, plane: ControlPlane, etcd_url: str, port: int) -> list[str]:
    policy = directory / "audit-policy.json"
    policy.write_text(json.dumps(_AUDIT_POLICY))
    certificate, key = plane.access.certificate, plane.access.key
    return [
        f"--etcd-servers={etcd_url}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--tls-cert-file={certificate}",
        f"--tls-private-key-file={key}",
        f"--token-auth-file={plane.access.token_file}",
        "--authorization-mode=RBAC",
        "--anonymous-auth=false",
        "--allow-privileged=true",
        "--service-cluster-ip-range=10.96.0.0/16",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-signing-key-file={key}",
        f"--service-account-key-file={certificate}",
        "--endpoint-reconciler-type=none",  # a loopback address is refused as an endpoint
        f"--kubelet-certificate-authority={certificate}",
        f"--kubelet-client-certificate={certificate}",
        f"--kubelet-client-key={key}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={plane.audit_log}",
        "--audit-log-maxsize=100000",  # megabytes: nothing is rotated away from under a reader
    ]


def _client(kubeconfig: Path, port: int) -> list[str]:
    return [
        "--leader-elect=false",
        # By default 20 requests a second, which many rollouts at once would wait for.
        "--kube-api-qps=1000",
        "--kube-api-burst=2000",
        "--bind-address=127.0.0.1",
        f"--secure-port={port}",
        f"--kubeconfig={kubeconfig}",
    ]


def _controllers(access: Access, kubeconfig: Path, port: int) -> list[str]:
    return [
        *_client(kubeconfig, port),
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={access.key}",
        f"--root-ca-file={access.certificate}",
        "--allocate-node-cidrs=false",
        "--pvclaimbinder-sync-period=1s",
    ]


async def _answers(plane: ControlPlane, path: str, programs: list[Program]) -> None:
    """Wait until the API server answers 200 there."""
    connector = aiohttp.TCPConnector(ssl=plane.tls())
    async with (
        asyncio.timeout(READY_WITHIN_S),
        aiohttp.ClientSession(plane.url, headers=plane.headers, connector=connector) as session,
    ):
        while True:
            for program in programs:
                program.check()
            try:
                async with session.get(path) as answer:
                    if answer.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(_LOOK_EVERY_S)
