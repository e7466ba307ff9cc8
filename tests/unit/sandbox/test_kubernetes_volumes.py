"""Volume claims: bound at once, enlarged when their class allows it, never shrunk."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox.kubernetes.resources import CLAIMS, VOLUMES, Object
from remediator.sandbox.kubernetes.server import KubernetesApi
from remediator.sandbox.timekeeping import Pace
from tests.unit.sandbox.manifests import Untyped, deployed, status_of


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    server = KubernetesApi(pace=Pace(speed=5))
    for name, more in (("fixed", {}), ("growing", {"allowVolumeExpansion": True})):
        server.put("storageclasses", {"metadata": {"name": name}, "provisioner": "example.net/disk", **more})
    await server.start()
    yield server
    await server.stop()


def claim(storage_class: str = "growing", size: str = "10Gi", **annotations: str) -> Object:
    told = {f"sandbox.remediator.dev/{key}": value for key, value in annotations.items()}
    spec = {
        "accessModes": ["ReadWriteOnce"],
        "storageClassName": storage_class,
        "resources": {"requests": {"storage": size}},
    }
    return {"metadata": {"name": "data", "namespace": "shop", "annotations": told}, "spec": spec}


def capacity(cluster: KubernetesApi, name: str = "data") -> str | None:
    status = cluster.get("persistentvolumeclaims", "shop", name).get("status", {})
    found: str | None = status.get("capacity", {}).get("storage")
    return found


async def bound(cluster: KubernetesApi, **kwargs: Any) -> None:
    cluster.put("persistentvolumeclaims", claim(**kwargs))
    await cluster.until(lambda: capacity(cluster) == "10Gi")


def larger(size: str) -> Object:
    return {"spec": {"resources": {"requests": {"storage": size}}}}


async def test_a_claim_grows_a_moment_after_it_asks_when_its_class_allows(
    core: Untyped, cluster: KubernetesApi
) -> None:
    await bound(cluster)
    patched = await core.patch_namespaced_persistent_volume_claim("data", "shop", larger("20Gi"))
    assert patched.status.capacity == {"storage": "10Gi"}, "what is asked for is not there yet"
    await cluster.until(lambda: capacity(cluster) == "20Gi")
    (volume,) = cluster.store.all(VOLUMES)
    assert volume["spec"]["capacity"] == {"storage": "20Gi"}
    assert "conditions" not in cluster.get("persistentvolumeclaims", "shop", "data")["status"]


async def test_a_class_that_does_not_allow_it_forbids(core: Untyped, cluster: KubernetesApi) -> None:
    await bound(cluster, storage_class="fixed")
    for dry_run in ({}, {"dry_run": "All"}):
        with pytest.raises(ApiException) as caught:
            await core.patch_namespaced_persistent_volume_claim("data", "shop", larger("20Gi"), **dry_run)
        assert (caught.value.status, status_of(caught.value)["reason"]) == (403, "Forbidden")
        assert "storageclass that provisions the pvc must support resize" in status_of(caught.value)["message"]


@pytest.mark.parametrize(
    ("patch", "field"),
    [
        (larger("5Gi"), "spec.resources.requests.storage"),
        ({"spec": {"storageClassName": "fixed"}}, "spec"),
    ],
)
async def test_a_claim_never_shrinks_nor_changes_otherwise(
    core: Untyped, cluster: KubernetesApi, patch: Object, field: str
) -> None:
    await bound(cluster)
    with pytest.raises(ApiException) as caught:
        await core.patch_namespaced_persistent_volume_claim("data", "shop", patch)
    assert caught.value.status == 422
    assert [cause["field"] for cause in status_of(caught.value)["details"]["causes"]] == [field]


async def test_a_resizer_can_be_told_to_fail_for_ever(core: Untyped, cluster: KubernetesApi) -> None:
    await bound(cluster, resize="never")
    await core.patch_namespaced_persistent_volume_claim("data", "shop", larger("20Gi"))

    def conditions() -> list[str]:
        status = cluster.get("persistentvolumeclaims", "shop", "data")["status"]
        return [found["type"] for found in status.get("conditions", [])]

    await cluster.until(lambda: conditions() == ["Resizing"])
    assert capacity(cluster) == "10Gi"
    await core.patch_namespaced_persistent_volume_claim(
        "data", "shop", {"metadata": {"annotations": {"sandbox.remediator.dev/resize": "0.1"}}}
    )
    await cluster.until(lambda: capacity(cluster) == "20Gi")


async def test_a_claim_without_a_class_waits_for_a_volume_made_by_hand(cluster: KubernetesApi) -> None:
    made = claim()
    del made["spec"]["storageClassName"]
    cluster.put("persistentvolumeclaims", made)
    assert cluster.get("persistentvolumeclaims", "shop", "data")["status"] == {"phase": "Pending"}
    cluster.put(
        "persistentvolumes",
        {"metadata": {"name": "disk"}, "spec": {"capacity": {"storage": "12Gi"}, "accessModes": ["ReadWriteOnce"]}},
    )
    await cluster.until(lambda: capacity(cluster) == "12Gi")


async def test_a_stateful_set_makes_a_claim_for_every_pod_and_keeps_it(apps: Untyped, cluster: KubernetesApi) -> None:
    template = {"metadata": {"name": "data"}, "spec": claim()["spec"]}
    await deployed(cluster, plural="statefulsets", replicas=2, spec={"volumeClaimTemplates": [template]})
    await cluster.until(lambda: capacity(cluster, "data-checkout-1") == "10Gi")
    pod = cluster.get("pods", "shop", "checkout-0")
    assert pod["spec"]["volumes"] == [{"name": "data", "persistentVolumeClaim": {"claimName": "data-checkout-0"}}]
    await apps.patch_namespaced_stateful_set("checkout", "shop", {"spec": {"replicas": 1}})
    await cluster.until(lambda: cluster.store.get(cluster.registry.by_plural("pods"), "shop", "checkout-1") is None)
    assert {found["metadata"]["name"] for found in cluster.store.all(CLAIMS, "shop")} == {
        "data-checkout-0",
        "data-checkout-1",
    }
    with pytest.raises(ApiException) as caught:
        await apps.patch_namespaced_stateful_set("checkout", "shop", {"spec": {"volumeClaimTemplates": []}})
    assert caught.value.status == 422
    assert "are forbidden" in status_of(caught.value)["message"]
