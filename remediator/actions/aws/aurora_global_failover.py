"""``aws.aurora_global_failover``: let another region's cluster of an Aurora global database write. It always asks.

A switchover loses nothing and needs the region that writes now; a failover gives up what had not come over, and that region.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from remediator.actions.aws.fidelity import fidelity_of, only_on
from remediator.actions.aws.rds_failover import CLOCKS_DIFFER, TOLD_WITHIN
from remediator.actions.aws.write_once import write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.answers import Answer
from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.rds import AVAILABLE
from remediator.clients.aws.rds_events import GLOBAL_FAILOVER, READ_EVENTS, DbEvent, events_about, newest
from remediator.clients.aws.rds_global import READ_GLOBAL, GlobalCluster, GlobalMember, permissions_to_move, read_global
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

_REMEMBERED: Final = timedelta(days=1)
_METHODS: Final = {
    "SwitchoverGlobalCluster": "switchover_global_cluster",
    "FailoverGlobalCluster": "failover_global_cluster",
}


class Params(ActionParams):
    """Where to, and at what price."""

    to_region: str | None = Field(
        None,
        pattern=r"^[a-z]{2}(-[a-z]+)+-\d$",
        description="region whose cluster is to write; may be left out where there is only one other",
    )
    data_loss: Literal["refuse", "accept"] = Field(
        "refuse",
        description="accept: a failover, for a region that is lost: what had not come over is gone; refuse: a switchover",
    )


class AuroraGlobalFailover:
    """No undo: the way back is a switchover of its own, which people plan."""

    name: ClassVar[str] = "aws.aurora_global_failover"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"rds-global-cluster"})

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind
        return (READ_GLOBAL, READ_EVENTS, *permissions_to_move(_operation(params.data_loss)))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            found = await read_global(ctx.aws, target.name)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        writer = found.writer
        if found.moving_to:
            raise PlanRefusedError("failover_under_way", str(found), kind="wait")
        if found.status != AVAILABLE or writer is None:
            raise PlanRefusedError("not_available", f"{found}; a person must look")
        to = _choose(found, params.to_region)
        operation = _operation(params.data_loss)
        if params.data_loss == "refuse" and to.connected is False:
            text = f"{found}: {to.name} in {to.region} is not in step (pending-resync), so a switchover cannot be made"
            raise PlanRefusedError("not_in_step", text)
        last = await _last(ctx.aws, found)
        lost = "what had not come over is lost" if params.data_loss == "accept" else "nothing is lost"
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=found.resource_id,
            depends_on=_dependencies(found),
            changes=(Change("writer", writer.arn, to.arn),),
            calls=(Call(f"rds:{operation}", target.name, _call(found.name, to.arn, params.data_loss)),),
            fidelity=await fidelity_of(ctx, target, _asked_for(operation, writer, to)),
            summary=(
                f"let {to.name} in {to.region} write for global database {target.short} instead of {writer.name} in "
                f"{writer.region} ({operation}: {lost}); clients must then go there"
            ),
            params=params.model_dump(mode="json"),
            memory={"last": "" if last is None else last.at.isoformat()},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id  # no token; where it goes, and the events, are the mark
        data_loss, to = str(plan.params["data_loss"]), str(plan.changes[0].after)
        return await write_once(
            plan,
            read=lambda: read_global(ctx.aws, plan.target.name),
            present=_dependencies,
            write=lambda found: ctx.aws.write(
                "rds", _METHODS[_operation(data_loss)], **_call(found.name, to, data_loss)
            ),
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del intent_id
        to = str(plan.changes[0].after)
        try:
            found = await read_global(ctx.aws, plan.target.name)
            last = await _last(ctx.aws, found)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if found.resource_id != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again since it was planned")
        if found.moving_to == to:  # when it was planned it went nowhere
            return Look(Answer.YES, str(found))
        newer = last is not None and last.at.isoformat() != plan.memory["last"]
        ours = newer and last is not None and last.at >= begun_at - CLOCKS_DIFFER
        over = found.writer is not None and found.writer.arn == to
        if over and ours:
            return Look(Answer.YES, f"{found}; RDS tells: {last}")
        as_before = found.writer is not None and found.writer.arn == plan.changes[0].before
        if newer or found.moving_to or not as_before or ctx.aws.now() < begun_at + TOLD_WITHIN:
            return Look(Answer.UNKNOWN, f"{found}; RDS tells: {last or 'nothing yet'}")
        return Look(Answer.NO, f"{found}; RDS tells of nothing since it was planned")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        try:
            found = await read_global(ctx.aws, plan.target.name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if found.resource_id != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again since it was planned")
        over = found.writer is not None and found.writer.arn == plan.changes[0].after
        return Look(Answer.of(over and found.status == AVAILABLE and not found.moving_to), str(found))

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def _asked_for(operation: str, *members: GlobalMember) -> tuple[IamPermission, ...]:
    """On the global database and on just these of its clusters."""
    on_global, on_members = permissions_to_move(operation)
    return (on_global, *only_on((on_members,), *(one.arn for one in members)))


def _operation(data_loss: str) -> str:
    return "FailoverGlobalCluster" if data_loss == "accept" else "SwitchoverGlobalCluster"


def _call(name: str, to: str, data_loss: str) -> dict[str, Any]:
    """Without AllowDataLoss, FailoverGlobalCluster would be a switchover, which a lost region makes impossible."""
    allow = {"AllowDataLoss": True} if data_loss == "accept" else {}
    return {"GlobalClusterIdentifier": name, "TargetDbClusterIdentifier": to, **allow}


def _choose(found: GlobalCluster, region: str | None) -> GlobalMember:
    others = [one for one in found.members if not one.writes]
    fit = [one for one in others if region in (None, one.region)]
    there = ", ".join(f"{one.name} in {one.region}" for one in others) or "none"
    if not fit:
        where = f" in {region}" if region else ""
        raise PlanRefusedError(
            "no_other_region", f"{found}: no other cluster{where} that could write; there are: {there}"
        )
    if len(fit) > 1:
        raise PlanRefusedError(
            "which_region", f"{found}: several could write ({there}); the playbook must say to_region"
        )
    return fit[0]


def _dependencies(found: GlobalCluster) -> dict[str, Any]:
    return {
        "uid": found.resource_id,
        "writer": None if found.writer is None else found.writer.arn,
        "moving_to": found.moving_to,
        "status": found.status,
    }


async def _last(api: AwsApi, found: GlobalCluster) -> DbEvent | None:
    """Told about the clusters, each in its own region: of those, this region's."""
    here = [one for one in found.members if one.region == api.region]
    since = api.now() - _REMEMBERED
    told = [newest(await events_about(api, "db-cluster", one.name, since=since), GLOBAL_FAILOVER) for one in here]
    return max((one for one in told if one is not None), default=None)
