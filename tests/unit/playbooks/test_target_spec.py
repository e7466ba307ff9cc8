import pytest
from pydantic import ValidationError

from remediator.playbooks.target_spec import RenderedTarget, TargetSpec, TargetUndeterminedError, kubernetes_name

WORKLOAD = {
    "workload": {
        "namespace": '{{ label("exported_namespace", "namespace") }}',
        "name": "{{ labels.deployment }}-{{ vars.color }}",
    }
}


def test_a_target_is_filled_from_labels_and_variables() -> None:
    spec = TargetSpec.model_validate(WORKLOAD)
    assert spec.render({"namespace": "shop", "deployment": "web"}, {"color": "blue"}) == RenderedTarget(
        "workload", {"kind": "any", "namespace": "shop", "name": "web-blue"}
    )
    assert spec.type == "workload"
    assert spec.label_names == {"exported_namespace", "namespace", "deployment"}
    assert spec.variable_names == {"color"}


@pytest.mark.parametrize(
    "labels",
    [
        {"namespace": "shop"},
        {"namespace": "shop", "deployment": ""},
        {"namespace": "shop/../kube-system", "deployment": "web"},
        {"namespace": "shop", "deployment": "web\n"},
        {"namespace": "Shop", "deployment": "web"},
        {"namespace": "a.b", "deployment": "web"},
        {"namespace": "x" * 64, "deployment": "web"},
        {"namespace": "shop", "deployment": "{{ labels.namespace }}"},
        {"namespace": "shop", "deployment": "-web"},
        {"namespace": "shop", "deployment": "wéb"},
    ],
)
def test_a_missing_or_impossible_name_determines_nothing(labels: dict[str, str]) -> None:
    with pytest.raises(TargetUndeterminedError):
        TargetSpec.model_validate(WORKLOAD).render(labels, {"color": "blue"})


@pytest.mark.parametrize(
    "target",
    [
        {},
        {"workload": None},
        {"workload": {"namespace": "a", "name": "b"}, "node": {"name": "c"}},
        {"workload": {"namespace": "a", "name": "b", "kind": "pod"}},
        {"workload": {"namespace": "a"}},
        {"workload": {"namespace": "{{ annotations.a }}", "name": "b"}},
        {"cluster": {"name": "a"}},
    ],
)
def test_a_target_has_exactly_one_known_kind(target: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        TargetSpec.model_validate(target)


def test_names_of_other_clouds_cannot_hold_what_no_name_holds() -> None:
    spec = TargetSpec.model_validate({"rds_instance": {"name": "{{ labels.db }}"}})
    assert spec.render({"db": "orders-1"}, {}).fields == {"name": "orders-1"}
    for hostile in ("a b\n", "a;b", "", "$(x)", "a" * 300):
        with pytest.raises(TargetUndeterminedError):
            spec.render({"db": hostile}, {})


@pytest.mark.parametrize(
    ("value", "what", "valid"),
    [
        ("shop", "namespace", True),
        ("a" * 63, "namespace", True),
        ("a" * 64, "namespace", False),
        ("a.b", "namespace", False),
        ("web.v1", "name", True),
        ("a" * 253, "name", True),
        ("a" * 254, "name", False),
        ("a..b", "name", False),
        ("", "name", False),
        ("web\n", "name", False),
    ],
)
def test_kubernetes_names_follow_rfc_1123(value: str, what: str, valid: bool) -> None:
    if valid:
        assert kubernetes_name(value, what) == value
    else:
        with pytest.raises(TargetUndeterminedError, match=what):
            kubernetes_name(value, what)
