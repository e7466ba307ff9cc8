"""The policy for AWS that ships: what the shipped playbooks need, and whom the role trusts."""

import json
from functools import cache
from typing import Any

import yaml
from typer.testing import CliRunner

from remediator.cli.program import app
from tests.docs.markdown import OPERATING, ROOT, section

IAM = ROOT / "deploy" / "iam"
MAKE = "remediator permissions playbooks --iam --account 111122223333 --region eu-central-1"


@cache
def printed(*more: str) -> str:
    arguments = [*MAKE.split()[3:], *more]
    done = CliRunner(env={"REMEDIATOR_CONFIG": ""}).invoke(app, ["permissions", str(ROOT / "playbooks"), *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def statements(text: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(text)["Statement"]
    return found


def test_the_shipped_policy_is_what_the_shipped_playbooks_need() -> None:
    assert (IAM / "policy.json").read_text() == printed(), f"make it anew: {MAKE} > deploy/iam/policy.json"
    assert MAKE in section(OPERATING, "Permissions")


def test_it_is_a_policy_that_iam_would_take() -> None:
    found = statements(printed())
    sids = [one["Sid"] for one in found]
    assert len(set(sids)) == len(sids) and all(sid.isalnum() for sid in sids)
    assert len(json.dumps(json.loads(printed()), separators=(",", ":"))) <= 6144, "more than a managed policy holds"


def test_nothing_may_be_changed_without_a_resource() -> None:
    """And no action is a pattern."""
    for one in statements(printed()):
        assert not [action for action in one["Action"] if "*" in action]
        if one["Sid"].startswith("Change"):
            assert one["Resource"] != "*" and not [arn for arn in one["Resource"] if arn.count("*") == len(arn)], one


def test_for_reading_the_same_without_what_changes() -> None:
    reading = statements(printed("--read-only"))
    assert reading == [one for one in statements(printed()) if not one["Sid"].startswith("Change")]


def test_the_role_trusts_the_account_that_the_pod_runs_as() -> None:
    base = ROOT / "deploy" / "kustomize" / "overlays" / "single" / "rbac.yaml"
    [account] = [one for one in yaml.safe_load_all(base.read_text()) if one["kind"] == "ServiceAccount"]
    named = account["metadata"]
    [statement] = statements((IAM / "trust.json").read_text())
    subjects = [value for key, value in statement["Condition"]["StringEquals"].items() if key.endswith(":sub")]
    assert subjects == [f"system:serviceaccount:{named['namespace']}:{named['name']}"]
