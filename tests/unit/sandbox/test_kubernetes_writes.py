"""The emulated API server through the real client: patches, dry-run, conflicts, generation, as measured on a real one."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio import client
from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox import workloads
from remediator.sandbox.kubernetes.server import KubernetesApi
from tests.unit.sandbox.manifests import Untyped, restart, status_of, untyped

MERGE = "application/merge-patch+json"
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


def container_patch(**env: str) -> dict[str, Any]:
    variables = [{"name": name, "value": value} for name, value in env.items()]
    return {"spec": {"template": {"spec": {"containers": [{"name": "checkout", "env": variables}]}}}}


async def test_a_dict_goes_as_strategic_merge_and_merges_containers_and_env_by_name(apps: Untyped) -> None:
    await apps.patch_namespaced_deployment(*HERE, container_patch(A="1"))
    patched = await apps.patch_namespaced_deployment(*HERE, container_patch(B="2"))
    (container,) = patched.spec.template.spec.containers
    assert [variable.name for variable in container.env] == ["B", "A"]
    assert container.image == "registry.example.net/shop/checkout:1.0"


async def test_a_merge_patch_replaces_the_list(apps: Untyped, cluster: KubernetesApi) -> None:
    await apps.patch_namespaced_deployment(*HERE, container_patch(A="1"))
    containers = [{"name": "checkout", "image": "x:2"}]
    body = {"spec": {"template": {"spec": {"containers": containers}}}}
    patched = await apps.patch_namespaced_deployment(*HERE, body, _content_type=MERGE)
    assert patched.spec.template.spec.containers[0].env is None
    assert cluster.requests[-1].content_type == MERGE


async def test_null_deletes_an_annotation(apps: Untyped) -> None:
    await apps.patch_namespaced_deployment(*HERE, {"metadata": {"annotations": {"a": "1", "b": "2"}}})
    patched = await apps.patch_namespaced_deployment(*HERE, {"metadata": {"annotations": {"a": None}}})
    assert "a" not in patched.metadata.annotations
    assert patched.metadata.annotations["b"] == "2"


async def test_a_list_goes_as_json_patch(apps: Untyped) -> None:
    patched = await apps.patch_namespaced_deployment(
        *HERE,
        [{"op": "test", "path": "/spec/replicas", "value": 3}, {"op": "replace", "path": "/spec/replicas", "value": 4}],
    )
    assert patched.spec.replicas == 4


async def test_a_failing_json_patch_test_is_422_and_changes_nothing(apps: Untyped, cluster: KubernetesApi) -> None:
    operations = [
        {"op": "replace", "path": "/spec/replicas", "value": 9},
        {"op": "test", "path": "/spec/paused", "value": True},
    ]
    with pytest.raises(ApiException) as caught:
        await apps.patch_namespaced_deployment(*HERE, operations)
    assert caught.value.status == 422
    assert status_of(caught.value)["details"] == {}
    assert cluster.get("deployments", "shop", "checkout")["spec"]["replicas"] == 3


async def test_other_patch_types_are_415(apps: Untyped) -> None:
    with pytest.raises(ApiException) as caught:
        await apps.patch_namespaced_deployment(*HERE, restart("1"), _content_type="application/json")
    assert caught.value.status == 415
    assert status_of(caught.value)["reason"] == "UnsupportedMediaType"


async def test_a_custom_object_takes_merge_patches_only(api: client.ApiClient, cluster: KubernetesApi) -> None:
    cluster.put("scaledobjects", {"metadata": {"name": "queue", "namespace": "shop"}, "spec": {"minReplicaCount": 1}})
    custom = untyped(client.CustomObjectsApi(api))
    place = ("keda.sh", "v1alpha1", "shop", "scaledobjects", "queue")
    with pytest.raises(ApiException) as as_default:  # the client's own default is JSON patch, with a dict in it
        await custom.patch_namespaced_custom_object(*place, {"spec": {"minReplicaCount": 2}})
    assert as_default.value.status == 400
    with pytest.raises(ApiException) as strategic:
        await custom.patch_namespaced_custom_object(
            *place, {"spec": {}}, _content_type="application/strategic-merge-patch+json"
        )
    assert strategic.value.status == 415
    patched = await custom.patch_namespaced_custom_object(
        *place, {"spec": {"minReplicaCount": 2}, "status": {"ready": True}}, _content_type=MERGE
    )
    assert patched["spec"]["minReplicaCount"] == 2
    assert "status" not in patched


async def test_a_status_patch_does_not_touch_spec_or_generation(api: client.ApiClient, cluster: KubernetesApi) -> None:
    cluster.put("scaledobjects", {"metadata": {"name": "queue", "namespace": "shop"}, "spec": {"minReplicaCount": 1}})
    patched = await untyped(client.CustomObjectsApi(api)).patch_namespaced_custom_object_status(
        "keda.sh",
        "v1alpha1",
        "shop",
        "scaledobjects",
        "queue",
        {"spec": {"minReplicaCount": 9}, "status": {"ready": True}},
        _content_type=MERGE,
    )
    assert patched["status"] == {"ready": True}
    assert patched["spec"] == {"minReplicaCount": 1}
    assert patched["metadata"]["generation"] == 1


async def test_dry_run_returns_the_next_generation_and_stores_nothing(apps: Untyped, cluster: KubernetesApi) -> None:
    before = cluster.get("deployments", "shop", "checkout")
    patched = await apps.patch_namespaced_deployment(*HERE, restart("1"), dry_run="All")
    assert patched.metadata.generation == before["metadata"]["generation"] + 1
    assert cluster.get("deployments", "shop", "checkout") is before
    assert cluster.changes("deployments", "shop", "checkout") == []
    assert cluster.requests[-1].dry_run == "All"


async def test_dry_run_validates(apps: Untyped) -> None:
    with pytest.raises(ApiException) as caught:
        await apps.patch_namespaced_deployment(*HERE, {"spec": {"replicas": -1}}, dry_run="All")
    assert caught.value.status == 422


async def test_dry_run_takes_no_other_value(apps: Untyped) -> None:
    with pytest.raises(ApiException) as caught:
        await apps.patch_namespaced_deployment(*HERE, restart("1"), dry_run="true")
    assert caught.value.status == 422
    assert status_of(caught.value)["reason"] == "Invalid"


async def test_dry_run_create_and_delete_store_nothing(apps: Untyped, core: Untyped, cluster: KubernetesApi) -> None:
    made = workloads.manifest("deployments", "shop", "other")
    created = await apps.create_namespaced_deployment("shop", made, dry_run="All")
    assert created.metadata.uid
    with pytest.raises(KeyError):
        cluster.get("deployments", "shop", "other")
    await apps.delete_namespaced_deployment(*HERE, dry_run="All")
    assert cluster.get("deployments", "shop", "checkout")
    assert cluster.store.changes == []


async def test_a_patch_that_changes_nothing_raises_neither_version_nor_generation(apps: Untyped) -> None:
    first = await apps.patch_namespaced_deployment(*HERE, restart("1"), dry_run="All")
    changed = await apps.patch_namespaced_deployment(*HERE, restart("1"))
    assert changed.metadata.generation == first.metadata.generation
    before = await apps.read_namespaced_deployment(*HERE)
    again = await apps.patch_namespaced_deployment(*HERE, restart("1"))
    assert again.metadata.generation == before.metadata.generation
    assert again.metadata.resource_version == before.metadata.resource_version


async def test_a_stale_resource_version_is_a_conflict(apps: Untyped, cluster: KubernetesApi) -> None:
    with pytest.raises(ApiException) as caught:
        await apps.patch_namespaced_deployment(*HERE, {"metadata": {"resourceVersion": "1"}, **restart("1")})
    assert caught.value.status == 409
    assert status_of(caught.value)["reason"] == "Conflict"
    assert "object has been modified" in status_of(caught.value)["message"]
    assert cluster.changes("deployments", "shop", "checkout") == []


async def test_the_present_resource_version_is_accepted(apps: Untyped, cluster: KubernetesApi) -> None:
    version = cluster.get("deployments", "shop", "checkout")["metadata"]["resourceVersion"]
    await apps.patch_namespaced_deployment(*HERE, {"metadata": {"resourceVersion": version}, **restart("1")})
    assert len(cluster.changes("deployments", "shop", "checkout", "spec.template")) == 1


async def test_another_uid_in_a_patch_is_invalid_not_a_conflict(apps: Untyped) -> None:
    with pytest.raises(ApiException) as caught:
        await apps.patch_namespaced_deployment(*HERE, {"metadata": {"uid": "other"}, **restart("1")})
    assert caught.value.status == 422
    (cause,) = status_of(caught.value)["details"]["causes"]
    assert cause["field"] == "metadata.uid"
    assert "field is immutable" in cause["message"]


async def test_a_put_with_a_stale_version_or_another_uid_is_a_conflict(apps: Untyped) -> None:
    read = await apps.read_namespaced_deployment(*HERE)
    read.spec.replicas = 5
    replaced = await apps.replace_namespaced_deployment(*HERE, read)
    assert replaced.spec.replicas == 5
    with pytest.raises(ApiException) as stale:
        await apps.replace_namespaced_deployment(*HERE, read)
    assert stale.value.status == 409
    replaced.metadata.uid, replaced.metadata.resource_version = "other", None
    with pytest.raises(ApiException) as other:
        await apps.replace_namespaced_deployment(*HERE, replaced)
    assert other.value.status == 409


async def test_an_annotation_of_a_deployment_raises_its_generation(apps: Untyped) -> None:
    before = await apps.read_namespaced_deployment(*HERE)
    patched = await apps.patch_namespaced_deployment(*HERE, {"metadata": {"annotations": {"a": "1"}}})
    assert patched.metadata.generation == before.metadata.generation + 1


@pytest.mark.parametrize("patch", [{"metadata": {"annotations": {"a": 1}}}, {"spec": {"replicas": "3"}}])
async def test_a_value_of_the_wrong_type_is_an_invalid_patch_and_a_bad_request_when_created(
    apps: Untyped, patch: dict[str, Any]
) -> None:
    with pytest.raises(ApiException) as patched:
        await apps.patch_namespaced_deployment(*HERE, patch)
    assert patched.value.status == 422
    assert [cause["field"] for cause in status_of(patched.value)["details"]["causes"]] == ["patch"]
    made = workloads.manifest("deployments", "shop", "other")
    merged = {key: {**made[key], **patch.get(key, {})} for key in made}
    with pytest.raises(ApiException) as created:
        await apps.create_namespaced_deployment("shop", merged)
    assert created.value.status == 400


async def test_an_object_of_another_kind_is_a_bad_request(apps: Untyped) -> None:
    with pytest.raises(ApiException) as caught:
        await apps.create_namespaced_deployment("shop", {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}})
    assert caught.value.status == 400
    assert status_of(caught.value)["message"].startswith('Pod in version "v1" cannot be handled as a Deployment')


async def test_the_selector_is_immutable(apps: Untyped) -> None:
    with pytest.raises(ApiException) as caught:
        await apps.patch_namespaced_deployment(*HERE, {"spec": {"selector": {"matchLabels": {"app": "x"}}}})
    assert caught.value.status == 422


async def test_the_field_manager_is_recorded_and_defaults_to_the_user_agent(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    await apps.patch_namespaced_deployment(*HERE, {"metadata": {"annotations": {"a": "1", "b": "1"}}})
    await apps.patch_namespaced_deployment(*HERE, {"metadata": {"annotations": {"a": "2"}}}, field_manager="remediator")
    owners = {
        entry["manager"]: entry["fieldsV1"]
        for entry in cluster.get("deployments", "shop", "checkout")["metadata"]["managedFields"]
        if entry["manager"] in ("OpenAPI-Generator", "remediator")
    }
    assert owners == {
        "OpenAPI-Generator": {"f:metadata": {"f:annotations": {"f:b": {}}}},
        "remediator": {"f:metadata": {"f:annotations": {"f:a": {}}}},
    }


async def test_a_field_manager_of_more_than_128_characters_is_refused(apps: Untyped) -> None:
    with pytest.raises(ApiException) as caught:
        await apps.patch_namespaced_deployment(*HERE, restart("1"), field_manager="m" * 129)
    assert caught.value.status == 422


async def test_the_world_counts_real_changes_by_field(apps: Untyped, cluster: KubernetesApi) -> None:
    await apps.patch_namespaced_deployment(*HERE, restart("1"), field_manager="remediator")
    await apps.patch_namespaced_deployment(*HERE, restart("1"), field_manager="remediator")
    await apps.patch_namespaced_deployment(*HERE, {"spec": {"replicas": 4}})
    assert len(cluster.changes("deployments", "shop", "checkout", "spec.template")) == 1
    assert len(cluster.changes("deployments", "shop", "checkout", "spec.replicas")) == 1
    assert cluster.changes("deployments", "shop", "checkout")[0].manager == "remediator"


async def test_many_patches_do_not_grow_dearer(apps: Untyped, cluster: KubernetesApi) -> None:
    for number in range(200):
        await apps.patch_namespaced_deployment(*HERE, {"metadata": {"annotations": {"n": str(number)}}})
    entries = cluster.get("deployments", "shop", "checkout")["metadata"]["managedFields"]
    assert len(entries) <= 3
    assert len(cluster.changes("deployments", "shop", "checkout")) == 200
