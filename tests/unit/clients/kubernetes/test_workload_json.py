from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.clients.kubernetes.workload_json import autoscaler_from, pod_from, selector_of, template_hash
from tests.unit.clients.kubernetes.documents import workload

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def reordered(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: reordered(value[key]) for key in reversed(value)}
    return [reordered(item) for item in value] if isinstance(value, list) else value


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=4))
def test_the_template_hash_does_not_depend_on_the_order_of_keys(template: dict[str, Any]) -> None:
    assert template_hash(template) == template_hash(reordered(template))


def test_the_template_hash_tells_templates_apart() -> None:
    assert template_hash({"a": [1, 2]}) != template_hash({"a": [2, 1]})


def test_what_the_api_leaves_out_has_its_default() -> None:
    read = workload(status={}, spec={"replicas": None, "selector": {}})
    assert (read.replicas, read.total, read.ready, read.paused, read.strategy, read.partition) == (
        1,
        0,
        0,
        False,
        "RollingUpdate",
        0,
    )
    assert read.selector == ""


@pytest.mark.parametrize(
    ("metadata", "owners"),
    [
        ({}, ()),
        ({"labels": {"app.kubernetes.io/instance": "shop"}}, ()),  # everybody sets this one
        (
            {"annotations": {"argocd.argoproj.io/tracking-id": "shop:apps/Deployment:shop/checkout"}},
            ("Argo CD application shop",),
        ),
        ({"labels": {"kustomize.toolkit.fluxcd.io/name": "apps"}}, ("Flux kustomization apps",)),
        ({"annotations": {"meta.helm.sh/release-name": "shop"}}, ("Helm release shop",)),
        ({"ownerReferences": [{"kind": "Kafka", "name": "orders", "uid": "k", "controller": True}]}, ("Kafka orders",)),
        ({"ownerReferences": [{"kind": "Kafka", "name": "orders", "uid": "k"}]}, ()),
        ({"managedFields": [{"manager": "argocd-controller", "operation": "Apply", "fieldsV1": {}}]}, ("Argo CD",)),
        (
            {
                "labels": {"helm.toolkit.fluxcd.io/name": "shop"},
                "managedFields": [{"manager": "helm-controller", "operation": "Update", "fieldsV1": {}}],
            },
            ("Flux helm release shop",),
        ),
    ],
)
def test_who_else_owns_it(metadata: dict[str, Any], owners: tuple[str, ...]) -> None:
    """S13."""
    assert workload(**metadata).owners == owners


def test_the_selector_of_expressions() -> None:
    expressions = [
        {"key": "tier", "operator": "In", "values": ["b", "a"]},
        {"key": "old", "operator": "NotIn", "values": ["yes"]},
        {"key": "app", "operator": "Exists"},
        {"key": "debug", "operator": "DoesNotExist"},
    ]
    assert selector_of({"matchLabels": {"b": "2", "a": "1"}, "matchExpressions": expressions}) == (
        "a=1,b=2,tier in (a,b),old notin (yes),app,!debug"
    )


def test_an_autoscaler_without_a_minimum_has_one() -> None:
    read = autoscaler_from({"metadata": {"name": "checkout", "namespace": "shop"}, "spec": {"maxReplicas": 4}})
    assert (read.min_replicas, read.max_replicas, str(read)) == (1, 4, "HorizontalPodAutoscaler shop/checkout")


def test_a_pod_that_waits_says_why() -> None:
    containers = [
        {"state": {"running": {}}, "restartCount": 1},
        {"state": {"waiting": {"reason": "CrashLoopBackOff"}}, "restartCount": 6},
    ]
    read = pod_from(
        {"metadata": {"name": "p", "uid": "u"}, "status": {"phase": "Running", "containerStatuses": containers}}
    )
    assert (read.waiting, read.restarts, read.ready) == ("CrashLoopBackOff", 7, False)
