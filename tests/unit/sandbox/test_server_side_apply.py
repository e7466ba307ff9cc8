"""Server-side apply through the real client: owners of fields, conflicts, and what is no longer applied."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox import workloads
from remediator.sandbox.kubernetes.resources import Object
from remediator.sandbox.kubernetes.server import KubernetesApi
from tests.unit.sandbox.manifests import Untyped, status_of

APPLY = "application/apply-patch+yaml"


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    """Without controllers, whose status writes would move the resourceVersion between two requests."""
    server = KubernetesApi(controllers=False)
    server.add_namespace("shop")
    await server.start()
    yield server
    await server.stop()


def config(**spec: Any) -> Object:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout"}, "spec": spec}


async def apply(apps: Untyped, body: Object, manager: str = "ours", **kwargs: Any) -> Any:
    return await apps.patch_namespaced_deployment(
        "checkout", "shop", body, _content_type=APPLY, field_manager=manager, **kwargs
    )


def entries(cluster: KubernetesApi) -> dict[tuple[str, str], Object]:
    found = cluster.get("deployments", "shop", "checkout")["metadata"]["managedFields"]
    return {(entry["manager"], entry["operation"]): entry["fieldsV1"] for entry in found}


async def test_applying_makes_what_is_missing_and_owns_no_more_than_it_names(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    made = workloads.manifest("deployments", "shop", "checkout")
    body = config(selector=made["spec"]["selector"], template=made["spec"]["template"])
    created = await apply(apps, body)
    assert created.spec.replicas == 1
    assert set(entries(cluster)) == {("ours", "Apply")}
    assert set(entries(cluster)[("ours", "Apply")]["f:spec"]) == {"f:selector", "f:template"}
    version = created.metadata.resource_version
    again = await apply(apps, body)
    assert again.metadata.resource_version == version


async def test_what_another_manager_owns_is_a_conflict_that_force_takes(apps: Untyped, cluster: KubernetesApi) -> None:
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout"))
    await apps.patch_namespaced_deployment("checkout", "shop", {"spec": {"replicas": 4}}, field_manager="theirs")
    with pytest.raises(ApiException) as caught:
        await apply(apps, config(replicas=5))
    status = status_of(caught.value)
    assert (status["code"], status["reason"]) == (409, "Conflict")
    (cause,) = status["details"]["causes"]
    assert (cause["reason"], cause["field"]) == ("FieldManagerConflict", ".spec.replicas")
    assert cause["message"].startswith('conflict with "theirs" using apps/v1')
    assert cluster.get("deployments", "shop", "checkout")["spec"]["replicas"] == 4
    await apply(apps, config(replicas=4))
    assert ("theirs", "Update") in entries(cluster), "the same value is shared"
    applied = await apply(apps, config(replicas=5), force=True)
    assert applied.spec.replicas == 5
    assert ("theirs", "Update") not in entries(cluster)


async def test_lists_merge_by_key_and_what_is_no_longer_applied_goes(apps: Untyped, cluster: KubernetesApi) -> None:
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout"))

    def sidecar(*env: str) -> Object:
        variables = [{"name": name, "value": "1"} for name in env]
        container = {"name": "proxy", "image": "proxy:1", "env": variables}
        return config(template={"spec": {"containers": [container]}})

    await apply(apps, sidecar("A", "B"))
    containers = cluster.get("deployments", "shop", "checkout")["spec"]["template"]["spec"]["containers"]
    assert [container["name"] for container in containers] == ["checkout", "proxy"]
    applied = await apply(apps, sidecar("B"))
    assert [variable.name for variable in applied.spec.template.spec.containers[1].env] == ["B"]
    applied = await apply(apps, {**config(), "metadata": {"name": "checkout", "annotations": {"a": "1"}}})
    assert [container.name for container in applied.spec.template.spec.containers] == ["checkout"]
    assert entries(cluster)[("ours", "Apply")] == {"f:metadata": {"f:annotations": {"f:a": {}}}}


async def test_a_dry_run_applies_nothing_and_finds_conflicts(apps: Untyped, cluster: KubernetesApi) -> None:
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout"))
    before = cluster.get("deployments", "shop", "checkout")
    with pytest.raises(ApiException) as caught:
        await apply(apps, config(replicas=5), dry_run="All")
    assert caught.value.status == 409
    applied = await apply(apps, config(replicas=5), dry_run="All", force=True)
    assert applied.spec.replicas == 5
    assert cluster.get("deployments", "shop", "checkout") is before


async def test_a_later_update_takes_over_from_whoever_applied(apps: Untyped, cluster: KubernetesApi) -> None:
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout"))
    await apply(apps, config(replicas=5), force=True)
    await apps.patch_namespaced_deployment_scale("checkout", "shop", {"spec": {"replicas": 6}}, field_manager="theirs")
    assert ("ours", "Apply") not in entries(cluster)
    with pytest.raises(ApiException) as caught:
        await apply(apps, config(replicas=5))
    assert 'with subresource "scale"' in status_of(caught.value)["message"]


@pytest.mark.parametrize(
    ("body", "kwargs", "code"),
    [
        (config(), {"manager": ""}, 422),
        ({**config(), "kind": "StatefulSet"}, {}, 400),
        ({**config(), "metadata": {"name": "other"}}, {}, 400),
        ({**config(), "metadata": {"name": "checkout", "managedFields": []}}, {}, 400),
        ({**config(replicas=1), "metadata": {"name": "checkout", "resourceVersion": "1"}}, {"force": True}, 409),
    ],
)
async def test_what_cannot_be_applied(
    apps: Untyped, cluster: KubernetesApi, body: Object, kwargs: dict[str, Any], code: int
) -> None:
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout"))
    with pytest.raises(ApiException) as caught:
        await apply(apps, body, **kwargs)
    assert caught.value.status == code
