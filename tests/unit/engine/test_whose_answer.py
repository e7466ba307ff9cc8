"""Who is waited for while an alert is looked at: a cluster or an account that is silent must hold up nobody else's alerts."""

from remediator.engine.survey import whose_answer
from remediator.settings import Settings
from tests.support.playbooks import playbook

SETTINGS = Settings.model_validate(
    {
        "clusters": {"prod": {}},
        "accounts": {
            "main": {"id": "111122223333", "regions": ["eu-central-1", "eu-west-1"]},
            "other": {"id": "444455556666", "regions": ["eu-central-1"]},
        },
        "sources": {
            "both": {
                "cluster": "prod",
                "account": "main",
                "region": {"label": "region", "among": ["eu-central-1", "eu-west-1"]},
            },
            "other": {"account": "other", "region": "eu-central-1"},
        },
    }
)
WORKLOAD = playbook("workload")
DATABASE = playbook("database", target={"rds_instance": {"name": "{{ labels.db }}"}})
HERE = {"region": "eu-central-1"}


def test_an_alert_about_a_workload_waits_for_the_cluster_and_one_about_a_database_for_the_account() -> None:
    assert whose_answer(SETTINGS, [WORKLOAD], "both", HERE) == "prod"
    assert whose_answer(SETTINGS, [DATABASE], "both", HERE) == "111122223333/eu-central-1"
    assert whose_answer(SETTINGS, [WORKLOAD, DATABASE], "both", HERE) == "111122223333/eu-central-1 prod"


def test_accounts_and_regions_hold_up_each_other_no_more_than_clusters_do() -> None:
    asked = [
        whose_answer(SETTINGS, [DATABASE], "both", HERE),
        whose_answer(SETTINGS, [DATABASE], "both", {"region": "eu-west-1"}),
        whose_answer(SETTINGS, [DATABASE], "other", {}),
    ]
    assert len(set(asked)) == 3


def test_an_alert_that_leads_nowhere_waits_for_nobody() -> None:
    assert whose_answer(SETTINGS, [WORKLOAD], "other", {}) == ""
    assert whose_answer(SETTINGS, [DATABASE], "both", {"region": "us-east-1"}) == ""
