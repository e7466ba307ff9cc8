"""What playbooks need of AWS, and the policy that grants just that: the same text every time."""

from typing import Any

import pytest

from remediator.clients.permissions import IamPermission
from remediator.engine.iam_needs import IamNeed, iam_needs
from remediator.engine.iam_policy import policy
from remediator.engine.needs import needs
from remediator.settings import AwsAccount, Cluster
from tests.support.playbooks import playbook, remedy

CERTIFICATE = {"acm_certificate": {"name": "{{ labels.certificate_id }}"}}
RESTORE = remedy(
    name="restore",
    steps=[{"aws.acm_restore_validation": {}}],
    verify={"within": "6h", "hold": "1m", "all": [{"acm_renewed": {}}]},
)
ZONE = "arn:aws:route53:::hostedzone/*"


def account(*targets: str, **more: Any) -> AwsAccount:
    return AwsAccount(**{"id": "111122223333", "regions": ("eu-central-1",), "targets": targets, **more})


def restoring(**more: Any) -> Any:
    made = {"target": CERTIFICATE, "match": [['alertname="A"', 'certificate_id!=""']], "remedies": [RESTORE], **more}
    return playbook("certificate-renew-acm", **made)


def told(accounts: dict[str, AwsAccount], *playbooks: Any) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in iam_needs(playbooks, accounts):
        found.setdefault(one.permission.action, []).append(one.resource)
    return found


def test_a_label_may_name_what_settings_let_be_changed_and_nothing_else() -> None:
    found = told({"main": account("acm-certificate/12*", "rds-instance/orders")}, restoring())
    assert found["acm:DescribeCertificate"] == ["arn:aws:acm:eu-central-1:111122223333:certificate/12*"]
    assert found["route53:ChangeResourceRecordSets"] == [ZONE]
    assert told({"main": account("rds-instance/orders")}, restoring()) == {}


def test_a_name_that_the_playbook_fixes_is_the_only_one_if_settings_let_it_be_changed() -> None:
    fixed = restoring(target={"acm_certificate": {"name": "{{ vars.id }}"}}, vars={"id": "1234"})
    arn = "arn:aws:acm:eu-central-1:111122223333:certificate/1234"
    assert told({"main": account("acm-certificate/*")}, fixed)["acm:DescribeCertificate"] == [arn]
    assert told({"main": account("acm-certificate/5*")}, fixed) == {}


def test_each_account_and_region_that_the_playbook_may_be_used_in() -> None:
    accounts = {
        "main": account("*/*", regions=("eu-central-1", "us-gov-west-1")),
        "test": account("*/*", id="444455556666", aliases=("staging",)),
    }
    everywhere = {(one.account, one.region) for one in iam_needs([restoring()], accounts)}
    assert everywhere == {
        ("111122223333", "eu-central-1"),
        ("111122223333", "us-gov-west-1"),
        ("444455556666", "eu-central-1"),
    }
    only = iam_needs([restoring(only={"account": ["staging"]})], accounts)
    assert {one.account for one in only} == {"444455556666"}
    only = iam_needs([restoring(only={"region": ["us-gov-west-1"]})], accounts)
    assert {one.resource.split(":")[1] for one in only if one.resource != "*"} == {"aws-us-gov"}


def test_a_playbook_about_kubernetes_needs_nothing_of_an_account() -> None:
    assert told({"main": account("*/*")}, playbook()) == {}


def test_a_need_names_the_action_the_resource_and_the_playbook() -> None:
    [need] = [
        one
        for one in iam_needs([restoring()], {"main": account("*/*")})
        if one.permission.action == "route53:GetChange"
    ]
    assert str(need) == (
        "needs route53:GetChange on arn:aws:route53:::change/* (account 111122223333, eu-central-1; "
        "for playbook certificate-renew-acm)"
    )


def test_a_secret_that_is_imported_is_read_in_its_own_namespace_only() -> None:
    steps = [{"aws.acm_reimport": {"namespace": "shop", "secret": "tls"}}]
    anew = remedy(name="anew", steps=steps, verify={"within": "1h", "hold": "1m", "all": [{"acm_renewed": {}}]})
    found = needs([restoring(remedies=[anew])], {"prod": Cluster(namespaces=("shop", "pay"))})
    assert [(one.namespace, one.permission.verb, one.permission.resource) for one in found] == [
        ("shop", "get", "secrets")
    ]


