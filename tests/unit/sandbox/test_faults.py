"""Faults on demand: what the client sees, and what has really happened behind its back."""

import asyncio

import aiohttp
import pytest
from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox import workloads
from remediator.sandbox.kubernetes.server import KubernetesApi
from tests.unit.sandbox.manifests import Untyped, restart, status_of

HERE = ("checkout", "shop")


@pytest.fixture(autouse=True)
def checkout(cluster: KubernetesApi) -> None:
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout"))


def restarts(cluster: KubernetesApi) -> int:
    return len(cluster.changes("deployments", "shop", "checkout", "spec.template"))


async def test_a_lost_answer_leaves_the_change_in_the_world(apps: Untyped, cluster: KubernetesApi) -> None:
    fault = cluster.faults.add(match="PATCH */deployments/checkout", kind="lose_answer")
    with pytest.raises(aiohttp.ClientError):
        await apps.patch_namespaced_deployment(*HERE, restart("1"))
    assert fault.struck.is_set()
    assert restarts(cluster) == 1


@pytest.mark.parametrize("kind", ["drop", "reset"])
async def test_a_dropped_request_changes_nothing(apps: Untyped, cluster: KubernetesApi, kind: str) -> None:
    cluster.faults.add(match="PATCH *", kind=kind)
    with pytest.raises(aiohttp.ClientError):
        await apps.patch_namespaced_deployment(*HERE, restart("1"))
    assert restarts(cluster) == 0
    await apps.patch_namespaced_deployment(*HERE, restart("1"))
    assert restarts(cluster) == 1


async def test_a_status_fault_is_a_status_object_and_strikes_as_often_as_told(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    cluster.faults.add(match="GET *", kind="status 503", times=2, headers={"Retry-After": "1"})
    for _ in range(2):
        with pytest.raises(ApiException) as caught:
            await apps.read_namespaced_deployment(*HERE)
        assert caught.value.status == 503
        assert status_of(caught.value)["reason"] == "ServiceUnavailable"
        assert caught.value.headers is not None
        assert caught.value.headers["Retry-After"] == "1"
    assert (await apps.read_namespaced_deployment(*HERE)).metadata.name == "checkout"


async def test_a_hanging_server_ends_by_the_clients_own_timeout_and_changes_nothing(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    cluster.faults.add(match="PATCH *", kind="hang")
    with pytest.raises(TimeoutError):
        await apps.patch_namespaced_deployment(*HERE, restart("1"), _request_timeout=0.1)
    assert restarts(cluster) == 0


async def test_a_late_answer_was_carried_out_at_once(apps: Untyped, cluster: KubernetesApi) -> None:
    cluster.faults.add(match="PATCH *", kind="late_answer 5")
    with pytest.raises(TimeoutError):
        await apps.patch_namespaced_deployment(*HERE, restart("1"), _request_timeout=0.5)
    assert restarts(cluster) == 1


async def test_a_delayed_write_lands_after_the_client_has_given_up(apps: Untyped, cluster: KubernetesApi) -> None:
    cluster.faults.add(match="PATCH *", kind="delay 1.5")
    with pytest.raises(TimeoutError):
        await apps.patch_namespaced_deployment(*HERE, restart("1"), _request_timeout=0.5)
    assert restarts(cluster) == 0
    await cluster.until(lambda: restarts(cluster) == 1)


async def test_skip_lets_the_first_requests_pass(apps: Untyped, cluster: KubernetesApi) -> None:
    cluster.faults.add(match=lambda request: request.writes, kind="status 500", skip=1)
    await apps.patch_namespaced_deployment(*HERE, restart("1"))
    with pytest.raises(ApiException):
        await apps.patch_namespaced_deployment(*HERE, restart("2"))


async def test_the_journal_has_every_request_also_those_that_failed(apps: Untyped, cluster: KubernetesApi) -> None:
    cluster.faults.add(match="PATCH *", kind="drop")
    with pytest.raises(aiohttp.ClientError):
        await apps.patch_namespaced_deployment(*HERE, restart("1"), field_manager="remediator")
    (request,) = cluster.requests.writes
    assert request.path == "/apis/apps/v1/namespaces/shop/deployments/checkout"
    assert request.query == {"fieldManager": "remediator"}
    assert request.json() == restart("1")
    assert request.content_type == "application/strategic-merge-patch+json"
    assert request.user_agent.startswith("OpenAPI-Generator")


@pytest.mark.parametrize("kind", ["status", "delay", "reset 1", "explode"])
def test_an_unknown_fault_is_refused(cluster: KubernetesApi, kind: str) -> None:
    with pytest.raises(ValueError, match="unknown fault"):
        cluster.faults.add(kind=kind)


async def test_stopping_lets_hanging_requests_go(apps: Untyped, cluster: KubernetesApi) -> None:
    fault = cluster.faults.add(kind="hang")
    hanging = asyncio.ensure_future(apps.read_namespaced_deployment(*HERE))
    await fault.struck.wait()
    async with asyncio.timeout(30):
        await cluster.stop()
    with pytest.raises(aiohttp.ClientError):
        await hanging
