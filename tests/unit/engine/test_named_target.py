"""From an alert's labels to what they name, before any cluster is asked; and which alerts could be about one target (S26)."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.decision.facts import Problem
from remediator.engine.named_target import NamedTarget, named_target, traces
from remediator.store.columns import names_and_values
from remediator.targets import Target
from tests.support.playbooks import playbook

POD = {"namespace": "{{ labels.namespace }}", "pod": "{{ labels.pod }}"}
CHECKOUT = Target.kubernetes("prod", "shop", "deployment", "checkout")
TARGETS: dict[str, dict[str, Any]] = {
    "of pod": {"workload_of_pod": POD},
    "by name": {"workload": {"namespace": "{{ labels.namespace }}", "name": "{{ labels.deployment }}"}},
    "by either": {"workload": {"namespace": "shop", "name": '{{ label("deployment", "pod") }}'}},
    "in two parts": {"workload": {"namespace": "shop", "name": "{{ labels.deployment }}{{ labels.pod }}"}},
}
NAMES = ("namespace", "deployment", "pod", "exported_pod", "odd")
VALUES = ("shop", "checkout", "checkout-7f9c-x2k4d", "check", "out", "", 'a"b', "\ud800")


def named(target: dict[str, Any], **labels: str) -> NamedTarget | Problem:
    return named_target(playbook(target=target), "prod", labels)


def of_pod(pod: str, namespace: str = "shop", cluster: str = "prod") -> NamedTarget:
    return NamedTarget(cluster, "workload_of_pod", {"namespace": namespace, "pod": pod})


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ({"workload_of_pod": POD}, "kubernetes/prod/shop/pod/checkout-7f9c-x2k4d"),
        ({"pod": POD}, "kubernetes/prod/shop/pod/checkout-7f9c-x2k4d"),
        ({"node": {"name": "{{ labels.node }}"}}, "kubernetes/prod/node/worker-1"),
        ({"namespace": {"name": "{{ labels.namespace }}"}}, "kubernetes/prod/namespace/shop"),
        (
            {"persistent_volume_claim": {"namespace": "shop", "name": "{{ labels.persistentvolumeclaim }}"}},
            "kubernetes/prod/shop/persistentvolumeclaim/data-db-0",
        ),
        (
            {"horizontal_pod_autoscaler": {"namespace": "shop", "name": "{{ labels.horizontalpodautoscaler }}"}},
            "kubernetes/prod/shop/horizontalpodautoscaler/checkout",
        ),
        (
            {"workload": {"kind": "any", "namespace": "shop", "name": "{{ labels.deployment }}"}},
            "kubernetes/prod/shop/any/checkout",
        ),
    ],
)
def test_each_kind_is_named_by_its_labels(target: dict[str, Any], told: str) -> None:
    labels = {
        "namespace": "shop",
        "pod": "checkout-7f9c-x2k4d",
        "node": "worker-1",
        "deployment": "checkout",
        "persistentvolumeclaim": "data-db-0",
        "horizontalpodautoscaler": "checkout",
    }
    found = named(target, **labels)
    assert isinstance(found, NamedTarget)
    assert str(found) == told


@pytest.mark.parametrize(
    ("labels", "code", "said"),
    [
        ({"namespace": "shop"}, "target_undetermined", "pod"),
        ({"namespace": "shop", "pod": ""}, "target_undetermined", "pod"),
        ({"namespace": "shop", "pod": "../secrets/x"}, "target_undetermined", "pod"),
        ({"namespace": "shop", "pod": "a b"}, "target_undetermined", "pod"),
        (
            {"namespace": "monitoring", "pod": "ksm-0", "exported_pod": "checkout-7f9c-x2k4d"},
            "exporters_labels",
            "the alert has exported_pod, so its label pod names the exporter that saw it",
        ),
        (
            {"namespace": "monitoring", "pod": "x-0", "exported_namespace": "shop"},
            "exporters_labels",
            'the playbook must say label("exported_namespace", "namespace")',
        ),
    ],
)
def test_what_names_nothing_or_the_exporter_is_a_denial_that_says_so(
    labels: dict[str, str], code: str, said: str
) -> None:
    found = named({"workload_of_pod": POD}, **labels)
    assert isinstance(found, Problem)
    assert (found.code, found.kind) == (code, "refuse")
    assert said in found.text


def test_a_playbook_that_knows_both_labels_takes_the_sick_objects() -> None:
    both = {
        "namespace": '{{ label("exported_namespace", "namespace") }}',
        "pod": '{{ label("exported_pod", "pod") }}',
    }
    labels = {"namespace": "monitoring", "exported_namespace": "shop", "pod": "ksm-0", "exported_pod": "checkout-1"}
    found = named({"workload_of_pod": both}, **labels)
    assert isinstance(found, NamedTarget)
    assert (found.namespace, found.name) == ("shop", "checkout-1")


@pytest.mark.parametrize(
    ("one", "target", "could"),
    [
        (of_pod("checkout-7d9c5bf6f8-x2k4d"), CHECKOUT, True),
        (of_pod("checkout-7d9c5bf6f8-zz9zz"), CHECKOUT, True),
        (of_pod("checkout-api-7d9c5bf6f8-x2k4d"), CHECKOUT, False),
        (of_pod("checkout-0"), CHECKOUT, False),
        (of_pod("checkout-7d9c5bf6f8-x2k4d", namespace="pay"), CHECKOUT, False),
        (of_pod("checkout-7d9c5bf6f8-x2k4d", cluster="test"), CHECKOUT, False),
        (of_pod("db-10"), Target.kubernetes("prod", "shop", "statefulset", "db"), True),
        (of_pod("db-x2k4d"), Target.kubernetes("prod", "shop", "statefulset", "db"), False),
        (of_pod("logs-x2k4d"), Target.kubernetes("prod", "shop", "daemonset", "logs"), True),
        (of_pod("a.b-7d9c5bf6f8-x2k4d"), Target.kubernetes("prod", "shop", "deployment", "axb"), False),
        (NamedTarget("prod", "node", {"name": "w-1"}), Target.kubernetes("prod", "", "node", "w-1"), True),
        (NamedTarget("prod", "node", {"name": "w-2"}), Target.kubernetes("prod", "", "node", "w-1"), False),
        (NamedTarget("prod", "namespace", {"name": "shop"}), Target.kubernetes("prod", "", "namespace", "shop"), True),
        (
            NamedTarget("prod", "pod", {"namespace": "shop", "pod": "db-0"}),
            Target.kubernetes("prod", "shop", "pod", "db-0", Target.kubernetes("prod", "shop", "statefulset", "db")),
            True,
        ),
    ],
)
def test_whether_an_alert_could_be_about_a_target_is_told_without_the_cluster(
    one: NamedTarget, target: Target, could: bool
) -> None:
    """S26: also of pods that are long gone."""
    assert one.could_be(target) is could


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ({"workload_of_pod": POD}, ('"shop"', '"checkout-')),
        ({"workload": {"namespace": "shop", "name": "{{ labels.deployment }}"}}, ('"checkout"',)),
        ({"workload": {"namespace": "shop", "name": '{{ label("deployment", "app") }}'}}, ('"checkout"',)),
        ({"workload": {"namespace": "shop", "name": "{{ labels.app }}-{{ labels.part }}"}}, ()),
        ({"workload": {"namespace": "{{ labels.ns | lower }}", "name": "checkout"}}, ()),
    ],
)
def test_only_alerts_with_these_texts_in_their_labels_could_name_the_target(
    target: dict[str, Any], expected: tuple[str, ...]
) -> None:
    assert sorted(traces(playbook(target=target), CHECKOUT)) == sorted(expected)


@given(st.sampled_from(sorted(TARGETS)), st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES)))
def test_every_alert_that_could_be_about_the_target_has_the_texts(kind: str, labels: dict[str, str]) -> None:
    """The store is asked for these texts: what it does not show would be taken for resolved (S26)."""
    of = playbook(target=TARGETS[kind])
    found = named_target(of, "prod", labels)
    if isinstance(found, NamedTarget) and found.could_be(CHECKOUT):
        assert all(text in names_and_values(labels) for text in traces(of, CHECKOUT))


PLACE = "123456789012/eu-west-1"
CERTIFICATE = "0b7a5b1e-0000-4000-8000-000000000000"


@pytest.mark.parametrize(
    ("target", "told"),
    [
        ({"rds_instance": {"name": "{{ labels.name }}"}}, "rds-instance/orders"),
        ({"ecs_service": {"cluster": "main", "name": "{{ labels.name }}"}}, "ecs-service/main/orders"),
        (
            {"route53_record": {"zone": "Example.org.", "name": "WWW.example.org.", "type": "A"}},
            "route53-record/example.org/www.example.org:A",
        ),
        (
            {"acm_certificate": {"name": f"arn:aws:acm:eu-west-1:123456789012:certificate/{CERTIFICATE}"}},
            f"acm-certificate/{CERTIFICATE}",
        ),
        ({"acm_certificate": {"name": CERTIFICATE}}, f"acm-certificate/{CERTIFICATE}"),
    ],
)
def test_what_is_at_aws_is_named_within_its_account_and_region(target: dict[str, Any], told: str) -> None:
    found = named_target(playbook(target=target), PLACE, {"name": "orders"})
    assert isinstance(found, NamedTarget)
    assert str(found.sketch()) == f"aws/{PLACE}/{told}"
    sketch = found.sketch()
    assert isinstance(sketch, Target)
    assert found.could_be(sketch)
    elsewhere = Target.aws("444455556666", sketch.region, sketch.kind, sketch.name, sketch.within)
    assert not found.could_be(elsewhere)


@pytest.mark.parametrize("place", ["444455556666:eu-west-1", "123456789012:us-east-1"])
def test_a_certificate_of_another_place_is_none_of_this_one(place: str) -> None:
    account, _, region = place.partition(":")
    name = f"arn:aws:acm:{region}:{account}:certificate/{CERTIFICATE}"
    found = named_target(playbook(target={"acm_certificate": {"name": name}}), PLACE, {})
    problem = found if isinstance(found, Problem) else found.sketch()
    assert isinstance(problem, Problem)
    assert problem.code == "target_undetermined"
