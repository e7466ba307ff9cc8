"""Evicting pods: what disruption budgets allow, in the words of the real server."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio import client
from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox import workloads
from remediator.sandbox.kubernetes.resources import DISRUPTION_BUDGETS, PODS, Object
from remediator.sandbox.kubernetes.server import KubernetesApi
from remediator.sandbox.kubernetes.store import Writer
from remediator.sandbox.timekeeping import Pace
from tests.unit.sandbox.manifests import Untyped, deployed, status_of, untyped


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    server = KubernetesApi(pace=Pace(speed=5))
    await server.start()
    yield server
    await server.stop()


def budget(name: str = "checkout", **spec: Any) -> Object:
    selector = {"matchLabels": {"app": "checkout"}}
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"selector": selector, **spec}}


async def guarded(cluster: KubernetesApi, healthy: int = 3, **spec: Any) -> None:
    """A budget over checkout, counted."""
    cluster.put("poddisruptionbudgets", budget(**spec))
    await cluster.until(lambda: status(cluster).get("currentHealthy") == healthy)


def status(cluster: KubernetesApi, name: str = "checkout") -> Object:
    found: Object = cluster.get("poddisruptionbudgets", "shop", name).get("status", {})
    return found


def pods(cluster: KubernetesApi, plural: str = "deployments") -> list[Object]:
    return workloads.pods_of(cluster, plural, "shop", "checkout")


async def evict(core: Untyped, pod: Object, *, dry_run: str | None = None, **options: Any) -> Any:
    """The eviction of one pod, as raw JSON."""
    name = pod["metadata"]["name"]
    body: Object = {"metadata": {"name": name, "namespace": "shop"}}
    if options:
        body["deleteOptions"] = options
    kwargs = {"dry_run": dry_run} if dry_run is not None else {}
    answer = await core.create_namespaced_pod_eviction(name, "shop", body, _preload_content=False, **kwargs)
    return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("spec", "desired"),
    [
        ({"minAvailable": 2}, 2),
        ({"minAvailable": "50%"}, 2),
        ({"maxUnavailable": 1}, 2),
        ({"maxUnavailable": "30%"}, 2),
        ({"maxUnavailable": 5}, 0),
    ],
)
async def test_a_budget_counts_numbers_and_shares_rounded_up(
    cluster: KubernetesApi, spec: Object, desired: int
) -> None:
    await deployed(cluster)
    await guarded(cluster, **spec)
    found = status(cluster)
    counted = (found["expectedPods"], found["desiredHealthy"], found["disruptionsAllowed"], found["observedGeneration"])
    assert counted == (3, desired, 3 - desired, 1)
    assert found["conditions"][0]["reason"] == "SufficientPods"


async def test_one_pod_goes_and_the_next_has_to_wait_until_it_is_replaced(
    core: Untyped, cluster: KubernetesApi
) -> None:
    await deployed(cluster)
    await guarded(cluster, minAvailable=2)
    cluster.health.set("deployments", "shop", "checkout", "slow")  # the one that replaces it takes its time
    first, second, _ = pods(cluster)
    code, answer = await evict(core, first)
    assert (code, answer["kind"], answer["status"]) == (201, "Status", "Success")
    going = cluster.get("pods", "shop", first["metadata"]["name"])
    assert going["metadata"]["deletionTimestamp"]
    code, answer = await evict(core, second)
    assert (code, answer["reason"]) == (429, "TooManyRequests")
    assert answer["message"] == "Cannot evict pod as it would violate the pod's disruption budget."
    assert answer["details"]["causes"][0]["reason"] == "DisruptionBudget"
    await cluster.until(lambda: status(cluster)["disruptionsAllowed"] == 1 and len(pods(cluster)) == 3)
    code, _ = await evict(core, second)
    assert code == 201


async def test_the_refusal_counts_and_names_no_time_to_wait(core: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster)
    await guarded(cluster, minAvailable=3)
    pod = pods(cluster)[0]
    with pytest.raises(ApiException) as caught:
        await core.create_namespaced_pod_eviction(
            pod["metadata"]["name"], "shop", {"metadata": {"name": pod["metadata"]["name"]}}
        )
    (cause,) = status_of(caught.value)["details"]["causes"]
    assert cause["message"] == "The disruption budget checkout needs 3 healthy pods and has 3 currently"
    assert "Retry-After" not in (caught.value.headers or {})


@pytest.mark.parametrize(
    ("status", "code", "retry_after", "says"),
    [
        ({}, 429, "10", "is still being processed by the server"),
        ({"observedGeneration": 1, "disruptionsAllowed": -1}, 403, None, "disruptions allowed is negative"),
    ],
)
async def test_a_budget_that_is_not_counted_yet_or_counted_wrong(
    status: Object, code: int, retry_after: str | None, says: str
) -> None:
    server = KubernetesApi(controllers=False)
    server.put("pods", {"metadata": {"name": "one", "namespace": "shop", "labels": {"app": "checkout"}}, "spec": {}})
    server.put("poddisruptionbudgets", budget(minAvailable=1))
    running = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    for resource, now in ((PODS, running), (DISRUPTION_BUDGETS, status)):
        (found,) = server.store.all(resource, "shop")
        server.store.update(resource, found, {**found, "status": now}, Writer("test", "status"))
    await server.start()
    try:
        async with client.ApiClient(client.Configuration(host=server.url)) as api:
            with pytest.raises(ApiException) as caught:
                await untyped(client.CoreV1Api(api)).create_namespaced_pod_eviction(
                    "one", "shop", {"metadata": {"name": "one"}}
                )
    finally:
        await server.stop()
    assert caught.value.status == code
    headers: Any = caught.value.headers
    assert headers.get("Retry-After") == retry_after
    assert says in (caught.value.body or "")


async def test_two_budgets_over_one_pod_are_an_error_for_ever(core: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster)
    await guarded(cluster, minAvailable=1)
    cluster.put("poddisruptionbudgets", budget("other", minAvailable=1))
    code, answer = await evict(core, pods(cluster)[0])
    assert code == 500
    assert "more than one PodDisruptionBudget" in answer["message"]


async def test_a_sick_pod_of_an_application_below_its_budget_stays_and_always_allow_lets_it_go(
    core: Untyped, cluster: KubernetesApi
) -> None:
    cluster.health.set("deployments", "shop", "checkout", "never-ready")
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout"))
    await cluster.until(lambda: sum(pod["status"]["phase"] == "Running" for pod in pods(cluster)) == 3)
    await guarded(cluster, 0, minAvailable=2)
    code, _ = await evict(core, pods(cluster)[0])
    assert code == 429
    cluster.put("poddisruptionbudgets", budget("lenient", minAvailable=2, unhealthyPodEvictionPolicy="AlwaysAllow"))
    await client.PolicyV1Api(core.api_client).delete_namespaced_pod_disruption_budget("checkout", "shop")
    code, _ = await evict(core, pods(cluster)[0])
    assert code == 201


async def test_pods_that_run_no_more_or_not_yet_are_not_counted(core: Untyped, cluster: KubernetesApi) -> None:
    cluster.health.set("deployments", "shop", "checkout", "image-error")
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout"))
    await cluster.until(lambda: len(pods(cluster)) == 3)
    await guarded(cluster, 0, minAvailable=3)
    code, _ = await evict(core, pods(cluster)[0])
    assert code == 201


async def test_pods_of_a_daemon_set_have_no_scale_to_take_a_share_of(core: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster, plural="daemonsets")
    cluster.put("poddisruptionbudgets", budget(maxUnavailable=1))
    await cluster.until(lambda: bool(status(cluster).get("conditions")))
    assert status(cluster)["conditions"][0]["reason"] == "SyncFailed"


async def test_a_dry_run_asks_the_budget_and_takes_nothing_from_it(core: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster)
    await guarded(cluster, minAvailable=2)
    for pod in pods(cluster)[:2]:
        code, _ = await evict(core, pod, dry_run="All")
        assert code == 201
    code, _ = await evict(core, pods(cluster)[0], dryRun=["All"])
    assert code == 201
    assert len(pods(cluster)) == 3
    assert status(cluster)["disruptionsAllowed"] == 1


async def test_an_eviction_keeps_to_the_uid_and_version_that_it_names(core: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster)
    pod = pods(cluster)[0]
    for other in ({"uid": "other"}, {"resourceVersion": "1"}):
        code, answer = await evict(core, pod, preconditions=other)
        assert (code, answer["reason"]) == (409, "Conflict")
    code, _ = await evict(core, pod, preconditions={"uid": pod["metadata"]["uid"]})
    assert code == 201


async def test_names_must_agree_and_a_pod_that_is_gone_is_not_found(core: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster)
    name = pods(cluster)[0]["metadata"]["name"]
    with pytest.raises(ApiException) as other:
        await core.create_namespaced_pod_eviction(name, "shop", {"metadata": {"name": "other"}})
    assert other.value.status == 400
    code, answer = await evict(core, {"metadata": {"name": "gone"}})
    assert (code, answer["message"]) == (404, 'pods "gone" not found')
    code, _ = await evict(core, pods(cluster)[0], dry_run="true")
    assert code == 422


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"minAvailable": 1, "maxUnavailable": 1}, "spec"),
        ({"minAvailable": -1}, "spec.minAvailable"),
        ({"maxUnavailable": "120%"}, "spec.maxUnavailable"),
        ({"maxUnavailable": "some"}, "spec.maxUnavailable"),
        ({"minAvailable": 1, "unhealthyPodEvictionPolicy": "Perhaps"}, "spec.unhealthyPodEvictionPolicy"),
    ],
)
async def test_budgets_that_cannot_be_are_invalid(
    core: Untyped, cluster: KubernetesApi, spec: Object, field: str
) -> None:
    cluster.add_namespace("shop")
    with pytest.raises(ApiException) as caught:
        await untyped(client.PolicyV1Api(core.api_client)).create_namespaced_pod_disruption_budget(
            "shop", budget(**spec)
        )
    assert [cause["field"] for cause in status_of(caught.value)["details"]["causes"]] == [field]
