"""`remediator permissions --iam`: one policy for one account, and the same needs among the others in the list."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from tests.support.playbooks import document, remedy, write

Invoke = Callable[..., Result]
FILE = """
accounts:
  main: {id: "111122223333", aliases: [prod], regions: [eu-central-1], targets: [acm-certificate/7f*]}
  other: {id: "444455556666", regions: [eu-west-1, eu-north-1], role_arn: "arn:aws:iam::444455556666:role/ops/fixer"}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path) -> None:
    (tmp_path / "playbooks").mkdir()
    steps = remedy(
        name="restore",
        steps=[{"aws.acm_restore_validation": {}}],
        verify={"within": "6h", "hold": "1m", "all": [{"acm_renewed": {}}]},
    )
    target = {"acm_certificate": {"name": "{{ labels.certificate_id }}"}}
    write(tmp_path / "playbooks" / "acm.yaml", document("acm", target=target, remedies=[steps]))
    (tmp_path / "remediator.yaml").write_text(FILE)


def statements(done: Result) -> dict[str, Any]:
    assert done.exit_code == 0, done.output
    return {one["Sid"]: one for one in json.loads(done.stdout)["Statement"]}


def test_a_policy_for_one_account_of_settings(invoke: Invoke) -> None:
    made = statements(invoke("permissions", "--iam", "--account", "prod"))
    assert made["ReadAcmCertificate"]["Resource"] == ["arn:aws:acm:eu-central-1:111122223333:certificate/7f*"]
    change = made["ChangeRoute53Hostedzone"]
    assert change["Action"] == ["route53:ChangeResourceRecordSets"]
    assert change["Condition"]["ForAllValues:StringEquals"] == {
        "route53:ChangeResourceRecordSetsRecordTypes": ["CNAME"]
    }
    assert made["SimulateItself"]["Resource"] == ["arn:aws:iam::111122223333:role/remediator"]


def test_for_reading_nothing_that_changes_is_in_it(invoke: Invoke) -> None:
    made = statements(invoke("permissions", "--iam", "--account", "main", "--read-only", "--role-name", "looker"))
    assert not [sid for sid in made if sid.startswith("Change")] and "ReadAcmCertificate" in made
    assert made["SimulateItself"]["Resource"] == ["arn:aws:iam::111122223333:role/looker"]


def test_an_account_that_settings_do_not_list_counts_as_if_all_of_it_may_be_changed(invoke: Invoke) -> None:
    arguments = ("permissions", "--iam", "--account", "999999999999", "--region", "cn-north-1")
    made = statements(invoke(*arguments))
    assert made["ReadAcmCertificate"]["Resource"] == ["arn:aws-cn:acm:cn-north-1:999999999999:certificate/*"]
    assert made["SimulateItself"]["Resource"] == ["arn:aws-cn:iam::999999999999:role/remediator"]


def test_a_role_to_assume_is_whom_the_policy_is_for(invoke: Invoke) -> None:
    done = invoke("permissions", "--iam", "--account", "other", "--region", "eu-north-1")
    assert statements(done)["SimulateItself"]["Resource"] == ["arn:aws:iam::444455556666:role/ops/fixer"]
    assert "needs sts:AssumeRole on it" in done.stderr


def test_a_list_has_both_worlds(invoke: Invoke, tmp_path: Path) -> None:
    told = invoke("permissions").stdout.splitlines()
    assert (
        "needs acm:DescribeCertificate on arn:aws:acm:eu-central-1:111122223333:certificate/7f* "
        "(account 111122223333, eu-central-1; for playbook acm)"
    ) in told
    (tmp_path / "remediator.yaml").write_text(f"{FILE}\nclusters: {{prod: {{namespaces: [shop]}}}}\n")
    write(tmp_path / "playbooks" / "restart.yaml", document("restart-it"))
    found = json.loads(invoke("permissions", "-o", "json").stdout)
    assert {one.get("cluster") for one in found} == {"prod", None}
    assert {one["writes"] for one in found if one.get("action") == "route53:ChangeResourceRecordSets"} == {True}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--iam",), "choose it by --account; settings list main, other"),
        (("--iam", "--rbac"), "print one at a time"),
        (("--iam", "--account", "gone"), "--region is needed as well; they list: main, other"),
        (("--iam", "--account", "gone", "--region", "eu-west-1"), "twelve digits"),
        (("--iam", "--account", "999999999999", "--region", "europe"), "such as eu-central-1"),
        (("--iam", "--region", "eu-west-1"), "--region goes with --account"),
    ],
)
def test_what_cannot_be_meant_is_refused(invoke: Invoke, arguments: tuple[str, ...], told: str) -> None:
    done = invoke("permissions", *arguments)
    assert (done.exit_code, told in done.stderr) == (2, True), done.stderr


def test_without_an_account_there_is_nothing_to_print(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "remediator.yaml").unlink()
    done = invoke("permissions", "--iam")
    assert done.exit_code == 2 and "give --account and --region" in done.stderr
