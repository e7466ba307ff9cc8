"""``aws.rds_promote_replica``: make a read replica a database of its own. Nobody can take that back, so it always asks."""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.aws.fidelity import fidelity_of
from remediator.actions.aws.rds_failover import CLOCKS_DIFFER, TOLD_WITHIN
from remediator.actions.aws.write_once import write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.answers import Answer
from remediator.clients.aws.cloudwatch import READ_METRICS
from remediator.clients.aws.rds import INSTANCE_ARN, READ_INSTANCE, DbInstance, is_stuck, read_instance
from remediator.clients.aws.rds_events import READ_EVENTS, READ_REPLICA, DbEvent, events_of, newest
from remediator.clients.aws.rds_lag import Lag, lags_of
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.durations import Duration, format_duration
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

_REMEMBERED = timedelta(days=1)
_WRITES = (IamPermission("rds:PromoteReadReplica", INSTANCE_ARN, writes=True),)


class Params(ActionParams):
    """Bounds, and what it keeps of backups."""

    max_lag: Duration = Field(
        timedelta(seconds=10), description="what the replica does not have is lost; refused when it is further behind"
    )
    data_loss: Literal["refuse", "accept"] = Field(
        "refuse",
        description="accept: also when it is further behind, or when that is unknown, as it is when the source is gone",
    )
    backup_retention_days: int = Field(
        1, ge=1, le=35, description="of the new database, where it kept none as a replica"
    )


class RdsPromoteReplica:
    """Replication ends for ever, what had not come over is lost, and clients must be sent to another endpoint by people."""

    name: ClassVar[str] = "aws.rds_promote_replica"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"rds-instance"})
    effect_within: ClassVar[timedelta] = timedelta(hours=1)

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return (READ_INSTANCE, READ_EVENTS, *READ_METRICS, *_WRITES)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            found = await read_instance(ctx.aws, target.name)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        if not found.source:
            raise PlanRefusedError("no_replica", f"{found}: it is no read replica")
        if not found.available:
            text = f"{found}: RDS promotes what is available, and never during a backup"
            raise PlanRefusedError("not_available", text, kind="refuse" if is_stuck(found.status) else "wait")
        (lag,) = await lags_of(ctx.aws, [target.name], aurora=False)
        if params.data_loss != "accept" and not lag.at_most(params.max_lag):
            bound = f"at most {format_duration(params.max_lag)} are allowed"
            text = f"{found}: {lag}; {bound}, and what it does not have would be lost; a playbook may say data_loss: accept"
            raise PlanRefusedError(_code(lag), text)
        last = await _last(ctx, target)
        asked = _call(found, params.backup_retention_days)
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=found.resource_id,
            depends_on=_dependencies(found),
            changes=(Change("replica of", found.source, None),),
            calls=(Call("rds:PromoteReadReplica", target.name, asked),),
            fidelity=await fidelity_of(ctx, target, _WRITES),
            summary=(
                f"promote read replica {target.short} of {found.source} for good; {lag}, and what it does not have is lost; "
                f"clients must then go to {found.address or 'its own address'}"
            ),
            params=params.model_dump(mode="json"),
            memory={"source": found.source, "last": "" if last is None else last.at.isoformat()},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id  # RDS takes no token here; the end of the replication is the mark
        return await write_once(
            plan,
            read=lambda: read_instance(ctx.aws, plan.target.name),
            present=_dependencies,
            write=lambda found: ctx.aws.write(
                "rds", "promote_read_replica", **_call(found, int(plan.params["backup_retention_days"]))
            ),
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del intent_id
        try:
            found = await read_instance(ctx.aws, plan.target.name)
            last = await _last(ctx, plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if found.resource_id != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again since it was planned")
        newer = last is not None and last.at.isoformat() != plan.memory["last"]
        ours = newer and last is not None and last.at >= begun_at - CLOCKS_DIFFER
        if not found.source:
            text = f"{found}: it is no replica any more; RDS tells: {last or 'nothing'}"
            return Look(Answer.YES if ours else Answer.UNKNOWN, text)
        if not found.available or newer:
            return Look(Answer.UNKNOWN, f"{found}: still a replica; RDS tells: {last or 'nothing'}")
        if ctx.aws.now() < begun_at + TOLD_WITHIN:
            return Look(Answer.UNKNOWN, f"{found}: still a replica; RDS may begin in {TOLD_WITHIN.seconds // 60} min")
        return Look(Answer.NO, f"{found}: still a replica of {found.source}")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        try:
            found = await read_instance(ctx.aws, plan.target.name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if found.resource_id != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again since it was planned")
        of = f", replica of {found.source}" if found.source else ", no replica any more"
        return Look(Answer.of(found.available and not found.source), f"{found}{of}")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def _dependencies(found: DbInstance) -> dict[str, Any]:
    return {"uid": found.resource_id, "source": found.source, "status": found.status}


def _call(found: DbInstance, keeps: int) -> dict[str, Any]:
    """Backups that it makes as a replica go on; RDS would take one day for whatever is not said."""
    return {"DBInstanceIdentifier": found.name, "BackupRetentionPeriod": found.keeps_backups_days or keeps}


def _code(lag: Lag) -> str:
    return "not_replicating" if lag.broken else "lag_unknown" if lag.behind is None else "lag_too_large"


async def _last(ctx: ActionContext, target: Target) -> DbEvent | None:
    return newest(await events_of(ctx.aws, target, since=ctx.aws.now() - _REMEMBERED), READ_REPLICA)
