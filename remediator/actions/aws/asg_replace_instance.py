"""``aws.asg_replace_instance``: have an Auto Scaling group end one of its instances and start another in its place."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.aws.fidelity import fidelity_of
from remediator.actions.aws.write_once import not_there, write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.aws.autoscaling import (
    ANY_GROUP_ARN,
    READ_ACTIVITIES,
    READ_GROUP,
    READ_INSTANCE,
    SERVICE,
    Group,
    group_of,
    newest_activities,
    read_group,
)
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

_WRITE = IamPermission("autoscaling:TerminateInstanceInAutoScalingGroup", ANY_GROUP_ARN, writes=True)
_GOING = "Terminat"


class Params(ActionParams):
    """What has to be said before more than a plain replacement is done."""

    last_instance: Literal["refuse", "accept"] = Field(
        "refuse", description="accept: also when no other instance of the group is in service"
    )
    protected: Literal["refuse", "accept"] = Field(
        "refuse", description="accept: also an instance that is protected from scale-in"
    )


@dataclass(frozen=True, slots=True)
class Placed:
    """An instance and the group that it is in."""

    instance: str
    group: Group


class AsgReplaceInstance:
    """The number of instances stays as it is. Not undone: what is ended is gone, with what was on its disks.

    Mark: exactly this instance leaving. An instance's id is never used again.
    """

    name: ClassVar[str] = "aws.asg_replace_instance"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"ec2-instance"})
    effect_within: ClassVar[timedelta] = timedelta(minutes=20)

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return (READ_INSTANCE, READ_GROUP, READ_ACTIVITIES, _WRITE)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            placed = await _placed(ctx, target.name)
        except TargetNotFoundError as error:
            raise PlanRefusedError(
                "not_in_a_group",
                f"instance {target.name} is in no Auto Scaling group, so nothing would replace it ({error}); "
                "aws.ec2_reboot is for such",
            ) from None
        _refuse(placed, params)
        running = [one for one in await newest_activities(ctx.aws, placed.group.name) if one.under_way]
        if running and not ctx.own_changes:
            raise PlanRefusedError(
                "scaling_in_progress",
                f"Auto Scaling group {placed.group.name} is at work: {running[0].description[:200]}",
                kind="wait",
            )
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=target.name,
            depends_on=_dependencies(placed),
            changes=(Change(f"instance of {placed.group.name}", target.name, "another in its place"),),
            calls=(Call("autoscaling:TerminateInstanceInAutoScalingGroup", placed.group.arn, _body(target.name)),),
            fidelity=await fidelity_of(ctx, target, (replace(_WRITE, resource=placed.group.arn),)),
            summary=f"have Auto Scaling group {placed.group.name} replace instance {target.name}",
            params=params.model_dump(mode="json"),
            memory={"group": placed.group.name, "members": [one.id for one in placed.group.members]},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id  # the API takes no mark
        return await write_once(
            plan,
            read=lambda: _placed(ctx, plan.target.name),
            present=_dependencies,
            write=lambda placed: ctx.aws.write(
                SERVICE, "terminate_instance_in_auto_scaling_group", **_body(placed.instance)
            ),
            busy=frozenset({"ScalingActivityInProgress"}),
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del intent_id
        try:
            group = await read_group(ctx.aws, str(plan.memory["group"]))
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        member = group.member(plan.target.name)
        if member is None:
            return Look(Answer.YES, f"instance {plan.target.name} is no longer in {group.name}")
        if member.state.startswith(_GOING):
            return Look(Answer.YES, f"instance {member.id} is {member.state}")
        return not_there(ctx, begun_at, f"instance {member.id} is {member.state} and not leaving")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        try:
            group = await read_group(ctx.aws, str(plan.memory["group"]))
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        gone = group.member(plan.target.name) is None
        return Look(
            answer_of(gone and group.in_service >= group.desired),
            f"{plan.target.name} {'is gone' if gone else 'is still there'}; {group}",
        )

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


async def _placed(ctx: ActionContext, instance: str) -> Placed:
    name = await group_of(ctx.aws, instance)
    if name is None:
        raise TargetNotFoundError(f"no Auto Scaling group in {ctx.aws.region} has instance {instance}")
    return Placed(instance, await read_group(ctx.aws, name))


def _refuse(placed: Placed, params: Params) -> None:
    group, member = placed.group, placed.group.member(placed.instance)
    if member is None or member.state.startswith(_GOING):
        raise PlanRefusedError("going_already", f"instance {placed.instance} is leaving {group.name} already")
    if not (member.state == "InService" or member.state.startswith("Pending")):
        raise PlanRefusedError(
            "not_in_service",
            f"instance {placed.instance} is {member.state} in {group.name}: somebody has taken it out on purpose",
        )
    if stopped := sorted(group.suspended & {"Launch", "Terminate"}):
        raise PlanRefusedError(
            "process_suspended",
            f"the process {' and '.join(stopped)} of Auto Scaling group {group.name} is suspended, so nothing would come in its "
            "place: resume it first",
        )
    if group.being_deleted:
        raise PlanRefusedError("terminating", f"Auto Scaling group {group.name} is being deleted")
    if member.protected and params.protected != "accept":
        raise PlanRefusedError(
            "protected",
            f"instance {placed.instance} is protected from scale-in; take that away, or let the playbook say protected: accept",
        )
    others = [one for one in group.members if one.id != placed.instance and one.in_service]
    if not others and params.last_instance != "accept":
        raise PlanRefusedError(
            "last_instance",
            f"no other instance of {group.name} is in service; let the playbook say last_instance: accept if that may be",
        )


def _dependencies(placed: Placed) -> dict[str, Any]:
    member = placed.group.member(placed.instance)
    return {
        "uid": placed.instance,
        "group": placed.group.arn,
        "state": None if member is None else member.state,
        "suspended": sorted(placed.group.suspended),
    }


def _body(instance: str) -> dict[str, Any]:
    return {"InstanceId": instance, "ShouldDecrementDesiredCapacity": False}
