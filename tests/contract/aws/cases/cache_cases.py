"""ElastiCache replication groups that fail over."""

from typing import Any

from remediator.targets import Target
from tests.contract.aws.case import AwsCase, Refusal, Spoil
from tests.support.aws_stage import AwsStage


async def sessions(stage: AwsStage) -> Target:
    """A primary and two replicas that are in sync."""
    stage.aws.elasticache.put("sessions", replicas=2)
    return stage.target("elasticache-group", "sessions")


def group(stage: AwsStage) -> Any:
    return stage.aws.elasticache.groups["sessions"]


def _lag(seconds: float | None) -> Spoil:
    def spoil(stage: AwsStage) -> None:
        for member in group(stage).node_groups[0].members:
            member.lag_s = seconds

    return spoil


def _set(**values: object) -> Spoil:
    def spoil(stage: AwsStage) -> None:
        for key, value in values.items():
            setattr(group(stage), key, value)

    return spoil


def _alone(stage: AwsStage) -> None:
    del group(stage).node_groups[0].members[1:]


def _called_often(stage: AwsStage) -> None:
    """By others, and of another group."""
    stage.aws.elasticache.put("carts")
    for _ in range(5):
        stage.aws.elasticache.call_failover("carts")
        stage.aws.advance(600)


CASES = (
    AwsCase(
        "aws.elasticache_failover",
        prepare=sessions,
        changes=lambda stage: int(group(stage).failovers),
        write=("elasticache", "TestFailover"),
        refusals=(
            Refusal("off", _set(automatic_failover="disabled"), "automatic_failover_off"),
            Refusal("busy", _set(status="modifying"), "not_available"),
            Refusal("clustered", _set(clustered=True), "primary_unknown"),
            Refusal("alone", _alone, "no_replica"),
            Refusal("behind", _lag(30.0), "replica_behind"),
            Refusal("no-value", _lag(None), "lag_unknown"),
            Refusal("often", _called_often, "daily_limit"),
            Refusal("gone", lambda stage: stage.aws.elasticache.groups.clear(), "target_not_found"),
        ),
    ),
)
