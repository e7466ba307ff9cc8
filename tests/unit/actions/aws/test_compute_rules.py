"""What the actions about compute take as parameters, which numbers come of them, and whose tags name an owner."""

from typing import Any

import pytest
from pydantic import ValidationError

from remediator.actions.aws import asg_set_capacity, eks_nodegroup_scale
from remediator.actions.aws.sizing import SizeParams
from remediator.actions.aws.ssm_run import RUN_ANYTHING, Params, SsmRun, document_arn
from remediator.actions.base import PlanRefusedError
from remediator.clients.aws.autoscaling import Group
from remediator.clients.aws.eks import Nodegroup
from remediator.clients.aws.ownership import cluster_autoscaler, stacks_of


def nodegroup(minimum: int, desired: int, maximum: int) -> Nodegroup:
    return Nodegroup("arn", "prod", "workers", "ACTIVE", minimum, maximum, desired, {}, ())


def group(minimum: int, desired: int, maximum: int) -> Group:
    return Group("arn", "web", minimum, maximum, desired, (), frozenset(), {}, being_deleted=False)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "exactly one of to and by"),
        ({"to": 1, "by": 1, "max_size": 3}, "exactly one of to and by"),
        ({"by": 0, "max_size": 3}, "changes nothing"),
        ({"by": 1}, "needs max_size"),
        ({"by": -1}, "needs min_size"),
        ({"by": -1, "min_size": 1, "max_size": 3}, "max_size has no meaning"),
        ({"to": 3, "max_size": 3}, "max_size has no meaning"),
        ({"by": 1, "max_size": 3, "group": "web"}, "Extra inputs"),
    ],
)
def test_sizes_that_say_too_much_or_too_little_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        SizeParams.model_validate(given)


@pytest.mark.parametrize(
    ("given", "now", "wanted"),
    [
        ({"by": 2, "max_size": 10}, 3, 5),
        ({"by": 2, "max_size": 4}, 3, 4),
        ({"by": 2, "max_size": 2}, 3, 3),
        ({"by": -2, "min_size": 0}, 1, 0),
        ({"by": -2, "min_size": 5}, 3, 3),
        ({"to": 0}, 3, 0),
    ],
)
def test_a_size_never_goes_against_its_direction(given: dict[str, Any], now: int, wanted: int) -> None:
    assert SizeParams.model_validate(given).wanted(now) == wanted


@pytest.mark.parametrize(
    ("sizes", "given", "after"),
    [
        ((1, 2, 5), {"by": 1, "max_size": 9}, (1, 3)),
        ((1, 4, 5), {"by": 3, "max_size": 9}, (1, 5)),
        ((1, 2, 5), {"by": -5, "min_size": 0}, (1, 1)),
        ((1, 2, 5), {"to": 4}, (1, 4)),
        ((1, 2, 5), {"by": 1, "max_size": 9, "size": "minimum"}, (3, 3)),
        ((3, 4, 5), {"by": -2, "min_size": 1, "size": "minimum"}, (1, 4)),
        ((1, 4, 5), {"to": 2, "size": "minimum"}, (2, 4)),
        ((1, 2, 5), {"to": 0, "size": "minimum"}, (0, 2)),
    ],
)
def test_what_a_node_group_is_set_to(
    sizes: tuple[int, int, int], given: dict[str, Any], after: tuple[int, int]
) -> None:
    """Always minimum <= desired <= maximum; a lower minimum takes no node away."""
    wanted = eks_nodegroup_scale._wanted(nodegroup(*sizes), eks_nodegroup_scale.Params.model_validate(given))
    assert (wanted["minimum"], wanted["desired"]) == after
    assert wanted["minimum"] <= wanted["desired"] <= sizes[2]


@pytest.mark.parametrize(
    ("sizes", "given", "code"),
    [
        ((1, 5, 5), {"by": 1, "max_size": 9}, "nothing_to_change"),
        ((1, 2, 5), {"by": 1, "max_size": 2}, "nothing_to_change"),
        ((1, 2, 5), {"to": 6}, "out_of_bounds"),
        ((1, 2, 5), {"to": 0}, "out_of_bounds"),
        ((2, 2, 5), {"to": 2, "size": "minimum"}, "nothing_to_change"),
    ],
)
def test_what_a_node_group_is_not_set_to(sizes: tuple[int, int, int], given: dict[str, Any], code: str) -> None:
    params = eks_nodegroup_scale.Params.model_validate(given)
    with pytest.raises(PlanRefusedError) as refused:
        eks_nodegroup_scale._wanted(nodegroup(*sizes), params)
    assert refused.value.code == code


def test_a_group_stays_within_its_own_bounds() -> None:
    def wanted(sizes: tuple[int, int, int], **given: Any) -> int:
        return asg_set_capacity._wanted(group(*sizes), asg_set_capacity.Params.model_validate(given))

    assert wanted((1, 2, 4), by=5, max_size=9) == 4
    assert wanted((1, 2, 4), by=-5, min_size=0) == 1
    assert wanted((0, 2, 4), to=0) == 0
    with pytest.raises(PlanRefusedError, match="may have 1 to 4"):
        wanted((1, 2, 4), to=5)


@pytest.mark.parametrize("document", sorted(RUN_ANYTHING))
def test_documents_that_run_anything_are_refused(document: str) -> None:
    with pytest.raises(ValidationError, match="runs whatever it is given"):
        Params.model_validate({"document": document})


@pytest.mark.parametrize(
    "given",
    [
        {"document": "{{ labels.document }}"},
        {"document": "arn:aws:ssm:eu-central-1:999999999999:document/theirs"},
        {"document": "clear", "document_version": "$LATEST"},
        {"document": "clear", "parameters": {"Path": ["{{ labels.path }}"]}},
        {"document": "clear", "parameters": {"Path": ["{{ ssm:secret }}"]}},
        {"document": "clear", "parameters": {"Path": ["a\nb"]}},
        {"document": "clear", "parameters": {"Path; x": ["a"]}},
        {"document": "clear", "parameters": {"Path": [7]}},
    ],
)
def test_commands_hold_nothing_of_an_alert_and_nothing_that_somebody_else_may_change(given: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Params.model_validate(given)


def test_iam_allows_the_named_document_and_no_other() -> None:
    rights = SsmRun().permissions("ec2-instance", Params(document="shop-clear-spool"))
    written = [one.resource for one in rights if one.writes]
    assert written == [
        "arn:{partition}:ssm:{region}:{account}:document/shop-clear-spool",
        "arn:{partition}:ec2:{region}:{account}:instance/{name}",
    ]
    assert document_arn("AWS-UpdateSSMAgent") == "arn:{partition}:ssm:{region}::document/AWS-UpdateSSMAgent"


def test_tags_that_name_an_owner() -> None:
    assert stacks_of({"aws:cloudformation:stack-name": "prod-eks"}) == ("CloudFormation stack prod-eks",)
    assert stacks_of({"Name": "x"}) == ()
    assert cluster_autoscaler({"k8s.io/cluster-autoscaler/prod": "owned"}) == "k8s.io/cluster-autoscaler/prod"
    assert cluster_autoscaler({"k8s.io/cluster-autoscaler/enabled": "false"}) is None
    assert cluster_autoscaler({"k8s.io/cluster-autoscaler/node-template/label/pool": "gpu"}) is None
