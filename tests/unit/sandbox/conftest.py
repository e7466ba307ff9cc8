"""A simulated cluster, and the real client pointed at it."""

from collections.abc import AsyncIterator

import pytest
from kubernetes_asyncio import client

from remediator.sandbox.kubernetes.server import KubernetesApi


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    server = KubernetesApi()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def api(cluster: KubernetesApi) -> AsyncIterator[client.ApiClient]:
    configuration = client.Configuration(host=cluster.url)
    async with client.ApiClient(configuration) as opened:
        yield opened


@pytest.fixture
def apps(api: client.ApiClient) -> client.AppsV1Api:
    return client.AppsV1Api(api)


@pytest.fixture
def core(api: client.ApiClient) -> client.CoreV1Api:
    return client.CoreV1Api(api)
