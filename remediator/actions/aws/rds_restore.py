"""``aws.rds_restore``: a new instance as the database was, beside the old one. The old one is never touched."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Final, Literal

from pydantic import Field, field_validator

from remediator.actions.aws.fidelity import fidelity_of
from remediator.actions.aws.made_by_us import SHOWN, derived_name, head, tags
from remediator.actions.aws.write_once import write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.answers import Answer
from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.errors import AwsRefusedError
from remediator.clients.aws.rds import INTENT_TAG, READ_INSTANCES, DbInstance, instances_made, is_stuck, read_instance
from remediator.clients.aws.rds_snapshots import DbSnapshot, permission_to_read, snapshots_of
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.durations import Duration, format_duration, parse_duration
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

_NAME = re.compile(r"[a-z](?:-?[a-z0-9]){0,62}")
_OF: Final = "arn:{partition}:rds:{region}:{account}:"
_TOUCHED: Final = ("db:*", "subgrp:*", "pg:*", "og:*")
"""IAM asks for the new instance, and for what it is made with."""


class Params(ActionParams):
    """As it was when."""

    source: Literal["latest", "before", "snapshot"] = Field(
        "latest",
        description="latest: the newest state that can be restored; before: as it was `back` ago; snapshot: the newest one",
    )
    back: Duration | None = Field(None, description="with before: how long ago, counted when it is done")
    name: str | None = Field(None, description="name of the new instance; without it one is made up for every run")

    @field_validator("name")
    @classmethod
    def _is_a_name(cls, value: str | None) -> str | None:
        if value is not None and not _NAME.fullmatch(value):
            raise ValueError("at most 63 lower-case letters, digits and single hyphens, a letter first")
        return value

    @field_validator("back")
    @classmethod
    def _is_some_time(cls, value: timedelta | None) -> timedelta | None:
        if value is not None and not value:
            raise ValueError("longer than 0s; for the newest state: source: latest")
        return value


class RdsRestore:
    """Clients still go to the old instance; to send them to the new one is a person's work. Undo never deletes a database."""

    name: ClassVar[str] = "aws.rds_restore"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"rds-instance"})
    effect_within: ClassVar[timedelta] = timedelta(hours=6)

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        if params.source == "snapshot":
            return (READ_INSTANCES, permission_to_read(kind), *_writes(params.source))
        return (READ_INSTANCES, *_writes(params.source))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        if (params.source == "before") != (params.back is not None):
            raise PlanRefusedError("no_time", "source: before needs back: <duration>, and nothing else takes it")
        try:
            found = await read_instance(ctx.aws, target.name)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        if found.cluster:
            text = f"{found} is a member of cluster {found.cluster}; restoring a cluster is a person's work"
            raise PlanRefusedError("member_of_cluster", text)
        snapshot = await _newest_snapshot(ctx.aws, target) if params.source == "snapshot" else None
        if params.source != "snapshot" and found.restorable_until is None:
            raise PlanRefusedError(
                "no_backups", f"{found}: it has no automated backups; a snapshot may be there: source: snapshot"
            )
        if params.name is not None and await _named(ctx.aws, params.name) is not None:
            raise PlanRefusedError(
                "name_taken", f"there is a DB instance {params.name} already; nothing is ever restored over one"
            )
        as_it_was = _as_it_was(params.back, snapshot)
        new = params.name or SHOWN
        operation, asked = _call(found, params.source, new, snapshot=None if snapshot is None else snapshot.name)
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=found.resource_id,
            depends_on={"uid": found.resource_id, "snapshot": None if snapshot is None else snapshot.name},
            changes=(Change("new DB instance", None, f"{new}, {as_it_was}"),),
            calls=(Call(f"rds:{operation}", new, asked),),
            fidelity=await fidelity_of(ctx, target, _asked_for(found, params, snapshot)),
            summary=f"restore DB instance {target.short} into a new one, {as_it_was}; the old one stays as it is",
            params=params.model_dump(mode="json"),
            memory={"ours": [one.name for one in await instances_made(ctx.aws)]},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        source, back = str(plan.params["source"]), plan.params["back"]
        new = _new_name(plan, intent_id)
        snapshot = plan.depends_on["snapshot"]

        async def write(found: DbInstance) -> dict[str, Any] | None:
            at = None if back is None else ctx.aws.now() - parse_duration(back)
            operation, asked = _call(found, source, new, snapshot=snapshot, at=at)
            given = [{"Key": key, "Value": value} for key, value in tags(intent_id).items()]
            try:
                return await ctx.aws.write("rds", _METHODS[operation], **asked, Tags=given)
            except AwsRefusedError as error:
                if error.code == "DBInstanceAlreadyExists" and _is_ours(await _named(ctx.aws, new), intent_id):
                    return {}
                raise

        return await write_once(
            plan,
            read=lambda: read_instance(ctx.aws, plan.target.name),
            present=lambda found: {"uid": found.resource_id, "snapshot": snapshot},
            write=write,
            facts=lambda _: {"name": new},
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at
        new = _new_name(plan, intent_id)
        try:
            found = await _named(ctx.aws, new)
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        if found is None:
            return Look(Answer.NO, f"there is no DB instance {new}")
        if _is_ours(found, intent_id):
            return Look(Answer.YES, f"{found}, with our mark")
        return Look(Answer.UNKNOWN, f"{found}: it has not our mark")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        name = plan.params["name"] if applied is None else applied.facts.get("name", plan.params["name"])
        try:
            made = [one for one in await instances_made(ctx.aws) if one.name not in plan.memory["ours"]]
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        # After a lost answer the name is not known here; that begins as the old one's does, and was not there before.
        ours = [
            one for one in made if name == one.name or (name is None and one.name.startswith(head(plan.target.name)))
        ]
        if len(ours) != 1:
            return Look(Answer.UNKNOWN, f"{len(ours)} DB instances could be the one that was restored")
        found = ours[0]
        if is_stuck(found.status):
            return Look(Answer.UNKNOWN, f"{found}: it will not become available by itself")
        return Look(Answer.of(found.available), f"{found} at {found.address or 'no address yet'}")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


_METHODS: Final = {
    "RestoreDBInstanceFromDBSnapshot": "restore_db_instance_from_db_snapshot",
    "RestoreDBInstanceToPointInTime": "restore_db_instance_to_point_in_time",
}


def _writes(source: str) -> tuple[IamPermission, ...]:
    snapshot = source == "snapshot"
    action = "rds:RestoreDBInstanceFromDBSnapshot" if snapshot else "rds:RestoreDBInstanceToPointInTime"
    touched = (*_TOUCHED, "snapshot:*") if snapshot else _TOUCHED
    return (
        *(IamPermission(action, f"{_OF}{one}", writes=True) for one in touched),
        IamPermission("rds:AddTagsToResource", f"{_OF}db:*", writes=True),
    )


def _asked_for(found: DbInstance, params: Params, snapshot: DbSnapshot | None) -> tuple[IamPermission, ...]:
    """On what this copy is made with and named: a policy may be as narrow."""
    named = {
        "db:*": f"db:{params.name or f'{head(found.name)}*'}",
        "subgrp:*": f"subgrp:{found.shape.get('DBSubnetGroupName', '*')}",
        "pg:*": f"pg:{found.shape.get('DBParameterGroupName', '*')}",
        "snapshot:*": f"snapshot:{'*' if snapshot is None else snapshot.name}",
    }
    return tuple(
        replace(one, resource=f"{_OF}{named.get(one.resource.removeprefix(_OF), one.resource.removeprefix(_OF))}")
        for one in _writes(params.source)
    )


def _as_it_was(back: timedelta | None, snapshot: DbSnapshot | None) -> str:
    if snapshot is not None:
        return f"as in {snapshot.name} of {snapshot.made_at:%Y-%m-%d %H:%M:%S}Z"
    return f"as it was {format_duration(back)} before" if back is not None else "as late as it can be restored"


def _call(
    found: DbInstance, source: str, new: str, *, snapshot: str | None, at: datetime | None = None
) -> tuple[str, dict[str, Any]]:
    """The restored one is as the old one is: else it would get the default network, firewall and parameters."""
    if source == "snapshot":
        asked = {"DBInstanceIdentifier": new, "DBSnapshotIdentifier": snapshot, **found.shape}
        return "RestoreDBInstanceFromDBSnapshot", asked
    when: dict[str, Any] = {"UseLatestRestorableTime": True}
    if source == "before":
        when = {"RestoreTime": "<time of writing, less back>" if at is None else at}
    asked = {"SourceDBInstanceIdentifier": found.name, "TargetDBInstanceIdentifier": new, **when, **found.shape}
    return "RestoreDBInstanceToPointInTime", asked


def _new_name(plan: Plan, intent_id: str) -> str:
    return str(plan.params["name"] or derived_name(plan.target.name, intent_id))


async def _named(api: AwsApi, name: str) -> DbInstance | None:
    try:
        return await read_instance(api, name)
    except TargetNotFoundError:
        return None


def _is_ours(found: DbInstance | None, intent_id: str) -> bool:
    return found is not None and found.tags.get(INTENT_TAG) == intent_id


async def _newest_snapshot(api: AwsApi, target: Target) -> DbSnapshot:
    usable = [one for one in await snapshots_of(api, target) if one.available and one.made_at is not None]
    if not usable:
        raise PlanRefusedError("no_snapshot", f"there is no snapshot of {target.short} that is available")
    return usable[-1]
