"""Autoscalers, and the operators of others that own what they scale or lead."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio import client
from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox.kubernetes.resources import Object
from remediator.sandbox.kubernetes.server import KubernetesApi
from remediator.sandbox.timekeeping import Pace
from tests.unit.sandbox.manifests import Untyped, deployed, rolled_out, status_of, untyped

MERGE = "application/merge-patch+json"
POSTGRES = ("postgresql.cnpg.io", "v1", "shop", "clusters", "orders")


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    server = KubernetesApi(pace=Pace(speed=5))
    server.add_namespace("shop")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def scaling(api: client.ApiClient) -> Untyped:
    return untyped(client.AutoscalingV2Api(api))


@pytest.fixture
def custom(api: client.ApiClient) -> Untyped:
    return untyped(client.CustomObjectsApi(api))


def autoscaler(least: Any, most: Any) -> Object:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    spec = {"scaleTargetRef": reference, "minReplicas": least, "maxReplicas": most}
    return {"metadata": {"name": "checkout", "namespace": "shop"}, "spec": spec}


def status(cluster: KubernetesApi) -> Object:
    found: Object = cluster.get("horizontalpodautoscalers", "shop", "checkout").get("status", {})
    return found


def reasons(cluster: KubernetesApi) -> dict[str, str]:
    return {found["type"]: found["reason"] for found in status(cluster).get("conditions", [])}


@pytest.mark.parametrize(
    ("least", "most", "code", "fields"),
    [
        (4, 3, 422, ["spec.maxReplicas"]),
        (0, 3, 422, ["spec.minReplicas"]),
        (1, 0, 422, ["spec.maxReplicas", "spec.maxReplicas"]),
        ("1", 3, 400, None),
    ],
)
async def test_bounds_that_cannot_be_are_refused(
    scaling: Untyped, least: Any, most: Any, code: int, fields: list[str] | None
) -> None:
    with pytest.raises(ApiException) as caught:
        await scaling.create_namespaced_horizontal_pod_autoscaler("shop", autoscaler(least, most))
    assert caught.value.status == code
    details = status_of(caught.value).get("details")
    assert (details and [cause["field"] for cause in details["causes"]]) == fields


async def test_an_autoscaler_keeps_its_target_within_its_bounds(scaling: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster)
    cluster.put("horizontalpodautoscalers", autoscaler(1, 10))
    await cluster.until(lambda: status(cluster).get("desiredReplicas") == 3)
    await scaling.patch_namespaced_horizontal_pod_autoscaler("checkout", "shop", {"spec": {"minReplicas": 5}})
    await cluster.until(lambda: cluster.get("deployments", "shop", "checkout")["spec"]["replicas"] == 5)
    await rolled_out(cluster)
    assert cluster.changes("deployments", "shop", "checkout") == [], "the cluster's own doing is not counted"
    await cluster.until(lambda: status(cluster)["currentReplicas"] == 5)
    assert reasons(cluster) == {"AbleToScale": "ReadyForNewScale", "ScalingActive": "ValidMetricFound"}


async def test_it_rests_while_its_target_has_no_replicas(apps: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster)
    cluster.put("horizontalpodautoscalers", autoscaler(2, 10))
    await apps.patch_namespaced_deployment_scale("checkout", "shop", {"spec": {"replicas": 0}})
    await cluster.until(lambda: reasons(cluster).get("ScalingActive") == "ScalingDisabled")
    assert cluster.get("deployments", "shop", "checkout")["spec"]["replicas"] == 0
    await apps.patch_namespaced_deployment_scale("checkout", "shop", {"spec": {"replicas": 1}})
    await cluster.until(lambda: cluster.get("deployments", "shop", "checkout")["spec"]["replicas"] == 2)


async def test_conditions_that_were_set_stay(scaling: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster)
    cluster.put("horizontalpodautoscalers", autoscaler(1, 10))
    failing = {"type": "ScalingActive", "status": "False", "reason": "FailedGetResourceMetric"}
    await scaling.patch_namespaced_horizontal_pod_autoscaler_status(
        "checkout", "shop", {"status": {"conditions": [failing]}}
    )
    await scaling.patch_namespaced_horizontal_pod_autoscaler("checkout", "shop", {"spec": {"maxReplicas": 2}})
    await cluster.until(lambda: status(cluster).get("desiredReplicas") == 2)
    assert reasons(cluster)["ScalingActive"] == "FailedGetResourceMetric"


def postgres(**annotations: str) -> Object:
    metadata = {"name": "orders", "namespace": "shop", "annotations": annotations}
    return {"metadata": metadata, "spec": {"instances": 3}}


def primary(cluster: KubernetesApi) -> tuple[str | None, str | None]:
    found = cluster.get("clusters", "shop", "orders").get("status", {})
    return found.get("currentPrimary"), found.get("phase")


def promote(name: str) -> Object:
    return {"status": {"targetPrimary": name}}


async def test_a_postgres_cluster_follows_who_is_asked_to_be_primary(custom: Untyped, cluster: KubernetesApi) -> None:
    cluster.put("clusters", postgres())
    await cluster.until(lambda: primary(cluster) == ("orders-1", "Cluster in healthy state"))
    await custom.patch_namespaced_custom_object_status(*POSTGRES, promote("orders-2"), _content_type=MERGE)
    await cluster.until(lambda: primary(cluster) == ("orders-1", "Switchover in progress"))
    await cluster.until(lambda: primary(cluster) == ("orders-2", "Cluster in healthy state"))


async def test_a_switchover_to_a_sick_instance_or_one_that_is_told_to_fail_never_ends(
    custom: Untyped, cluster: KubernetesApi
) -> None:
    cluster.put("clusters", postgres(**{"sandbox.remediator.dev/switchover": "never"}))
    await cluster.until(lambda: primary(cluster)[0] == "orders-1")
    for target in ("orders-2", "orders-9"):
        await custom.patch_namespaced_custom_object_status(*POSTGRES, promote(target), _content_type=MERGE)
        await cluster.until(lambda: primary(cluster) == ("orders-1", "Switchover in progress"))
    await custom.patch_namespaced_custom_object_status(*POSTGRES, promote("orders-1"), _content_type=MERGE)
    await custom.patch_namespaced_custom_object(
        *POSTGRES, {"metadata": {"annotations": {"sandbox.remediator.dev/switchover": None}}}, _content_type=MERGE
    )
    await custom.patch_namespaced_custom_object_status(*POSTGRES, promote("orders-3"), _content_type=MERGE)
    await cluster.until(lambda: primary(cluster) == ("orders-3", "Cluster in healthy state"))


async def test_metrics_are_what_was_put(custom: Untyped, core: Untyped, cluster: KubernetesApi) -> None:
    usage = {"cpu": "250m", "memory": "64Mi"}
    cluster.put(
        "pods",
        {
            "apiVersion": "metrics.k8s.io/v1beta1",
            "metadata": {"name": "one", "namespace": "shop"},
            "containers": [{"name": "one", "usage": usage}],
        },
    )
    found = await custom.list_namespaced_custom_object("metrics.k8s.io", "v1beta1", "shop", "pods")
    assert found["items"][0]["containers"] == [{"name": "one", "usage": usage}]
    assert (await core.list_namespaced_pod("shop")).items == []
