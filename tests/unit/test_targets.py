"""Names of targets, and what a run on one of them locks (S17)."""

import pytest

from remediator.targets import InvalidTargetError, Target

DB = Target.kubernetes("prod", "shop", "statefulset", "db")
POD = Target.kubernetes("prod", "shop", "pod", "db-0", DB)
CLAIM = Target.kubernetes("prod", "shop", "persistentvolumeclaim", "data-db-0", DB)
AUTOSCALER = Target.kubernetes("prod", "shop", "horizontalpodautoscaler", "db", DB)
BARE = Target.kubernetes("prod", "shop", "pod", "alone")
NODE = Target.kubernetes("prod", "whatever", "node", "worker-1")
NAMESPACE = Target.kubernetes("prod", "", "namespace", "shop")

SPELLED = {
    "kubernetes/prod/shop/statefulset/db": DB,
    "kubernetes/prod/shop/statefulset/db/pod/db-0": POD,
    "kubernetes/prod/shop/statefulset/db/persistentvolumeclaim/data-db-0": CLAIM,
    "kubernetes/prod/shop/statefulset/db/horizontalpodautoscaler/db": AUTOSCALER,
    "kubernetes/prod/shop/pod/alone": BARE,
    "kubernetes/prod/node/worker-1": NODE,
    "kubernetes/prod/namespace/shop": NAMESPACE,
}


@pytest.mark.parametrize(("text", "target"), SPELLED.items())
def test_a_target_has_one_spelling(text: str, target: Target) -> None:
    assert str(target) == text
    assert Target.parse(text) == target


@pytest.mark.parametrize(
    "text",
    [
        "",
        "shop/deployment/checkout",
        "kubernetes/prod/node/",
        "kubernetes/prod/shop/deployment/",
        "kubernetes/prod/shop/deployment/Check out",
        "kubernetes/prod/shop/../secrets",
        "kubernetes/prod/shop/statefulset/db/pod/x/y",
        "kubernetes/prod/deployment/checkout",
        "aws/eu-west-1/rds/x",
    ],
)
def test_other_spellings_are_none(text: str) -> None:
    with pytest.raises(InvalidTargetError):
        Target.parse(text)


@pytest.mark.parametrize(
    ("target", "exclusive", "shared"),
    [
        (DB, ["kubernetes/prod/shop/statefulset/db"], ["kubernetes/prod", "kubernetes/prod/shop"]),
        (
            POD,
            ["kubernetes/prod/shop/statefulset/db/pod/db-0"],
            ["kubernetes/prod", "kubernetes/prod/shop", "kubernetes/prod/shop/statefulset/db"],
        ),
        (
            CLAIM,
            ["kubernetes/prod/shop/statefulset/db/persistentvolumeclaim/data-db-0"],
            ["kubernetes/prod", "kubernetes/prod/shop", "kubernetes/prod/shop/statefulset/db"],
        ),
        (
            AUTOSCALER,
            ["kubernetes/prod/shop/statefulset/db/horizontalpodautoscaler/db"],
            ["kubernetes/prod", "kubernetes/prod/shop", "kubernetes/prod/shop/statefulset/db"],
        ),
        (BARE, ["kubernetes/prod/shop/pod/alone"], ["kubernetes/prod", "kubernetes/prod/shop"]),
        (NODE, ["kubernetes/prod#node", "kubernetes/prod/node/worker-1"], ["kubernetes/prod"]),
        (NAMESPACE, ["kubernetes/prod/shop"], ["kubernetes/prod"]),
    ],
)
def test_a_run_takes_its_target_alone_and_everything_above_it_shared(
    target: Target, exclusive: list[str], shared: list[str]
) -> None:
    taken = target.scopes()
    assert sorted(map(str, taken["exclusive"])) == exclusive
    assert sorted(map(str, taken["shared"])) == shared


def test_pods_are_counted_on_their_workload_and_everything_else_on_itself() -> None:
    """A new pod has a new name, and would have no past (S9)."""
    assert POD.counted == str(DB)
    assert [one.counted for one in (DB, CLAIM, AUTOSCALER, BARE, NODE, NAMESPACE)] == [
        str(one) for one in (DB, CLAIM, AUTOSCALER, BARE, NODE, NAMESPACE)
    ]


