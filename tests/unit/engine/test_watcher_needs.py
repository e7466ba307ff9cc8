"""What the watcher of certificates asks of settings and clusters: its permissions, its place, its bounds."""

from typing import Any

import pytest
from pydantic import ValidationError

from remediator.decision.facts import Problem
from remediator.engine.needs import needs_of_watcher
from remediator.engine.places import cluster_of
from remediator.engine.rbac import manifests
from remediator.settings import CertificateSettings, Settings

TWO = {"one": {"namespaces": ["shop"]}, "two": {"namespaces": ["pay"], "aliases": ["2"]}}


def told(**watched: Any) -> list[str]:
    settings = Settings.model_validate({"clusters": TWO, "certificates": watched})
    return [str(need) for need in needs_of_watcher(settings.certificates, settings.clusters)]


def test_switched_off_it_needs_nothing() -> None:
    assert told(secrets=True, ingresses=True) == []


def test_it_lists_certificates_and_no_secrets_unless_it_is_told_to() -> None:
    assert told(watch=True) == [
        "needs list on certificates in shop (API group cert-manager.io; cluster one; for the watcher of certificates)",
        "needs list on certificates in pay (API group cert-manager.io; cluster two; for the watcher of certificates)",
    ]
    more = " ".join(told(watch=True, secrets=True, ingresses=True))
    assert more.count("list on secrets") == more.count("list on ingresses") == 2


def test_its_needs_are_printed_as_roles_that_only_read() -> None:
    settings = Settings.model_validate({"clusters": {"one": TWO["one"]}})
    watched = CertificateSettings(watch=True, secrets=True)
    wanted = needs_of_watcher(watched, settings.clusters)
    assert not any(need.to_act for need in wanted)
    [role] = [one for one in manifests(wanted, account="r", namespace="remediator") if one["kind"] == "Role"]
    assert [(rule["resources"], rule["verbs"]) for rule in role["rules"]] == [
        (["secrets"], ["list"]),
        (["certificates"], ["list"]),
    ]


def test_its_alerts_lead_to_the_cluster_that_it_names() -> None:
    settings = Settings.model_validate({"clusters": TWO})
    assert cluster_of(settings, "watcher", {"cluster": "two"}) == "two"
    assert isinstance(cluster_of(settings, "watcher", {"cluster": "three"}), Problem)
    assert isinstance(cluster_of(settings, "drill", {"cluster": "two"}), Problem), (
        "only the watcher writes its own labels"
    )


@pytest.mark.parametrize(
    "bad",
    [
        {"warn_within": "7d", "urgent_within": "7d"},
        {"every": "5m"},
        {"every": "100ms"},
        {"endpoints": [{"host": "a b"}]},
        {"endpoints": [{"host": "a/b"}]},
    ],
)
def test_settings_that_could_not_work_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CertificateSettings.model_validate(bad)