REBOOT = IamPermission("rds:RebootDBInstance", "arn:{partition}:rds:{region}:{account}:db:{name}", writes=True)
STOP = IamPermission("rds:StopDBInstance", REBOOT.resource, writes=True)
DESCRIBE = IamPermission("rds:DescribeDBInstances", REBOOT.resource)
EVENTS = IamPermission("rds:DescribeEvents")
CHANGE = IamPermission("route53:ChangeResourceRecordSets", ZONE, writes=True, conditions=(("Op", "key", "CNAME"),))


def need(permission: IamPermission, name: str = "orders", region: str = "eu-central-1") -> IamNeed:
    on = permission.on(partition="aws", account="111122223333", region=region, name=name)
    return IamNeed("111122223333", region, permission, on, ("a",))


def test_what_is_alike_is_one_statement_and_writing_stands_apart() -> None:
    made = policy([need(REBOOT), need(STOP), need(DESCRIBE), need(DESCRIBE, "stock"), need(EVENTS)])
    arn = "arn:aws:rds:eu-central-1:111122223333:db:"
    assert made == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "ReadRdsAll",
                "Effect": "Allow",
                "Action": ["rds:DescribeEvents"],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:RequestedRegion": ["eu-central-1"]}},
            },
            {
                "Sid": "ReadRdsDb",
                "Effect": "Allow",
                "Action": ["rds:DescribeDBInstances"],
                "Resource": [f"{arn}orders", f"{arn}stock"],
            },
            {
                "Sid": "ChangeRdsDb",
                "Effect": "Allow",
                "Action": ["rds:RebootDBInstance", "rds:StopDBInstance"],
                "Resource": [f"{arn}orders"],
            },
        ],
    }


def test_the_same_needs_give_the_same_text() -> None:
    needs = [need(REBOOT), need(CHANGE), need(DESCRIBE), need(EVENTS), need(EVENTS, region="eu-west-1")]
    assert policy(needs) == policy(reversed(needs))


def test_what_a_permission_asks_besides_is_asked_for_that_one_alone() -> None:
    more = IamPermission("route53:ChangeResourceRecordSets", ZONE, writes=True)
    made = policy([need(CHANGE), need(more)])["Statement"]
    assert [one.get("Condition") for one in made] == [None, {"Op": {"key": ["CNAME"]}}]
    assert [one["Sid"] for one in made] == ["ChangeRoute53Hostedzone", "ChangeRoute53Hostedzone2"]


def test_a_region_is_asked_for_where_a_resource_cannot_be_and_the_service_has_regions() -> None:
    zones = IamPermission("route53:ListHostedZones")
    made = {
        one["Sid"]: one for one in policy([need(EVENTS), need(EVENTS, region="eu-west-1"), need(zones)])["Statement"]
    }
    assert made["ReadRdsAll"]["Condition"]["StringEquals"]["aws:RequestedRegion"] == ["eu-central-1", "eu-west-1"]
    assert "Condition" not in made["ReadRoute53All"]


def test_the_role_may_ask_about_itself() -> None:
    role = "arn:aws:iam::111122223333:role/remediator"
    assert policy([], simulate=role)["Statement"] == [
        {
            "Sid": "SimulateItself",
            "Effect": "Allow",
            "Action": ["iam:GetRole", "iam:SimulatePrincipalPolicy"],
            "Resource": [role],
        }
    ]


@pytest.mark.parametrize(
    "resource",
    ["*", "arn:{partition}:s3:::{name}", "arn:{partition}:eks:{region}:{account}:nodegroup/{within}/{name}/*"],
)
def test_every_sid_is_letters_and_digits(resource: str) -> None:
    [statement] = policy([need(IamPermission("arc-zonal-shift:ListZonalShifts", resource))])["Statement"]
    assert statement["Sid"].isalnum() and statement["Sid"].startswith("ReadArcZonalShift")
