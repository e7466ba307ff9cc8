"""Metrics: those in README, and those that the shipped alert rules use, are those that the program has."""

import re
from typing import Any

import yaml

from remediator.metrics import Metrics
from remediator.playbooks.index import OWN_ALERTS
from tests.docs.markdown import README, ROOT, first_column

RULES: Any = yaml.safe_load((ROOT / "deploy" / "prometheus" / "remediator-alerts.yaml").read_text())
ALERTS = [rule for group in RULES["groups"] for rule in group["rules"]]


def exported() -> set[str]:
    """Every metric of ours as Prometheus shows it, with its labels."""
    collectors: list[Any] = [one for one in Metrics().registry._collector_to_names if hasattr(one, "_labelnames")]
    found = set()
    for collector in collectors:
        [metric] = collector.describe()
        name = metric.name + ("_total" if metric.type == "counter" else "")
        labels = ",".join(collector._labelnames)
        found.add(f"{name}{{{labels}}}" if labels else name)
    return found


def test_the_documented_metrics_are_those_of_the_program_with_their_labels() -> None:
    assert set(first_column(README, "Metrics")) - {"deploy/prometheus/remediator-alerts.yaml"} == exported()


def test_alert_rules_use_only_metrics_and_labels_that_exist() -> None:
    labels = {name.partition("{")[0]: set(re.findall(r"\w+", name.partition("{")[2])) for name in exported()}
    used = set()
    for rule in ALERTS:
        for name, matchers in re.findall(r"(remediator_\w+)(?:\{([^}]*)\})?", rule["expr"]):
            known = re.sub(r"_bucket$", "", name)
            assert known in labels, f"{rule['alert']}: {name} is no metric of remediator's"
            assert set(re.findall(r"(\w+)=", matchers)) <= labels[known], f"{rule['alert']}: {name}{{{matchers}}}"
            used.add(known)
    assert len(used) > 5


def test_alert_rules_have_the_shape_that_prometheus_takes() -> None:
    assert [set(group) for group in RULES["groups"]] == [{"name", "rules"}]
    for rule in ALERTS:
        assert (
            {"alert", "expr", "labels", "annotations"} <= set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        )
        assert rule["labels"]["severity"] in ("critical", "high")
        assert {"summary", "description"} == set(rule["annotations"])
        assert rule["expr"].count("(") == rule["expr"].count(")")
        assert re.fullmatch(r"\d+[smh]", rule.get("for", "5m"))
    names = [rule["alert"] for rule in ALERTS]
    assert len(names) == len(set(names))


def test_alerts_about_remediator_have_names_that_no_playbook_may_match() -> None:
    assert all(rule["alert"].startswith(OWN_ALERTS) for rule in ALERTS)
