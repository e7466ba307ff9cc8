"""``aws.elasticache_failover``: let ElastiCache promote a replica of one node group."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.aws.fidelity import fidelity_of, only_on
from remediator.actions.aws.write_once import write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.aws import elasticache
from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.elasticache import Lag, NodeGroup, ReplicationGroup
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.durations import Duration, format_duration
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

PROVIDERS_LIMIT = 15
"""AWS tests the failover of so many node groups of an account in 24 hours, and calls it a limit that may be lower."""
_NOTED_AFTER = timedelta(minutes=2)
"""The service's events come with a delay: until then, none proves nothing."""
_CLOCKS = timedelta(seconds=30)
"""Our clock and the service's may differ by so much."""


class Params(ActionParams):
    """Which replica is promoted is the service's choice: the one that is least behind."""

    node_group: str | None = Field(
        None, pattern=r"^[0-9]{1,4}$", description="id of the shard, such as 0001; needed where there are several"
    )
    max_lag: Duration = Field(
        default="5s", validate_default=True, description="one replica is at most so far behind, by CloudWatch"
    )
    per_day: int = Field(
        5,
        ge=1,
        le=PROVIDERS_LIMIT,
        description="failovers of the whole account and region in 24 hours, whoever called them; AWS allows 15 at most",
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """One shard and the group that it is of."""

    group: ReplicationGroup
    node_group: NodeGroup

    @property
    def uid(self) -> str:
        return self.group.uid


class ElastiCacheFailover:
    """Calls TestFailover, the only call there is for it with automatic failover on. Not undone: the former primary comes back as a
    replica, and another failover would only take more time from the clients."""

    name: ClassVar[str] = "aws.elasticache_failover"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"elasticache-group"})

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return (
            *elasticache.READ_GROUP,
            *elasticache.READ_EVENTS,
            *elasticache.READ_LAG,
            *elasticache.FAIL_OVER,
        )

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            group = await elasticache.replication_group(ctx.aws, target)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        shard = _shard(group, params.node_group)
        primary = _refuse_unready(group, shard)
        lags = await elasticache.lags(ctx.aws, shard)
        best = _refuse_far_behind(shard, lags, params.max_lag)
        await _refuse_too_many(ctx.aws, params.per_day)
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=group.uid,
            depends_on=_dependencies(_Found(group, shard)),
            changes=(Change(f"primary of node group {shard.id}", primary, "the replica that is least behind"),),
            calls=(
                Call(
                    "elasticache:TestFailover",
                    target.name,
                    {"ReplicationGroupId": target.name, "NodeGroupId": shard.id},
                ),
            ),
            fidelity=await fidelity_of(ctx, target, _asked_for(ctx.aws, shard)),
            summary=f"fail {target.name} node group {shard.id} over from {primary} (now {best})",
            params=params.model_dump(mode="json"),
            memory={"primary": primary, "node_group": shard.id},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id  # the call takes no token: see landed
        wanted = str(plan.memory["node_group"])

        async def read() -> _Found:
            group = await elasticache.replication_group(ctx.aws, plan.target)
            shard = group.node_group(wanted)
            if shard is None:
                raise FactsMissingError(f"{plan.target.name} has no node group {wanted} any more")
            return _Found(group, shard)

        async def write(found: _Found) -> dict[str, Any] | None:
            sent = await elasticache.fail_over(ctx.aws, found.group.name, found.node_group.id)
            return {} if sent else None

        return await write_once(plan, read=read, present=_dependencies, write=write)

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        """By the service's own event. The call takes no token, but no other failover of this group can be called while one runs, and
        of ours only one is under way: the group is locked."""
        del intent_id
        wanted = str(plan.memory["node_group"])
        try:
            group = await elasticache.replication_group(ctx.aws, plan.target)
            events = await elasticache.failovers_called(ctx.aws, since=begun_at - _CLOCKS, group=plan.target.name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if group.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.name} was made again; the one that was to fail over is gone")
        called = [event for event in events if event.failover_of == wanted]
        if sure := [event for event in called if event.at >= begun_at.replace(microsecond=0)]:
            return Look(Answer.YES, f"{sure[0].at:%H:%M:%S}Z: {sure[0].message}")
        if called:
            return Look(Answer.UNKNOWN, f"a failover was called at {called[-1].at:%H:%M:%S}Z, as we began")
        shard = group.node_group(wanted)
        if shard is None or group.status != "available" or shard.primary is None:
            return Look(Answer.UNKNOWN, f"no event tells of a failover, but {plan.target.name} is {group.status}")
        if shard.primary.cluster != plan.memory["primary"]:
            return Look(Answer.UNKNOWN, f"no event tells of a failover, but {shard.primary.cluster} is the primary now")
        if ctx.aws.now() < begun_at + _NOTED_AFTER:
            return Look(Answer.UNKNOWN, "no event tells of a failover yet")
        return Look(Answer.NO, f"no event tells of a failover, and {shard.primary.cluster} is the primary still")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        try:
            group = await elasticache.replication_group(ctx.aws, plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        shard = group.node_group(str(plan.memory["node_group"]))
        primary = shard.primary if shard is not None else None
        if group.uid != plan.uid or primary is None:
            return Look(Answer.UNKNOWN, f"{plan.target.name} is another than before, or tells no primary")
        moved = primary.cluster != plan.memory["primary"]
        done = moved and group.status == "available"
        return Look(answer_of(done), f"{plan.target.name} is {group.status}, its primary {primary.cluster}")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def _asked_for(api: AwsApi, shard: NodeGroup) -> tuple[IamPermission, ...]:
    """On the group and on the clusters that are in it by now."""
    on_group, on_clusters = elasticache.FAIL_OVER
    begin = f"arn:{api.partition}:elasticache:{api.region}:{api.account}:cluster:"
    return (on_group, *only_on((on_clusters,), *(f"{begin}{one.cluster}" for one in shard.members)))


def _dependencies(found: _Found) -> Mapping[str, Any]:
    primary = found.node_group.primary
    return {
        "uid": found.group.uid,
        "status": found.group.status,
        "automatic_failover": found.group.automatic_failover,
        "primary": primary.cluster if primary is not None else None,
        "replicas": sorted(replica.cluster for replica in found.node_group.replicas),
    }


def _shard(group: ReplicationGroup, wanted: str | None) -> NodeGroup:
    shard = group.node_group(wanted)
    if shard is not None:
        return shard
    there = ", ".join(one.id for one in group.node_groups)
    if wanted is None:
        raise PlanRefusedError(
            "several_node_groups", f"{group.name} has node groups {there}; say node_group: one of them"
        )
    raise PlanRefusedError("no_such_node_group", f"{group.name} has no node group {wanted}, only {there or 'none'}")


def _refuse_unready(group: ReplicationGroup, shard: NodeGroup) -> str:
    """The present primary's name."""
    if group.automatic_failover != "enabled":
        raise PlanRefusedError(
            "automatic_failover_off",
            f"automatic failover of {group.name} is {group.automatic_failover}; AWS fails over only where it is enabled",
            kind="wait" if group.automatic_failover == "enabling" else "refuse",
        )
    if group.status != "available":
        raise PlanRefusedError(
            "not_available", f"{group.name} is {group.status}: something is under way already", kind="wait"
        )
    if shard.primary is None:
        raise PlanRefusedError(
            "primary_unknown",
            f"ElastiCache does not tell which node of {group.name} {shard.id} is the primary"
            f"{' (cluster mode is on)' if group.clustered else ''}, so whether it moved could not be seen; fail over by hand",
        )
    if not shard.replicas:
        raise PlanRefusedError("no_replica", f"{group.name} node group {shard.id} has no replica to fail over to")
    return shard.primary.cluster


def _refuse_far_behind(shard: NodeGroup, lags: Mapping[str, Lag], most: timedelta) -> str:
    """The best replica in words. The service takes the one that is least behind, so one in sync is enough."""
    known = {cluster: lag.value for cluster, lag in lags.items() if lag is not None and lag.value >= 0}
    if not known:
        raise PlanRefusedError(
            "lag_unknown",
            f"CloudWatch has no ReplicationLag of a replica of node group {shard.id} in the last minutes, so none is known to be "
            "in sync",
            kind="wait",
        )
    cluster, seconds = min(known.items(), key=lambda one: one[1])
    if seconds > most.total_seconds():
        raise PlanRefusedError(
            "replica_behind",
            f"the replica that is least behind, {cluster}, is {seconds:g} s behind, more than max_lag {format_duration(most)}",
            kind="wait",
        )
    return f"{cluster} is {seconds:g} s behind"


async def _refuse_too_many(api: AwsApi, most: int) -> None:
    called = await elasticache.failovers_called(api)
    if len(called) >= most:
        raise PlanRefusedError(
            "daily_limit",
            f"{len(called)} failovers were called in this account and region in the last 24 hours (per_day: {most}; AWS itself "
            f"allows {PROVIDERS_LIMIT}); the next is possible from {called[-most].at + timedelta(days=1):%Y-%m-%d %H:%M}Z on",
        )
