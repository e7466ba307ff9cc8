"""The emulator answers as the real API server does: one suite over both, request by request, with what is answered written out.

Codes, reasons and causes are compared; texts only where clients read them.
"""

from typing import Any

from tests.support.answers import APPLY, JSON, JSON_PATCH, answered, ask, causes
from tests.support.cluster import MERGE, STRATEGIC, Object, Stage

SELECTOR = {"matchLabels": {"app": "checkout"}}
DEPLOYMENTS = "/apis/apps/v1/namespaces/NAMESPACE/deployments"


async def test_patches(stage: Stage) -> None:
    await stage.workload("checkout")
    await stage.rolled_out("checkout")
    at = "/checkout"
    immutable = "FieldValueInvalid spec.selector"
    await answered(
        stage,
        DEPLOYMENTS,
        [
            ("PATCH", at, {}, JSON, 415, "UnsupportedMediaType", []),
            ("PATCH", at, [{"op": "test", "path": "/spec/replicas", "value": 9}], JSON_PATCH, 422, "Invalid", []),
            ("PATCH", at, {"a": 1}, JSON_PATCH, 400, "BadRequest", []),
            ("PATCH", at, [1], MERGE, 400, "BadRequest", []),
            ("PATCH", at + "?dryRun=true", {}, MERGE, 422, "Invalid", ["FieldValueNotSupported dryRun"]),
            ("PATCH", at + "?force=true", {}, MERGE, 422, "Invalid", ["FieldValueForbidden force"]),
            ("PATCH", at + f"?fieldManager={'m' * 129}", {}, MERGE, 422, "Invalid", ["FieldValueTooLong fieldManager"]),
            ("PATCH", at, {"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 1}}, MERGE, 409, "Conflict", []),
            ("PATCH", at, {"metadata": {"uid": "1"}}, MERGE, 422, "Invalid", ["FieldValueInvalid metadata.uid"]),
            ("PATCH", at, {"metadata": {"name": "other"}}, MERGE, 400, "BadRequest", []),
            ("PATCH", at, {"spec": {"replicas": -1}}, STRATEGIC, 422, "Invalid", ["FieldValueInvalid spec.replicas"]),
            ("PATCH", at, {"spec": {"replicas": "x"}}, STRATEGIC, 422, "Invalid", ["FieldValueInvalid patch"]),
            ("PATCH", at, {"metadata": {"annotations": {"a": 1}}}, MERGE, 422, "Invalid", ["FieldValueInvalid patch"]),
            (
                *("PATCH", at, {"spec": {"selector": {"matchLabels": {"app": "z"}}}}, MERGE, 422, "Invalid"),
                [immutable, "FieldValueInvalid spec.template.metadata.labels"],
            ),
            (
                "PATCH",
                at + "/scale",
                {"spec": {"replicas": -1}},
                MERGE,
                422,
                "Invalid",
                ["FieldValueInvalid spec.replicas"],
            ),
            ("PATCH", "/gone", {}, MERGE, 404, "NotFound", []),
            ("POST", "", {"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "x"}}, JSON, 400, "BadRequest", []),
            ("PATCH", "", {}, MERGE, 405, "MethodNotAllowed", []),
        ],
    )


async def test_server_side_apply(stage: Stage) -> None:
    await stage.workload("checkout")
    await stage.rolled_out("checkout")

    def config(**metadata: Any) -> Object:
        typed = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "checkout", **metadata}}
        return {**typed, "spec": {"replicas": 7}}

    ours = "/checkout?fieldManager=ours"
    await answered(
        stage,
        DEPLOYMENTS,
        [
            ("PATCH", "/checkout", config(), APPLY, 422, "Invalid", ["FieldValueRequired fieldManager"]),
            ("PATCH", ours, config(), APPLY, 409, "Conflict", ["FieldManagerConflict .spec.replicas"]),
            ("PATCH", ours, {**config(), "kind": "StatefulSet"}, APPLY, 400, "BadRequest", []),
            ("PATCH", ours, config(managedFields=[{"manager": "x"}]), APPLY, 400, "BadRequest", []),
            ("PATCH", ours + "&force=true", config(resourceVersion="1"), APPLY, 409, "Conflict", []),
            ("PATCH", ours + "&force=true&dryRun=All", config(), APPLY, 200, "", []),
            ("PATCH", ours + "&force=true", config(), APPLY, 200, "", []),
            ("PATCH", "/checkout?fieldManager=theirs", config(), APPLY, 200, "", []),
        ],
    )
    found = await stage.get("Deployment", "checkout")
    owners = {
        (entry["manager"], entry["operation"])
        for entry in found["metadata"]["managedFields"]
        if "f:replicas" in entry["fieldsV1"].get("f:spec", {})
    }
    assert owners == {("ours", "Apply"), ("theirs", "Apply")}


async def test_deletes_and_evictions(stage: Stage) -> None:
    await stage.workload("checkout", replicas=1)
    await stage.rolled_out("checkout")
    (pod,) = await stage.pods("checkout")
    name = pod["metadata"]["name"]
    eviction: Object = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    evict = f"/{name}/eviction"

    def with_options(**options: Any) -> Object:
        return {**eviction, "deleteOptions": options}

    unsupported = ["FieldValueNotSupported dryRun"]
    await answered(
        stage,
        "/api/v1/namespaces/NAMESPACE/pods",
        [
            ("POST", evict, {**eviction, "metadata": {"name": "z"}}, JSON, 400, "BadRequest", []),
            ("POST", "/gone/eviction", {**eviction, "metadata": {"name": "gone"}}, JSON, 404, "NotFound", []),
            ("POST", evict, with_options(preconditions={"uid": "other"}), JSON, 409, "Conflict", []),
            ("POST", evict, with_options(preconditions={"resourceVersion": "1"}), JSON, 409, "Conflict", []),
            ("POST", evict, with_options(dryRun=["x"]), JSON, 422, "Invalid", unsupported),
            ("POST", evict + "?dryRun=All", with_options(dryRun=["x"]), JSON, 500, "", []),
            ("POST", evict + "?dryRun=All", eviction, JSON, 200, "", []),
            ("POST", evict, with_options(dryRun=["All"]), JSON, 200, "", []),
            ("GET", evict, None, JSON, 405, "MethodNotAllowed", []),
            ("DELETE", f"/{name}", {"preconditions": {"uid": "other"}}, JSON, 409, "Conflict", []),
            (
                "DELETE",
                f"/{name}",
                {"propagationPolicy": "x"},
                JSON,
                422,
                "Invalid",
                ["FieldValueNotSupported propagationPolicy"],
            ),
            ("DELETE", f"/{name}", {"dryRun": ["x"]}, JSON, 422, "Invalid", unsupported),
            ("DELETE", f"/{name}", {"gracePeriodSeconds": "5"}, JSON, 400, "BadRequest", []),
            ("DELETE", f"/{name}", {"dryRun": ["All"]}, JSON, 200, "", []),
            ("DELETE", f"/{name}?dryRun=All", None, JSON, 200, "", []),
            ("GET", f"/{name}/log?previous=true", None, JSON, 400, "BadRequest", []),
            ("GET", f"/{name}/log?container=z", None, JSON, 400, "BadRequest", []),
            ("GET", f"/{name}/log?tailLines=-1", None, JSON, 422, "Invalid", ["FieldValueInvalid tailLines"]),
            ("GET", f"/{name}/exec?command=df", None, JSON, 400, "BadRequest", []),
        ],
    )
    assert "deletionTimestamp" not in (await stage.get("Pod", name))["metadata"]
    code, _ = await ask(
        stage,
        "DELETE",
        f"/api/v1/namespaces/{stage.namespace}/pods/{name}?dryRun=All",
        {"kind": "DeleteOptions", "apiVersion": "v1"},
    )
    assert code == 200
    await stage.gone("Pod", name)  # a body hides the query: this was no dry run


async def test_budgets(stage: Stage) -> None:
    await stage.workload("checkout", replicas=2)
    await stage.rolled_out("checkout")
    at = "/apis/policy/v1/namespaces/NAMESPACE/poddisruptionbudgets"

    def budget(name: str, **spec: Any) -> Object:
        return {"metadata": {"name": name}, "spec": {"selector": SELECTOR, **spec}}

    policy = "FieldValueNotSupported spec.unhealthyPodEvictionPolicy"
    await answered(
        stage,
        at,
        [
            (
                "POST",
                "",
                budget("b", minAvailable=1, maxUnavailable=1),
                JSON,
                422,
                "Invalid",
                ["FieldValueInvalid spec"],
            ),
            ("POST", "", budget("b", minAvailable=-1), JSON, 422, "Invalid", ["FieldValueInvalid spec.minAvailable"]),
            (
                "POST",
                "",
                budget("b", minAvailable="120%"),
                JSON,
                422,
                "Invalid",
                ["FieldValueInvalid spec.minAvailable"],
            ),
            ("POST", "", budget("b", minAvailable=1, unhealthyPodEvictionPolicy="x"), JSON, 422, "Invalid", [policy]),
            ("POST", "", budget("b", maxUnavailable="30%"), JSON, 200, "", []),
        ],
    )
    counted = await stage.until(
        "PodDisruptionBudget",
        "b",
        lambda found: found["status"].get("currentHealthy") == 2 and found["status"]["observedGeneration"],
    )
    status = {key: value for key, value in counted["status"].items() if key != "conditions"}
    expected = {
        "currentHealthy": 2,
        "desiredHealthy": 1,
        "disruptionsAllowed": 1,
        "expectedPods": 2,
        "observedGeneration": 1,
    }
    assert status == expected
    await stage.patch("PodDisruptionBudget", "b", {"spec": {"maxUnavailable": 0}})
    await stage.until("PodDisruptionBudget", "b", lambda found: found["status"]["observedGeneration"] == 2)
    name = (await stage.pods("checkout"))[0]["metadata"]["name"]
    path = f"/api/v1/namespaces/{stage.namespace}/pods/{name}/eviction"
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    for query in ("", "?dryRun=All"):
        code, answer = await ask(stage, "POST", path + query, body)
        assert (code, answer["reason"], causes(answer)) == (429, "TooManyRequests", ["DisruptionBudget"])
        (cause,) = answer["details"]["causes"]
        assert cause["message"] == "The disruption budget b needs 2 healthy pods and has 2 currently"
    await stage.create({"kind": "PodDisruptionBudget", **budget("c", minAvailable=1)})
    code, answer = await ask(stage, "POST", path, body)
    assert (code, answer.get("reason", "")) == (500, "")
    assert "more than one PodDisruptionBudget" in answer["message"]
