"""Tokens and what each may do, in the words of the real server."""

from typing import Any

import pytest
from kubernetes_asyncio import client
from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox import workloads
from remediator.sandbox.kubernetes.server import KubernetesApi
from tests.unit.sandbox.manifests import Untyped, status_of, untyped

ACCOUNT = "system:serviceaccount:shop:remediator"
RULES = [
    ("apps", "deployments", "get", "shop"),
    ("apps", "deployments", "patch", "shop"),
    ("", "nodes", "get", None),
    ("", "pods", "list", None),
    ("", "pods/eviction", "create", "shop"),
]


@pytest.fixture
def apps(cluster: KubernetesApi) -> Untyped:
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout"))
    cluster.put("pods", {"metadata": {"name": "one", "namespace": "shop"}, "spec": {"containers": [{"name": "one"}]}})
    cluster.grant("narrow", RULES, ACCOUNT)
    return untyped(client.AppsV1Api)


def as_(cluster: KubernetesApi, token: str) -> client.ApiClient:
    return client.ApiClient(client.Configuration(host=cluster.url), "Authorization", f"Bearer {token}")


async def refusal(call: Any) -> dict[str, Any]:
    with pytest.raises(ApiException) as caught:
        await call
    return status_of(caught.value)


async def test_a_token_may_do_what_it_was_granted_and_hears_what_it_lacks(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    async with as_(cluster, "narrow") as api:
        mine, core = apps(api), untyped(client.CoreV1Api(api))
        await mine.patch_namespaced_deployment("checkout", "shop", {"metadata": {"labels": {"a": "b"}}})
        await core.read_node("node-1")
        await core.list_pod_for_all_namespaces()
        await core.list_namespaced_pod("shop")
        await core.create_namespaced_pod_eviction("one", "shop", {"metadata": {"name": "one"}}, _preload_content=False)
        found = await refusal(mine.patch_namespaced_deployment_scale("checkout", "shop", {"spec": {"replicas": 1}}))
        assert (found["code"], found["reason"]) == (403, "Forbidden")
        assert found["message"] == (
            f'deployments.apps "checkout" is forbidden: User "{ACCOUNT}" cannot patch resource "deployments/scale" '
            'in API group "apps" in the namespace "shop"'
        )
        found = await refusal(mine.list_namespaced_deployment("shop"))
        assert found["message"] == (
            f'deployments.apps is forbidden: User "{ACCOUNT}" cannot list resource "deployments" '
            'in API group "apps" in the namespace "shop"'
        )
        found = await refusal(core.patch_node("node-1", {"spec": {"unschedulable": True}}))
        assert found["message"].endswith('cannot patch resource "nodes" in API group "" at the cluster scope')
        found = await refusal(mine.read_namespaced_deployment("checkout", "default"))
        assert found["code"] == 403, "what may not be read is not said to be missing"


async def test_an_unknown_token_is_nobody_once_any_was_granted(apps: Untyped, cluster: KubernetesApi) -> None:
    for token in ("other", ""):
        async with as_(cluster, token) as api:
            found = await refusal(apps(api).read_namespaced_deployment("checkout", "shop"))
            assert (found["code"], found["reason"]) == (401, "Unauthorized")


async def test_an_administrator_may_do_everything_that_is_not_denied(apps: Untyped, cluster: KubernetesApi) -> None:
    cluster.grant("admin", None)
    async with as_(cluster, "admin") as api:
        await apps(api).list_deployment_for_all_namespaces()
        cluster.deny("list", "deployments")
        assert (await refusal(apps(api).list_deployment_for_all_namespaces()))["code"] == 403


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        ({"group": "apps", "resource": "deployments", "verb": "patch", "namespace": "shop"}, True),
        ({"group": "apps", "resource": "deployments", "verb": "patch", "namespace": "default"}, False),
        ({"group": "apps", "resource": "deployments", "verb": "patch"}, False),
        (
            {"group": "apps", "resource": "deployments", "subresource": "scale", "verb": "patch", "namespace": "shop"},
            False,
        ),
        ({"resource": "pods", "subresource": "eviction", "verb": "create", "namespace": "shop"}, True),
        ({"resource": "pods", "verb": "list", "namespace": "anywhere"}, True),
    ],
)
async def test_an_access_review_answers_from_the_same_rules(
    apps: Untyped, cluster: KubernetesApi, asked: dict[str, str], allowed: bool
) -> None:
    async with as_(cluster, "narrow") as api:
        review = await untyped(client.AuthorizationV1Api(api)).create_self_subject_access_review(
            {"spec": {"resourceAttributes": asked}}
        )
    assert review.status.allowed is allowed


async def test_a_rules_review_lists_what_holds_in_a_namespace(apps: Untyped, cluster: KubernetesApi) -> None:
    async with as_(cluster, "narrow") as api:
        authorization = untyped(client.AuthorizationV1Api(api))
        here = await authorization.create_self_subject_rules_review({"spec": {"namespace": "shop"}})
        elsewhere = await authorization.create_self_subject_rules_review({"spec": {"namespace": "default"}})
    rules = {(*rule.api_groups, *rule.resources): rule.verbs for rule in here.status.resource_rules}
    assert rules[("apps", "deployments")] == ["get", "patch"]
    assert {(*rule.api_groups, *rule.resources) for rule in elsewhere.status.resource_rules} == {
        ("", "nodes"),
        ("", "pods"),
    }
