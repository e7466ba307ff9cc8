"""Our clients against the simulated world, over HTTP."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from remediator.actions.base import ActionContext
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.connect import connect
from remediator.clients.transport import WritePermit, permit
from remediator.clock import SystemClock
from remediator.sandbox.world import World
from remediator.settings import Cluster
from remediator.targets import Target

TIMEOUT_S = 1.0
CHECKOUT = Target.kubernetes("prod", "shop", "deployment", "checkout")


@contextmanager
def may_write() -> Iterator[None]:
    """As the runner does while its lease holds."""
    with permit(WritePermit(SystemClock().boottime() + 60)):
        yield


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World(speed=10) as running:
        yield running


@pytest.fixture
def cluster(world: World, tmp_path: Path) -> Cluster:
    return Cluster(kubeconfig=world.kubeconfig(tmp_path / "kubeconfig"), loopback_only=True)


@pytest.fixture
async def kubernetes(cluster: Cluster) -> AsyncIterator[KubernetesClient]:
    """A live client; it writes only inside ``may_write``."""
    client = await connect(cluster, name="prod", dry_run=False, clock=SystemClock(), timeout_s=TIMEOUT_S)
    yield client
    await client.close()


@pytest.fixture
async def dry(cluster: Cluster) -> AsyncIterator[KubernetesClient]:
    client = await connect(cluster, name="prod", dry_run=True, clock=SystemClock(), timeout_s=TIMEOUT_S)
    yield client
    await client.close()


@pytest.fixture
def ctx(kubernetes: KubernetesClient) -> ActionContext:
    return ActionContext(kubernetes)
