"""The emulator answers as the real API server does, kind by kind, and for lists and watches."""

import json
from typing import Any

import aiohttp
import pytest

from tests.support.answers import JSON, Row, answered, ask, causes
from tests.support.cluster import MERGE, Object, RefusedError, Stage

TEMPLATE = {"spec": {"restartPolicy": "Never", "containers": [{"name": "a", "image": "a"}]}}
EVENT = {
    "metadata": {"name": "e"},
    "eventTime": "2026-11-25T10:00:00.000001Z",
    "action": "Restart",
    "reason": "Restarted",
    "note": "text",
    "type": "Normal",
    "reportingController": "remediator.dev/engine",
    "reportingInstance": "one",
    "regarding": {"kind": "Deployment", "name": "checkout", "namespace": "NAMESPACE"},
}


async def test_jobs(stage: Stage) -> None:
    def job(name: str = "report", **spec: Any) -> Object:
        return {"metadata": {"name": name}, "spec": {"template": TEMPLATE, **spec}}

    always = {"spec": {**TEMPLATE["spec"], "restartPolicy": "Always"}}
    required = ["FieldValueRequired spec.template.spec.restartPolicy"]
    await answered(
        stage,
        "/apis/batch/v1/namespaces/NAMESPACE/jobs",
        [
            ("POST", "", job("n" * 64), JSON, 422, "Invalid", ["FieldValueInvalid spec.template.labels"]),
            ("POST", "", job(template=always), JSON, 422, "Invalid", required),
            ("POST", "", job(backoffLimit=-1), JSON, 422, "Invalid", ["FieldValueInvalid spec.backoffLimit"]),
            ("POST", "", job(), JSON, 200, "", []),
            ("POST", "", job(), JSON, 409, "AlreadyExists", []),
            (
                "PATCH",
                "/report",
                {"spec": {"completions": 5}},
                MERGE,
                422,
                "Invalid",
                ["FieldValueInvalid spec.completions"],
            ),
        ],
    )
    done = await stage.until("Job", "report", lambda found: "completionTime" in found["status"])
    assert [one["type"] for one in done["status"]["conditions"]] == ["SuccessCriteriaMet", "Complete"]
    assert (done["status"]["succeeded"], done["status"].get("active"), done["status"].get("failed")) == (1, None, None)
    _, deleted = await ask(stage, "DELETE", f"/apis/batch/v1/namespaces/{stage.namespace}/jobs/report")
    assert deleted["metadata"]["finalizers"] == ["orphan"]
    await stage.gone("Job", "report")
    assert len(await stage.list("Pod")) == 1, "whoever names no policy leaves the pods behind"


async def test_events(stage: Stage) -> None:
    at = "/apis/events.k8s.io/v1/namespaces/NAMESPACE/events"

    def refused(field: str, reason: str = "FieldValueInvalid", **changes: Any) -> Row:
        return "POST", "", {**EVENT, **changes}, JSON, 422, "Invalid", [f"{reason} {field}"]

    await answered(
        stage,
        at,
        [
            ("POST", "", {**EVENT, "eventTime": "2026-11-25T10:00:00.001Z"}, JSON, 400, "BadRequest", []),
            ("POST", "", {**EVENT, "eventTime": "2026-11-25T10:00:00Z"}, JSON, 400, "BadRequest", []),
            refused("eventTime", "FieldValueRequired", eventTime=None),
            refused("action", "FieldValueRequired", action=""),
            refused("message", note="x" * 1025),
            refused("reportingController", reportingController="not a name"),
            refused("type", type="Error"),
            refused("involvedObject.namespace", regarding={"kind": "Node", "name": "n"}),
            ("POST", "", EVENT, JSON, 200, "", []),
            ("GET", "?fieldSelector=regarding.name%3Dcheckout", None, JSON, 200, "", []),
            ("GET", "?fieldSelector=involvedObject.name%3Dcheckout", None, JSON, 400, "BadRequest", []),
        ],
    )
    old = await stage.request(
        "GET", f"/api/v1/namespaces/{stage.namespace}/events?fieldSelector=involvedObject.name%3Dcheckout"
    )
    assert [one["message"] for one in old["items"]] == ["text"]


