"""Deleting: where the options stand, what they mean, and what becomes of dependents."""

import json
from typing import Any

import pytest
from kubernetes_asyncio import client
from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox.kubernetes.resources import Object
from remediator.sandbox.kubernetes.server import KubernetesApi
from tests.unit.sandbox.manifests import Untyped, status_of

POD = "/api/v1/namespaces/shop/pods/one"


@pytest.fixture
async def running(cluster: KubernetesApi) -> Object:
    cluster.put("pods", {"metadata": {"name": "one", "namespace": "shop"}, "spec": {"containers": [{"name": "one"}]}})
    await cluster.until(lambda: cluster.get("pods", "shop", "one")["status"]["phase"] == "Running")
    return cluster.get("pods", "shop", "one")


async def delete(api: client.ApiClient, cluster: KubernetesApi, path: str, query: str = "", body: Any = None) -> Any:
    pool: Any = api.rest_client.pool_manager
    kwargs = {} if body is None else {"json": body}
    async with pool.delete(f"{cluster.url}{path}{query}", **kwargs) as answer:
        return answer.status, json.loads(await answer.read())


async def test_the_body_alone_says_whether_it_is_a_dry_run(
    api: client.ApiClient, cluster: KubernetesApi, running: Object
) -> None:
    code, _ = await delete(api, cluster, POD, body={"dryRun": ["All"]})
    assert code == 200
    code, _ = await delete(api, cluster, POD, "?dryRun=All")
    assert code == 200
    assert cluster.get("pods", "shop", "one") is running
    code, left = await delete(api, cluster, POD, "?dryRun=All", {"kind": "DeleteOptions", "apiVersion": "v1"})
    assert code == 200
    assert left["metadata"]["deletionTimestamp"], "a body hides the query, as on a real server"


async def test_no_grace_takes_a_pod_at_once_also_one_that_is_going_already(
    core: Untyped, cluster: KubernetesApi, running: Object
) -> None:
    await core.delete_namespaced_pod("one", "shop")
    assert cluster.get("pods", "shop", "one")["metadata"]["deletionGracePeriodSeconds"] == 30
    await core.delete_namespaced_pod("one", "shop", body=client.V1DeleteOptions(grace_period_seconds=0))
    with pytest.raises(KeyError):
        cluster.get("pods", "shop", "one")


async def test_preconditions_name_what_was_found(core: Untyped, cluster: KubernetesApi, running: Object) -> None:
    for wanted in ({"uid": "other"}, {"resourceVersion": "1"}):
        with pytest.raises(ApiException) as caught:
            await core.delete_namespaced_pod("one", "shop", body={"preconditions": wanted})
        assert caught.value.status == 409
        assert 'on Pod "one": the' in status_of(caught.value)["message"]
    assert cluster.get("pods", "shop", "one") is running


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({"propagationPolicy": "Sometimes"}, 422),
        ({"dryRun": ["true"]}, 422),
        ({"gracePeriodSeconds": "5"}, 400),
        ([], 400),
    ],
)
async def test_options_that_cannot_be_are_refused(
    api: client.ApiClient, cluster: KubernetesApi, running: Object, body: Any, code: int
) -> None:
    answered, _ = await delete(api, cluster, POD, body=body)
    assert answered == code
    assert cluster.get("pods", "shop", "one") is running


async def test_collections_are_not_deleted_whole(api: client.ApiClient, cluster: KubernetesApi) -> None:
    code, _ = await delete(api, cluster, "/api/v1/namespaces/shop/pods")
    assert code == 405


async def test_a_job_deleted_without_a_word_leaves_its_pods_and_with_background_takes_them(
    api: client.ApiClient, cluster: KubernetesApi
) -> None:
    for name, policy, left in (("quiet", {}, True), ("loud", {"propagationPolicy": "Background"}, False)):
        pod = {"restartPolicy": "Never", "containers": [{"name": "one"}]}
        cluster.put(
            "jobs",
            {"metadata": {"name": name, "namespace": "shop"}, "spec": {"template": {"spec": pod}, "suspend": True}},
        )
        owner = {
            "apiVersion": "batch/v1",
            "kind": "Job",
            "name": name,
            "uid": cluster.get("jobs", "shop", name)["metadata"]["uid"],
        }
        cluster.put("configmaps", {"metadata": {"name": name, "namespace": "shop", "ownerReferences": [owner]}})
        code, _ = await delete(api, cluster, f"/apis/batch/v1/namespaces/shop/jobs/{name}", body=policy or None)
        assert code == 200
        found = cluster.store.get(cluster.registry.by_plural("configmaps"), "shop", name)
        assert (found is not None) is left
        assert found is None or found["metadata"]["ownerReferences"] == []


async def test_an_object_with_a_second_owner_outlives_the_first(api: client.ApiClient, cluster: KubernetesApi) -> None:
    owners = []
    for name in ("first", "second"):
        cluster.put("configmaps", {"metadata": {"name": name, "namespace": "shop"}})
        uid = cluster.get("configmaps", "shop", name)["metadata"]["uid"]
        owners.append({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid})
    cluster.put("configmaps", {"metadata": {"name": "child", "namespace": "shop", "ownerReferences": owners}})
    await delete(api, cluster, "/api/v1/namespaces/shop/configmaps/first")
    assert cluster.get("configmaps", "shop", "child")["metadata"]["ownerReferences"] == owners[1:]
    await delete(api, cluster, "/api/v1/namespaces/shop/configmaps/second")
    with pytest.raises(KeyError):
        cluster.get("configmaps", "shop", "child")


async def test_an_object_whose_owner_never_was_is_collected_unless_its_kind_is_not_known(
    cluster: KubernetesApi,
) -> None:
    for name, kind, version in (("collected", "ConfigMap", "v1"), ("kept", "Kafka", "kafka.example.net/v1")):
        owner = {"apiVersion": version, "kind": kind, "name": "other", "uid": "other"}
        cluster.put("configmaps", {"metadata": {"name": name, "namespace": "shop", "ownerReferences": [owner]}})
    resource = cluster.registry.by_plural("configmaps")
    await cluster.until(lambda: cluster.store.get(resource, "shop", "collected") is None)
    assert cluster.get("configmaps", "shop", "kept")
