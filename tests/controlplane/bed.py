"""The whole test bed: `running` within a program, or `python -m tests.controlplane.bed` as a process of its own.

With a DIRECTORY, as test runs start it, it ends, and removes that, when nobody holds `DIRECTORY/alive` (a named pipe) open any more.
Without, it serves until interrupted, and tells how test runs come to use it instead of starting one each.
"""

import asyncio
import json
import shutil
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp

from tests.controlplane import kubelet_server, server, shared
from tests.controlplane.api import Api
from tests.controlplane.kubelet import Kubelet
from tests.controlplane.nodes import Nodes
from tests.controlplane.server import ControlPlane
from tests.controlplane.volumes import Volumes


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[ControlPlane]:
    """A control plane with three nodes. Raises StartError."""
    async with server.running(directory) as plane:
        api = Api(plane.url, plane.headers, aiohttp.TCPConnector(ssl=plane.tls(), limit=0))
        names: set[str] = set()
        kubelet = Kubelet(api, names)
        try:
            async with (
                kubelet_server.serving(kubelet.pods, plane.access.kubelet_tls()) as port,
                asyncio.TaskGroup() as group,
            ):
                nodes = Nodes(api, port, names)
                await nodes.make()
                work = [group.create_task(one.run()) for one in (nodes, kubelet, Volumes(api))]
                yield plane
                for task in work:
                    task.cancel()
        finally:
            await api.close()


async def _serve(directory: Path) -> None:
    shared.hold_running(directory)
    async with running(directory) as plane:
        _tell(directory, plane)
        await shared.without_owner(directory)
    shutil.rmtree(directory, ignore_errors=True)


async def _serve_by_hand(directory: Path) -> None:
    stop, loop = asyncio.Event(), asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    async with running(directory) as plane:
        _tell(directory, plane)
        print(
            f"export {shared.DIRECTORY}={directory}   # test runs use this one; kubectl: {plane.admin_kubeconfig}",
            flush=True,
        )
        await stop.wait()


def _tell(directory: Path, plane: ControlPlane) -> None:
    told = directory / "ready.json.new"
    told.write_text(json.dumps({"url": plane.url}))
    told.rename(directory / "ready.json")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        asyncio.run(_serve(Path(sys.argv[1])))
    else:
        with tempfile.TemporaryDirectory(prefix="remediator-test-bed-") as made:
            asyncio.run(_serve_by_hand(Path(made)))
