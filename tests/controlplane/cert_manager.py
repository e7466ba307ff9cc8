"""The real cert-manager beside the real control plane: `running`, or `python -m tests.controlplane.cert_manager DIRECTORY`.

It acts on the Certificates of every namespace, and so it is one for all workers of a test run, as the control plane is. `CA` is a
ClusterIssuer that signs by a CA; tests that need a broken one make Issuers in their own namespace.
"""

import asyncio
import json
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.controlplane import processes, shared
from tests.controlplane.access import Access, read_tokens
from tests.controlplane.build import Say, cache, command, ensure
from tests.controlplane.processes import Program, StartError
from tests.controlplane.recipes import CERT_MANAGER
from tests.controlplane.server import ControlPlane

DIRECTORY = "CERT_MANAGER_OF_REMEDIATOR"
"""Environment variable: the directory of this run's cert-manager."""
CA = "test-bed-ca"
NAMESPACE = "cert-manager"
"""Where the secrets of ClusterIssuers are."""
GROUP = "cert-manager.io/v1"
READY_WITHIN_S = 60.0
_LOOK_EVERY_S = 0.05
_CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
_SELF = "test-bed-self"

Object = dict[str, Any]


def start(say: Say) -> None:
    """Have it run beside this run's control plane, which runs; built and started if nobody has yet. Raises StartError as that does."""
    directory = Path(os.environ[DIRECTORY])
    shared.started(directory, "tests.controlplane.cert_manager", before=lambda: ensure(CERT_MANAGER, say))


@asynccontextmanager
async def running(plane: ControlPlane, directory: Path) -> AsyncIterator[None]:
    """Ready when `CA` signs. Raises StartError."""
    found = command("cert-manager")
    if found is None:
        raise StartError("there is no cert-manager: python -m tests.controlplane.build makes it")
    connector = aiohttp.TCPConnector(ssl=plane.tls())
    async with aiohttp.ClientSession(plane.url, headers=plane.headers, connector=connector) as session:
        await _install(session)
        flags = [f"--kubeconfig={plane.admin_kubeconfig}", f"--cluster-resource-namespace={NAMESPACE}"]
        program = await processes.start("cert-manager", [*found, *flags], directory / "cert-manager.log")
        try:
            await _ca(session, program)
            yield
        finally:
            await program.stop()


async def _install(session: aiohttp.ClientSession) -> None:
    for file in sorted((cache() / CERT_MANAGER.key).glob("*.yaml")):
        name = ".".join(reversed(file.stem.split("_")))
        await _make(session, _CRDS, file.read_text(), "application/yaml")
        await _until(session, f"{_CRDS}/{name}", "Established")
    await _make(session, "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})


async def _ca(session: aiohttp.ClientSession, program: Program) -> None:
    """An authority that signs itself, and a ClusterIssuer that signs by it."""
    await _issuer(session, _SELF, {"selfSigned": {}}, program)
    spec = {
        "isCA": True,
        "commonName": CA,
        "secretName": CA,
        "privateKey": {"algorithm": "ECDSA"},
        "issuerRef": {"kind": "ClusterIssuer", "name": _SELF},
    }
    path = f"/apis/{GROUP}/namespaces/{NAMESPACE}/certificates"
    await _make(session, path, {"apiVersion": GROUP, "kind": "Certificate", "metadata": {"name": CA}, "spec": spec})
    await _until(session, f"{path}/{CA}", "Ready", program.check)
    await _issuer(session, CA, {"ca": {"secretName": CA}}, program)


async def _issuer(session: aiohttp.ClientSession, name: str, spec: Object, program: Program) -> None:
    path = f"/apis/{GROUP}/clusterissuers"
    await _make(session, path, {"apiVersion": GROUP, "kind": "ClusterIssuer", "metadata": {"name": name}, "spec": spec})
    await _until(session, f"{path}/{name}", "Ready", program.check)


async def _make(
    session: aiohttp.ClientSession, path: str, body: Object | str, content_type: str = "application/json"
) -> None:
    """A moment after a kind is established its path is not found yet, or is being made (429). What is there stays."""
    data = body if isinstance(body, str) else json.dumps(body)
    async with asyncio.timeout(READY_WITHIN_S):
        while True:
            async with session.post(path, data=data, headers={"Content-Type": content_type}) as answer:
                if answer.status in (201, 409):
                    return
                if answer.status not in (404, 429):
                    raise StartError(f"POST {path}: {answer.status} {(await answer.text())[:500]}")
            await asyncio.sleep(_LOOK_EVERY_S)


async def _until(
    session: aiohttp.ClientSession, path: str, condition: str, check: Callable[[], object] = lambda: None
) -> None:
    last = ""
    try:
        async with asyncio.timeout(READY_WITHIN_S):
            while True:
                check()
                async with session.get(path) as answer:
                    last = await answer.text()
                    told = json.loads(last).get("status", {}).get("conditions") or []
                if any(one["type"] == condition and one["status"] == "True" for one in told):
                    return
                await asyncio.sleep(_LOOK_EVERY_S)
    except TimeoutError:
        raise StartError(f"{path} is not {condition} after {READY_WITHIN_S:.0f} s: {last[-500:]}") from None


async def _serve(directory: Path) -> None:
    shared.hold_running(directory)
    bed = Path(os.environ[shared.DIRECTORY])
    url = str(json.loads((bed / "ready.json").read_text())["url"])
    async with running(ControlPlane(url, Access(bed, read_tokens(bed))), directory):
        told = directory / "ready.json.new"
        told.write_text(json.dumps({"url": url}))
        told.rename(directory / "ready.json")
        await shared.without_owner(directory)
    shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
