"""The scale subresource through the real client."""

from collections.abc import AsyncIterator

import pytest
from kubernetes_asyncio import client
from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox import workloads
from remediator.sandbox.kubernetes.server import KubernetesApi
from tests.unit.sandbox.manifests import Untyped, status_of, untyped

HERE = ("checkout", "shop")


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    """Without controllers, whose status writes would move the resourceVersion between two requests."""
    server = KubernetesApi(controllers=False)
    await server.start()
    yield server
    await server.stop()


@pytest.fixture(autouse=True)
def checkout(cluster: KubernetesApi) -> None:
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout"))


async def test_a_scale_shows_replicas_selector_and_the_version_of_its_workload(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    scale = await apps.read_namespaced_deployment_scale(*HERE)
    assert scale.spec.replicas == 3
    assert scale.status.selector == "app=checkout"
    metadata = cluster.get("deployments", "shop", "checkout")["metadata"]
    assert (scale.metadata.uid, scale.metadata.resource_version) == (metadata["uid"], metadata["resourceVersion"])


async def test_a_scale_patch_moves_the_ownership_of_replicas_to_its_manager(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    scale = await apps.patch_namespaced_deployment_scale(
        *HERE, {"spec": {"replicas": 5}}, field_manager="remediator-abc"
    )
    assert scale.spec.replicas == 5
    after = cluster.get("deployments", "shop", "checkout")
    assert after["metadata"]["generation"] == 2
    owners = {
        (entry["manager"], entry.get("subresource")): entry["fieldsV1"]
        for entry in after["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }
    assert owners == {("remediator-abc", "scale"): {"f:spec": {"f:replicas": {}}}}
    (change,) = cluster.changes("deployments", "shop", "checkout", "spec.replicas")
    assert change.manager == "remediator-abc"


async def test_the_next_scaler_takes_the_ownership_over(apps: Untyped, cluster: KubernetesApi) -> None:
    for manager, replicas in (("first", 5), ("second", 6)):
        await apps.patch_namespaced_deployment_scale(*HERE, {"spec": {"replicas": replicas}}, field_manager=manager)
    managers = {
        entry["manager"] for entry in cluster.get("deployments", "shop", "checkout")["metadata"]["managedFields"]
    }
    assert "second" in managers
    assert "first" not in managers


async def test_zero_replicas_are_absent_from_the_scale_as_on_a_real_server(apps: Untyped) -> None:
    scale = await apps.patch_namespaced_deployment_scale(*HERE, {"spec": {"replicas": 0}})
    assert scale.spec.replicas is None


async def test_negative_replicas_are_invalid_with_the_cause(apps: Untyped, cluster: KubernetesApi) -> None:
    with pytest.raises(ApiException) as caught:
        await apps.patch_namespaced_deployment_scale(*HERE, {"spec": {"replicas": -1}})
    assert caught.value.status == 422
    (cause,) = status_of(caught.value)["details"]["causes"]
    assert cause["field"] == "spec.replicas"
    assert cluster.get("deployments", "shop", "checkout")["spec"]["replicas"] == 3


async def test_a_missing_workload_has_no_scale(apps: Untyped) -> None:
    with pytest.raises(ApiException) as caught:
        await apps.patch_namespaced_deployment_scale("missing", "shop", {"spec": {"replicas": 1}})
    assert caught.value.status == 404
    assert status_of(caught.value)["message"] == 'deployments.apps "missing" not found'


async def test_a_stale_version_is_a_conflict_for_patch_and_put(apps: Untyped) -> None:
    scale = await apps.read_namespaced_deployment_scale(*HERE)
    scale.spec.replicas = 4
    written = await apps.replace_namespaced_deployment_scale(*HERE, scale)
    assert written.spec.replicas == 4
    scale.spec.replicas = 7
    with pytest.raises(ApiException) as put:
        await apps.replace_namespaced_deployment_scale(*HERE, scale)
    assert put.value.status == 409
    body = {"metadata": {"resourceVersion": scale.metadata.resource_version}, "spec": {"replicas": 7}}
    with pytest.raises(ApiException) as patch:
        await apps.patch_namespaced_deployment_scale(*HERE, body)
    assert patch.value.status == 409


async def test_a_dry_run_scales_nothing(apps: Untyped, cluster: KubernetesApi) -> None:
    scale = await apps.patch_namespaced_deployment_scale(*HERE, {"spec": {"replicas": 5}}, dry_run="All")
    assert scale.spec.replicas == 5
    assert cluster.get("deployments", "shop", "checkout")["spec"]["replicas"] == 3


async def test_daemon_sets_have_no_scale(api: client.ApiClient, cluster: KubernetesApi) -> None:
    cluster.put("daemonsets", workloads.manifest("daemonsets", "shop", "agent"))
    with pytest.raises(ApiException) as caught:
        await untyped(client.CustomObjectsApi(api)).get_namespaced_custom_object_scale(
            "apps", "v1", "shop", "daemonsets", "agent"
        )
    assert caught.value.status == 404
