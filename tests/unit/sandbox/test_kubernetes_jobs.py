"""Jobs and CronJobs: pods that run once, and how a Job ends."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio import client
from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox.kubernetes.resources import PODS, Object
from remediator.sandbox.kubernetes.server import KubernetesApi
from remediator.sandbox.timekeeping import Pace
from tests.unit.sandbox.manifests import Untyped, status_of, untyped


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    server = KubernetesApi(pace=Pace(speed=5))
    server.add_namespace("shop")
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def batch(api: client.ApiClient) -> Untyped:
    return untyped(client.BatchV1Api(api))


def job(name: str = "report", behaviour: str | None = None, restart: str = "Never", **spec: Any) -> Object:
    annotations = {"sandbox.remediator.dev/behaviour": behaviour} if behaviour else {}
    pod = {"restartPolicy": restart, "containers": [{"name": "report", "image": "report:1"}]}
    template = {"metadata": {"annotations": annotations}, "spec": pod}
    return {"metadata": {"name": name, "namespace": "shop"}, "spec": {"template": template, **spec}}


def conditions(cluster: KubernetesApi, name: str = "report") -> dict[str, str]:
    status = cluster.get("jobs", "shop", name).get("status", {})
    return {found["type"]: found["reason"] for found in status.get("conditions", [])}


async def test_a_job_runs_a_pod_and_is_complete(batch: Untyped, cluster: KubernetesApi) -> None:
    await batch.create_namespaced_job("shop", job())
    await cluster.until(lambda: cluster.get("jobs", "shop", "report").get("status", {}).get("active") == 1)
    await cluster.until(lambda: "Complete" in conditions(cluster))
    status = cluster.get("jobs", "shop", "report")["status"]
    assert (status["succeeded"], status.get("failed"), status.get("active")) == (1, None, None)
    assert status["completionTime"] >= status["startTime"]
    (pod,) = cluster.store.all(PODS, "shop")
    assert pod["status"]["phase"] == "Succeeded"
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 0
    assert pod["metadata"]["labels"]["batch.kubernetes.io/job-name"] == "report"


async def test_a_job_fails_after_as_many_retries_as_it_may_have(batch: Untyped, cluster: KubernetesApi) -> None:
    await batch.create_namespaced_job("shop", job(behaviour="fail", backoffLimit=1))
    await cluster.until(lambda: "Failed" in conditions(cluster))
    assert conditions(cluster) == {"FailureTarget": "BackoffLimitExceeded", "Failed": "BackoffLimitExceeded"}
    status = cluster.get("jobs", "shop", "report")["status"]
    assert (status["failed"], status.get("completionTime")) == (2, None)
    reasons = {event["reason"] for event in cluster.store.all(cluster.registry.by_plural("events"), "shop")}
    assert {"SuccessfulCreate", "BackoffLimitExceeded"} <= reasons


async def test_restarts_of_containers_count_as_retries(batch: Untyped, cluster: KubernetesApi) -> None:
    await batch.create_namespaced_job("shop", job(behaviour="fail", restart="OnFailure", backoffLimit=0))
    await cluster.until(lambda: "Failed" in conditions(cluster))


async def test_a_deadline_ends_a_job_that_hangs(batch: Untyped, cluster: KubernetesApi) -> None:
    await batch.create_namespaced_job("shop", job(behaviour="never-ready", activeDeadlineSeconds=3))
    await cluster.until(lambda: conditions(cluster).get("Failed") == "DeadlineExceeded")


async def test_as_many_completions_as_asked_for(batch: Untyped, cluster: KubernetesApi) -> None:
    await batch.create_namespaced_job("shop", job(completions=3, parallelism=2))
    await cluster.until(lambda: "Complete" in conditions(cluster))
    assert cluster.get("jobs", "shop", "report")["status"]["succeeded"] == 3


async def test_a_taken_name_is_told_from_other_conflicts(batch: Untyped, cluster: KubernetesApi) -> None:
    await batch.create_namespaced_job("shop", job())
    with pytest.raises(ApiException) as caught:
        await batch.create_namespaced_job("shop", job())
    assert (caught.value.status, status_of(caught.value)["reason"]) == (409, "AlreadyExists")


@pytest.mark.parametrize(
    ("made", "field"),
    [
        (job("n" * 64), "spec.template.labels"),
        (job(restart="Always"), "spec.template.spec.restartPolicy"),
        (job(backoffLimit=-1), "spec.backoffLimit"),
    ],
)
async def test_jobs_that_cannot_be_are_invalid(batch: Untyped, made: Object, field: str) -> None:
    with pytest.raises(ApiException) as caught:
        await batch.create_namespaced_job("shop", made)
    assert caught.value.status == 422
    assert {cause["field"] for cause in status_of(caught.value)["details"]["causes"]} == {field}


async def test_a_suspended_cron_job_can_be_started_by_hand_and_does_not_list_that(
    batch: Untyped, cluster: KubernetesApi
) -> None:
    template = {"spec": job()["spec"]}
    made = {
        "metadata": {"name": "nightly"},
        "spec": {"schedule": "0 2 * * *", "suspend": True, "jobTemplate": template},
    }
    cron_job = await batch.create_namespaced_cron_job("shop", made)
    assert (cron_job.spec.concurrency_policy, cron_job.spec.failed_jobs_history_limit) == ("Allow", 1)
    cluster.health.set("cronjobs", "shop", "nightly", "fail")
    owner = {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "name": "nightly",
        "uid": cron_job.metadata.uid,
        "controller": True,
    }
    by_hand = job("by-hand", backoffLimit=0)
    by_hand["metadata"]["ownerReferences"] = [owner]
    created = await batch.create_namespaced_job("shop", by_hand)
    assert created.metadata.owner_references[0].uid == cron_job.metadata.uid
    await cluster.until(lambda: "Failed" in conditions(cluster, "by-hand"))
    assert cluster.get("cronjobs", "shop", "nightly")["status"] == {}
    reasons = {event["reason"] for event in cluster.store.all(cluster.registry.by_plural("events"), "shop")}
    assert "UnexpectedJob" in reasons