async def test_autoscalers_claims_and_sets(stage: Stage) -> None:
    def autoscaler(least: Any, most: int) -> Object:
        reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
        return {
            "metadata": {"name": "h"},
            "spec": {"scaleTargetRef": reference, "minReplicas": least, "maxReplicas": most},
        }

    most = "spec.maxReplicas"
    await answered(
        stage,
        "/apis/autoscaling/v2/namespaces/NAMESPACE/horizontalpodautoscalers",
        [
            ("POST", "", autoscaler(4, 3), JSON, 422, "Invalid", [f"FieldValueInvalid {most}"]),
            (
                "POST",
                "",
                autoscaler(1, 0),
                JSON,
                422,
                "Invalid",
                [f"FieldValueInvalid {most}", f"FieldValueRequired {most}"],
            ),
            ("POST", "", autoscaler("1", 3), JSON, 400, "BadRequest", []),
        ],
    )
    sizes = {"requests": {"storage": "1Gi"}}
    claim = {"accessModes": ["ReadWriteOnce"], "storageClassName": "none", "resources": sizes}
    larger = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    missing = ["FieldValueRequired spec.accessModes", "FieldValueRequired spec.resources[storage]"]
    await answered(
        stage,
        "/api/v1/namespaces/NAMESPACE/persistentvolumeclaims",
        [
            ("POST", "", {"metadata": {"name": "c"}, "spec": {}}, JSON, 422, "Invalid", missing),
            ("POST", "", {"metadata": {"name": "c"}, "spec": claim}, JSON, 200, "", []),
            ("PATCH", "/c", larger, MERGE, 422, "Invalid", ["FieldValueForbidden spec"]),
        ],
    )
    await stage.workload("set", kind="StatefulSet", replicas=1)
    code, answer = await ask(
        stage,
        "PATCH",
        f"/apis/apps/v1/namespaces/{stage.namespace}/statefulsets/set",
        {"spec": {"serviceName": "z"}},
        MERGE,
    )
    assert (code, causes(answer)) == (422, ["FieldValueForbidden spec"])


async def test_lists_and_watches(stage: Stage) -> None:
    await stage.create({"kind": "ConfigMap", "metadata": {"name": "one"}})
    at = "/api/v1/namespaces/NAMESPACE/configmaps"
    await answered(
        stage,
        at,
        [
            ("GET", "?labelSelector=a!!b", None, JSON, 400, "BadRequest", []),
            ("GET", "?fieldSelector=spec.nope%3D1", None, JSON, 400, "BadRequest", []),
            ("GET", "?limit=x", None, JSON, 400, "BadRequest", []),
            ("GET", "?limit=1&continue=nonsense", None, JSON, 400, "BadRequest", []),
        ],
    )
    path = at.replace("NAMESPACE", stage.namespace)
    version = (await stage.request("GET", path))["metadata"]["resourceVersion"]
    await stage.create({"kind": "ConfigMap", "metadata": {"name": "two"}})
    await stage.patch("ConfigMap", "two", {"data": {"a": "b"}})
    await stage.delete("ConfigMap", "two")
    told = await watched(
        stage, f"{path}?watch=1&resourceVersion={version}&timeoutSeconds=1&fieldSelector=metadata.name%3Dtwo"
    )
    assert [one["type"] for one in told] == ["ADDED", "MODIFIED", "DELETED"]
    versions = [int(one["object"]["metadata"]["resourceVersion"]) for one in told]
    assert versions == sorted(set(versions)), "a deletion has a version of its own"


async def watched(stage: Stage, path: str) -> list[Object]:
    session = stage._session  # `request` reads one object
    assert session is not None
    async with session.get(path, timeout=aiohttp.ClientTimeout(total=10)) as answer:
        return [json.loads(line) async for line in answer.content]


async def test_what_is_not_served_is_said_in_plain_text(stage: Stage) -> None:
    with pytest.raises(RefusedError) as refused:
        await stage.request("GET", "/apis/nobody.example.net/v1/things")
    assert (refused.value.status, refused.value.answer) == (404, {"message": "404 page not found\n"})
