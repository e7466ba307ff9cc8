"""Where an alert may lead (S1): its source says, and a label chooses among what is listed at most."""

import pytest

from remediator.decision.facts import Problem
from remediator.engine.places import account_of, cluster_of
from remediator.engine.worlds import Fixed
from remediator.settings import Settings

ACCOUNT, OTHER = "123456789012", "444455556666"
SETTINGS = Settings.model_validate(
    {
        "clusters": {"prod": {"aliases": ["production"]}, "test": {}},
        "accounts": {
            "main": {"id": ACCOUNT, "aliases": ["live"], "regions": ["eu-west-1", "eu-central-1"]},
            "other": {"id": OTHER, "regions": ["us-east-1"]},
        },
        "sources": {
            "fixed": {"cluster": "production", "account": "live", "region": "eu-west-1"},
            "chosen": {
                "cluster": {"label": "cluster", "among": ["prod"]},
                "account": {"label": "account_id", "among": ["main"]},
                "region": {"label": "region", "among": ["eu-west-1", "us-east-1"]},
            },
            "silent": {},
        },
    }
)


def test_a_source_fixes_its_places_whatever_the_labels_say() -> None:
    labels = {"cluster": "test", "account_id": OTHER, "region": "us-east-1"}
    assert cluster_of(SETTINGS, "fixed", labels) == "prod"
    assert account_of(SETTINGS, "fixed", labels) == f"{ACCOUNT}/eu-west-1"


def test_labels_choose_by_any_name_of_what_is_listed() -> None:
    labels = {"cluster": "production", "account_id": ACCOUNT, "region": "eu-west-1"}
    assert cluster_of(SETTINGS, "chosen", labels) == "prod"
    assert account_of(SETTINGS, "chosen", labels) == f"{ACCOUNT}/eu-west-1"
    assert account_of(SETTINGS, "chosen", {**labels, "account_id": "live"}) == f"{ACCOUNT}/eu-west-1"


@pytest.mark.parametrize(
    ("source", "labels", "code"),
    [
        ("chosen", {"account_id": OTHER, "region": "us-east-1"}, "place_not_allowed"),
        ("chosen", {"account_id": ACCOUNT, "region": "eu-central-1"}, "place_not_allowed"),
        # Listed for the source, and no region of this account.
        ("chosen", {"account_id": ACCOUNT, "region": "us-east-1"}, "place_not_allowed"),
        ("chosen", {"account_id": ACCOUNT}, "place_undetermined"),
        ("chosen", {"region": "eu-west-1"}, "place_undetermined"),
        ("silent", {"account_id": ACCOUNT, "region": "eu-west-1"}, "place_undetermined"),
        ("unknown", {}, "place_undetermined"),
        ("manual", {}, "place_undetermined"),
    ],
)
def test_no_label_leads_outside(source: str, labels: dict[str, str], code: str) -> None:
    found = account_of(SETTINGS, source, labels)
    assert isinstance(found, Problem)
    assert found.code == code


def test_a_person_means_the_only_account_and_region_there_is() -> None:
    only = Settings.model_validate({"accounts": {"main": {"id": ACCOUNT, "regions": ["eu-west-1"]}}})
    assert account_of(only, "manual", {}) == f"{ACCOUNT}/eu-west-1"


def test_what_a_label_chooses_is_not_fixed() -> None:
    fixed = Fixed.by(SETTINGS)
    assert fixed["fixed"] == Fixed("prod", f"{ACCOUNT}/eu-west-1")
    assert fixed["chosen"] == Fixed()
