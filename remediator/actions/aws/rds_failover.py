"""``aws.rds_failover``: let the standby of a Multi-AZ instance take over, or the least-lagging reader of a cluster."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal

from pydantic import Field

from remediator.actions.aws.fidelity import fidelity_of
from remediator.actions.aws.rds_failover_rules import RDS_CHOOSES, Bounds, Failover, dependencies, last_of, look
from remediator.actions.aws.write_once import write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.answers import Answer
from remediator.clients.aws.cloudwatch import READ_METRICS
from remediator.clients.aws.rds import CLUSTER_ARN, INSTANCE_ARN, READ_CLUSTER, READ_INSTANCE, READ_INSTANCES
from remediator.clients.aws.rds_events import READ_EVENTS
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.durations import Duration, parse_duration
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

TOLD_WITHIN: Final = timedelta(minutes=4)
"""So long after a call RDS tells of what it did; without a word of it by then, nothing was done."""
CLOCKS_DIFFER: Final = timedelta(minutes=1)
"""RDS's from ours, at most. An event from longer before a step is told late and is not of that step."""


class Params(ActionParams):
    """Bounds. Which standby is RDS's to say for an instance; for a cluster it is the reader that is least behind."""

    quiet_for: Duration = Field(
        timedelta(minutes=10), description="refused when RDS tells of another failover, by whomever, within this time"
    )
    max_lag: Duration = Field(
        timedelta(seconds=10),
        description="of a cluster's reader: refused when it is further behind, or when that is unknown",
    )
    pending: Literal["refuse", "accept"] = Field(
        "refuse", description="accept: also when changes wait for a restart and would come into effect with it"
    )


class RdsFailover:
    """Clients lose their connections, and writes fail for one or two minutes. No undo: back again would be a second outage."""

    name: ClassVar[str] = "aws.rds_failover"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"rds-instance", "rds-cluster"})

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        if kind == "rds-instance":
            return (READ_INSTANCE, READ_EVENTS, *_writes(kind))
        return (READ_CLUSTER, READ_INSTANCES, READ_EVENTS, *READ_METRICS, *_writes(kind))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            found = await look(ctx.aws, target, _bounds(params.model_dump(mode="json")))
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        if (why := found.hindrance) is not None:
            raise PlanRefusedError(why.code, why.text, kind="wait" if why.passes else "refuse")
        operation, asked = _call(target, found.successor)
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=found.uid,
            depends_on=dependencies(found),
            changes=(Change(_field(target), found.writer, found.successor),),
            calls=(Call(f"rds:{operation}", target.name, asked),),
            fidelity=await fidelity_of(ctx, target, _writes(target.kind)),
            summary=(
                f"fail {target.kind} {target.short} over from {found.writer or 'no writer'} to {found.successor}; "
                "connections break and writes fail meanwhile"
            ),
            params=params.model_dump(mode="json"),
            memory={"writer": found.writer, "last_failover": last_of(found)},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id  # RDS takes no token here; an event that is new since the plan is the mark
        successor = str(plan.changes[0].after)
        operation, asked = _call(plan.target, successor)
        method = "reboot_db_instance" if operation == "RebootDBInstance" else "failover_db_cluster"
        return await write_once(
            plan,
            read=lambda: look(ctx.aws, plan.target, _bounds(plan.params), planned=successor),
            present=dependencies,
            write=lambda _: ctx.aws.write("rds", method, **asked),
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del intent_id
        found = await _listen(ctx, plan)
        if isinstance(found, Look):
            return found
        if found.newer_than(plan.memory["last_failover"]):
            if found.last is not None and found.last.at < begun_at - CLOCKS_DIFFER:
                return Look(
                    Answer.UNKNOWN, f"only now {found.told}; that was before this step, and hides what came of it"
                )
            return Look(Answer.YES, f"since it was planned, {found.told}")
        if found.writer != plan.memory["writer"] or not found.available:
            return Look(Answer.UNKNOWN, f"{found.seen}; RDS does not tell why yet")
        if ctx.aws.now() < begun_at + TOLD_WITHIN:
            return Look(Answer.UNKNOWN, f"RDS tells of no failover yet; it may take {TOLD_WITHIN.seconds // 60} min")
        return Look(Answer.NO, f"{found.seen}; RDS tells of no failover since it was planned")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        found = await _listen(ctx, plan)
        if isinstance(found, Look):
            return found
        over = found.available and found.writer not in ("", plan.memory["writer"])
        told = found.newer_than(plan.memory["last_failover"]) and not (found.last is not None and found.last.begins)
        return Look(Answer.of(over and told), f"{found.seen}; {found.told}")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


async def _listen(ctx: ActionContext, plan: Plan) -> Failover | Look:
    """How it is now, whatever would speak against doing it."""
    try:
        found = await look(ctx.aws, plan.target, None)
    except (TargetNotFoundError, FactsMissingError) as error:
        return Look(Answer.UNKNOWN, str(error))
    if found.uid != plan.uid:
        return Look(Answer.UNKNOWN, f"{plan.target.short} was made again since it was planned")
    return found


def _writes(kind: str) -> tuple[IamPermission, ...]:
    if kind == "rds-instance":
        return (IamPermission("rds:RebootDBInstance", INSTANCE_ARN, writes=True),)
    return (IamPermission("rds:FailoverDBCluster", CLUSTER_ARN, writes=True),)


def _bounds(params: Any) -> Bounds:
    return Bounds(
        quiet_for=parse_duration(params["quiet_for"]),
        max_lag=parse_duration(params["max_lag"]),
        pending=params["pending"] == "accept",
    )


def _field(target: Target) -> str:
    return "AvailabilityZone" if target.kind == "rds-instance" else "writer"


def _call(target: Target, successor: str) -> tuple[str, dict[str, Any]]:
    if target.kind == "rds-instance":
        return "RebootDBInstance", {"DBInstanceIdentifier": target.name, "ForceFailover": True}
    wish = {} if successor == RDS_CHOOSES else {"TargetDBInstanceIdentifier": successor}
    return "FailoverDBCluster", {"DBClusterIdentifier": target.name, **wish}