def test_what_belongs_to_a_workload_says_so() -> None:
    assert [one.workload for one in (DB, POD, CLAIM, AUTOSCALER)] == [DB] * 4
    assert [one.workload for one in (BARE, NODE, NAMESPACE)] == [None] * 3


ACCOUNT = "123456789012"
AT_AWS = {
    f"aws/{ACCOUNT}/eu-west-1/rds-instance/orders": Target.aws(ACCOUNT, "eu-west-1", "rds-instance", "Orders"),
    f"aws/{ACCOUNT}/eu-west-1/ecs-service/main/checkout": Target.aws(
        ACCOUNT, "eu-west-1", "ecs-service", "checkout", "main"
    ),
    f"aws/{ACCOUNT}/us-gov-west-1/eks-nodegroup/Prod/blue": Target.aws(
        ACCOUNT, "us-gov-west-1", "eks-nodegroup", "blue", "Prod"
    ),
    f"aws/{ACCOUNT}/us-east-1/route53-record/example.org/www.example.org:A": Target.aws(
        ACCOUNT, "us-east-1", "route53-record", "WWW.example.org:A", "Example.org"
    ),
}


@pytest.mark.parametrize(("text", "target"), AT_AWS.items())
def test_a_target_at_aws_has_one_spelling(text: str, target: Target) -> None:
    assert str(target) == text
    assert Target.parse(text) == target


@pytest.mark.parametrize(
    ("account", "region", "kind", "name", "within"),
    [
        ("12345678901", "eu-west-1", "rds-instance", "orders", ""),
        (ACCOUNT, "eu-west", "rds-instance", "orders", ""),
        (ACCOUNT, "eu-west-1", "deployment", "orders", ""),
        (ACCOUNT, "eu-west-1", "rds-instance", "", ""),
        (ACCOUNT, "eu-west-1", "rds-instance", "orders/../x", ""),
        (ACCOUNT, "eu-west-1", "rds-instance", "orders\n", ""),
        (ACCOUNT, "eu-west-1", "rds-instance", f"arn:aws:rds:eu-west-1:{ACCOUNT}:db:orders", ""),
        (ACCOUNT, "eu-west-1", "rds-cluster", "shop--1", ""),
        (ACCOUNT, "eu-west-1", "elasticache-group", "sessions*", ""),
        (ACCOUNT, "eu-west-1", "rds-instance", "orders", "main"),
        (ACCOUNT, "eu-west-1", "ecs-service", "checkout", ""),
        (ACCOUNT, "eu-west-1", "ecs-service", "checkout", "a/b"),
        (ACCOUNT, "eu-west-1", "ecs-service", "check.out", "main"),
        (ACCOUNT, "eu-west-1", "ecs-service", "checkout", "ma*n"),
        (ACCOUNT, "eu-west-1", "eks-nodegroup", "*", "prod"),
        (ACCOUNT, "eu-west-1", "ec2-instance", "i-0123456789ABCDEF0", ""),
        (ACCOUNT, "eu-west-1", "ec2-instance", "mi-0123456789abcdef0", ""),
        (ACCOUNT, "eu-west-1", "asg", "web*", ""),
        (ACCOUNT, "eu-west-1", "asg", "x" * 300, ""),
    ],
)
def test_what_cannot_be_at_aws_is_refused(account: str, region: str, kind: str, name: str, within: str) -> None:
    with pytest.raises(InvalidTargetError):
        Target.aws(account, region, kind, name, within)


def test_at_aws_a_thing_is_locked_beside_its_region_and_account() -> None:
    locked = Target.aws(ACCOUNT, "eu-west-1", "rds-instance", "orders").scopes()
    assert [str(one) for one in locked["exclusive"]] == [f"aws/{ACCOUNT}/eu-west-1/rds-instance/orders"]
    assert [str(one) for one in locked["shared"]] == [f"aws/{ACCOUNT}", f"aws/{ACCOUNT}/eu-west-1"]


def test_instances_of_one_region_are_taken_one_at_a_time() -> None:
    """Two of one Auto Scaling group would each find the other one in service, and both be ended (S17: instance -> group)."""
    one, other = (
        set(Target.aws(ACCOUNT, "eu-west-1", "ec2-instance", f"i-0123456{n}").scopes()["exclusive"]) for n in "78"
    )
    assert one & other
    elsewhere = Target.aws(ACCOUNT, "eu-north-1", "ec2-instance", "i-01234568").scopes()["exclusive"]
    assert not one & set(elsewhere)
