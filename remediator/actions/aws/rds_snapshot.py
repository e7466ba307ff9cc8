"""``aws.rds_snapshot``: make a snapshot of an instance or a cluster, once, under a name of its own."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from remediator.actions.aws.fidelity import fidelity_of
from remediator.actions.aws.made_by_us import SHOWN, derived_name, head, tags
from remediator.actions.aws.write_once import write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.answers import Answer
from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.errors import AwsRefusedError
from remediator.clients.aws.rds import (
    INTENT_TAG,
    READ_CLUSTER,
    READ_INSTANCE,
    READ_INSTANCES,
    DbCluster,
    DbInstance,
    is_stuck,
    read_cluster,
    read_instance,
)
from remediator.clients.aws.rds_snapshots import (
    MADE_OF,
    make_snapshot,
    permission_to_read,
    permissions_to_make,
    snapshot_named,
    snapshots_of,
    words_of,
)
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

_ALREADY = ("DBSnapshotAlreadyExists", "DBClusterSnapshotAlreadyExistsFault")


class Params(ActionParams):
    """Nothing to choose."""


class RdsSnapshot:
    """Takes minutes to hours, in which an instance can be ``backing-up`` and refuses a failover. Never deletes one."""

    name: ClassVar[str] = "aws.rds_snapshot"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = MADE_OF
    effect_within: ClassVar[timedelta] = timedelta(hours=6)

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        reads = (READ_INSTANCE,) if kind == "rds-instance" else (READ_CLUSTER, READ_INSTANCES)
        return (*reads, permission_to_read(kind), *permissions_to_make(kind))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            found = await _read(ctx.aws, target)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        if isinstance(found, DbInstance) and found.cluster:
            text = f"{found} is a member of cluster {found.cluster}: let the playbook's target be that rds_cluster"
            raise PlanRefusedError("member_of_cluster", text)
        if not found.available:
            text = f"{found}: RDS makes snapshots of what is available"
            raise PlanRefusedError("not_available", text, kind="refuse" if is_stuck(found.status) else "wait")
        snapshots = await snapshots_of(ctx.aws, target)
        if making := [one for one in snapshots if one.status == "creating" and not ctx.own_changes]:
            raise PlanRefusedError("snapshot_under_way", f"{found}: {making[-1]}", kind="wait")
        operation, snapshot, of = words_of(target.kind)
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=found.resource_id,
            depends_on=_dependencies(found),
            changes=(Change("snapshot", None, "made"),),
            calls=(Call(f"rds:{operation}", target.name, {snapshot: SHOWN, of: target.name}),),
            fidelity=await fidelity_of(ctx, target, _asked_for(target)),
            summary=f"make a snapshot of {target.kind} {target.short}",
            params=params.model_dump(mode="json"),
            memory={"ours": [one.name for one in snapshots if INTENT_TAG in one.tags]},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        name = derived_name(plan.target.name, intent_id)

        async def write(_: DbInstance | DbCluster) -> dict[str, Any] | None:
            try:
                return await make_snapshot(ctx.aws, plan.target, name, tags(intent_id))
            except AwsRefusedError as error:
                # The name is the intent's: it was made by an attempt whose answer was lost.
                if error.code in _ALREADY and await snapshot_named(ctx.aws, plan.target, name) is not None:
                    return {}
                raise

        return await write_once(
            plan,
            read=lambda: _read(ctx.aws, plan.target),
            present=_dependencies,
            write=write,
            facts=lambda _: {"snapshot": name},
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at
        name = derived_name(plan.target.name, intent_id)
        try:
            found = await snapshot_named(ctx.aws, plan.target, name)
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        if found is None:
            return Look(Answer.NO, f"there is no snapshot {name}")
        return Look(Answer.YES, str(found))

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        name = None if applied is None else applied.facts.get("snapshot")
        try:
            every = await snapshots_of(ctx.aws, plan.target)
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        ours = [one for one in every if one.name == name]
        ours = ours or [one for one in every if INTENT_TAG in one.tags and one.name not in plan.memory["ours"]]
        if not ours:
            return Look(Answer.UNKNOWN, f"the snapshot of {plan.target.short} is gone")
        return Look(Answer.of(ours[-1].available), str(ours[-1]))

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


async def _read(api: AwsApi, target: Target) -> DbInstance | DbCluster:
    if target.kind == "rds-instance":
        return await read_instance(api, target.name)
    return await read_cluster(api, target.name)


def _asked_for(target: Target) -> tuple[IamPermission, ...]:
    """A policy may name the snapshots of this database alone; how their names begin is known."""
    ours = f"snapshot:{head(target.name)}*"
    return tuple(
        replace(one, resource=one.resource.replace("snapshot:*", ours)) for one in permissions_to_make(target.kind)
    )


def _dependencies(found: DbInstance | DbCluster) -> dict[str, Any]:
    return {"uid": found.resource_id, "status": found.status}
