"""Events: what is refused, both shapes of one store, and what the cluster tells by itself."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio import client
from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox.kubernetes.resources import EVENTS, Object
from remediator.sandbox.kubernetes.server import KubernetesApi
from remediator.sandbox.timekeeping import Pace
from tests.unit.sandbox.manifests import Untyped, deployed, status_of, untyped


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    server = KubernetesApi(pace=Pace(speed=5))
    server.add_namespace("shop")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def events(api: client.ApiClient) -> Untyped:
    return untyped(client.EventsV1Api(api))


def event(**changes: Any) -> Object:
    return {
        "metadata": {"generateName": "remediator-", "namespace": "shop"},
        "eventTime": "2026-11-25T10:00:00.000001Z",
        "action": "Restart",
        "reason": "Restarted",
        "note": "run 1",
        "type": "Normal",
        "reportingController": "remediator.dev/engine",
        "reportingInstance": "remediator-0",
        "regarding": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout", "namespace": "shop"},
        **changes,
    }


async def test_an_event_is_one_in_both_apis_and_found_by_what_it_regards(
    events: Untyped, core: Untyped, cluster: KubernetesApi
) -> None:
    made = await events.create_namespaced_event("shop", event())
    assert made.metadata.name.startswith("remediator-")
    selector = "involvedObject.kind=Deployment,involvedObject.name=checkout"
    (old,) = (await core.list_namespaced_event("shop", field_selector=selector)).items
    assert (old.metadata.uid, old.message, old.reporting_component) == (
        made.metadata.uid,
        "run 1",
        "remediator.dev/engine",
    )
    (new,) = (await events.list_namespaced_event("shop", field_selector="regarding.name=checkout")).items
    assert new.regarding.name == "checkout"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"eventTime": None}, "eventTime"),
        ({"action": ""}, "action"),
        ({"reason": "r" * 129}, "reason"),
        ({"reportingInstance": "r" * 129}, "reportingInstance"),
        ({"reportingController": "not a name"}, "reportingController"),
        ({"note": "ä" * 600}, "message"),
        ({"type": "Error"}, "type"),
        ({"regarding": {"kind": "Node", "name": "node-1"}}, "involvedObject.namespace"),
        ({"deprecatedCount": 1}, "count"),
    ],
)
async def test_what_is_missing_or_too_long_is_invalid(
    api: client.ApiClient, events: Untyped, changes: Object, field: str
) -> None:
    with pytest.raises(ApiException) as caught:
        await events.create_namespaced_event("shop", event(**changes))
    assert caught.value.status == 422
    assert field in [cause["field"] for cause in status_of(caught.value)["details"]["causes"]]


@pytest.mark.parametrize("at", ["2026-11-25T10:00:00Z", "2026-11-25T10:00:00.001Z", "2026-11-25T10:00:00.000001"])
async def test_the_time_of_an_event_has_six_digits_and_a_zone(events: Untyped, at: str) -> None:
    with pytest.raises(ApiException) as caught:
        await events.create_namespaced_event("shop", event(eventTime=at))
    assert caught.value.status == 400


async def test_the_cluster_tells_what_it_does_and_counts_what_repeats(cluster: KubernetesApi) -> None:
    cluster.health.set("deployments", "shop", "checkout", "crash-loop", on_restart="healthy")
    await deployed(cluster, "well")
    cluster.put(
        "deployments",
        {**cluster.get("deployments", "shop", "well"), "metadata": {"name": "checkout", "namespace": "shop"}},
    )

    def told(kind: str, reason: str) -> list[Object]:
        return [
            found
            for found in cluster.store.all(EVENTS, "shop")
            if (found["involvedObject"]["kind"], found["reason"]) == (kind, reason)
        ]

    await cluster.until(lambda: any(found["count"] > 1 for found in told("Pod", "BackOff")))
    assert told("Pod", "Scheduled")
    assert told("ReplicaSet", "SuccessfulCreate")
    assert told("Deployment", "ScalingReplicaSet")
