"""The whole test bed: `running` within a program, or `python -m tests.controlplane.bed DIRECTORY` as a process of its own.

That process writes `ready.json` when pods can be made, and ends, leaving nothing behind, when nobody holds `DIRECTORY/alive`
(a named pipe) open for writing any more.
"""

import asyncio
import json
import sys
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
        told = directory / "ready.json.new"
        told.write_text(json.dumps({"url": plane.url}))
        told.rename(directory / "ready.json")
        await shared.without_owner(directory)


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
