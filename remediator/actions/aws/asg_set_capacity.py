"""``aws.asg_set_capacity``: how many instances an Auto Scaling group is to have, within the bounds that it has."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.aws.fidelity import fidelity_of
from remediator.actions.aws.sizing import SizeParams
from remediator.actions.aws.write_once import not_there, write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.aws.autoscaling import (
    GROUP_ARN,
    READ_ACTIVITIES,
    READ_GROUP,
    READ_POLICIES,
    SERVICE,
    Activity,
    Group,
    newest_activities,
    read_group,
    scaling_policies,
)
from remediator.clients.aws.ownership import cluster_autoscaler, stacks_of
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target

_WRITE = IamPermission("autoscaling:SetDesiredCapacity", GROUP_ARN, writes=True)
_CHANGED = re.compile(r"chang(?:ing|ed) the desired capacity from (\d+) to (\d+)")
_BY_USER = "user request"


class Params(SizeParams):
    """A number of instances."""

    autoscaled: Literal["refuse", "accept"] = Field(
        "refuse",
        description="accept: also where scaling policies or a Cluster Autoscaler may change the number again",
    )


class AsgSetCapacity:
    """Growing is kept when refuted, shrinking put back. AWS keeps no mark of who set the number, but tells each change of it, by
    whose wish and from where to where, among its activities."""

    name: ClassVar[str] = "aws.asg_set_capacity"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"asg"})
    effect_within: ClassVar[timedelta] = timedelta(minutes=20)

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return (READ_GROUP, READ_ACTIVITIES, READ_POLICIES, _WRITE)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        return "keep" if params.grows else "undo"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            group = await read_group(ctx.aws, target.name)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        activities = await newest_activities(ctx.aws, group.name)
        policies = await scaling_policies(ctx.aws, group.name)
        wanted = _wanted(group, params)
        _refuse_what_others_size(group, policies, params)
        _refuse_what_cannot_be_done(ctx, group, wanted, activities)
        return _plan(
            self,
            target,
            group,
            wanted,
            activities,
            fidelity=await fidelity_of(ctx, target, (replace(_WRITE, resource=group.arn),)),
            params=params.model_dump(mode="json"),
            owners=stacks_of(group.tags),
            summary=f"set Auto Scaling group {group.name} from {group.desired} to {wanted} instances",
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id  # the API takes no mark
        wanted = int(plan.changes[0].after)
        return await write_once(
            plan,
            read=lambda: read_group(ctx.aws, plan.target.name),
            present=_dependencies,
            write=lambda group: ctx.aws.write(
                SERVICE,
                "set_desired_capacity",
                AutoScalingGroupName=group.name,
                DesiredCapacity=wanted,
                HonorCooldown=False,
            ),
            busy=frozenset({"ScalingActivityInProgress"}),
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del intent_id  # by activities that were not there when the plan was made
        before, after = int(plan.changes[0].before), int(plan.changes[0].after)
        try:
            group = await read_group(ctx.aws, plan.target.name)
            since = await _since(ctx, plan, group)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if group.arn != plan.uid:
            return Look(Answer.UNKNOWN, f"{group.name} was made again; the one that was to be changed is gone")
        if any(_BY_USER in one.cause and (before, after) in _changes(one) for one in since):
            return Look(Answer.YES, f"an activity of {group.name} tells a user's request from {before} to {after}")
        if group.desired == before and not any(_changes(one) for one in since):
            return not_there(ctx, begun_at, f"{group.name} wants {before} as before, and no activity tells of a change")
        return Look(Answer.UNKNOWN, f"{group.name} wants {group.desired}; no activity tells yet who set that")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        try:
            group = await read_group(ctx.aws, plan.target.name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if group.arn != plan.uid:
            return Look(Answer.UNKNOWN, f"{group.name} was made again since")
        wanted = int(plan.changes[0].after)
        done = group.desired == wanted == group.in_service == len(group.members)
        return Look(answer_of(done), str(group))

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        """Only while the number and the bounds are as this step left them and no other change of it is told."""
        del intent_id
        before, after = int(plan.changes[0].before), int(plan.changes[0].after)
        try:
            group = await read_group(ctx.aws, plan.target.name)
        except TargetNotFoundError:
            return None
        since = await _since(ctx, plan, group)
        as_left = {**plan.depends_on, "desired": after}
        others = [pair for one in since for pair in _changes(one) if pair != (before, after)]
        if _dependencies(group) != as_left or others:
            return None
        return _plan(
            self,
            plan.target,
            group,
            before,
            await newest_activities(ctx.aws, group.name),
            fidelity=plan.fidelity,
            # Not checked: what was there before may be more than a playbook may ask for.
            params=Params.model_construct(to=before).model_dump(mode="json"),
            owners=(),
            summary=f"put Auto Scaling group {group.name} back from {after} to {before} instances",
        )


def _wanted(group: Group, params: Params) -> int:
    """Within the group's own bounds, too. One that is named outright must lie in them."""
    wanted = params.wanted(group.desired)
    if params.to is not None and not group.minimum <= wanted <= group.maximum:
        raise PlanRefusedError(
            "out_of_bounds",
            f"Auto Scaling group {group.name} may have {group.minimum} to {group.maximum} instances, so not {wanted}; "
            "whoever owns it sets its bounds",
        )
    clipped = min(max(wanted, group.minimum), group.maximum)
    if clipped == group.desired:
        raise PlanRefusedError(
            "nothing_to_change",
            f"Auto Scaling group {group.name} wants {group.desired} instances already and may have {group.minimum} to "
            f"{group.maximum}{params.bound}",
        )
    return clipped


def _refuse_what_others_size(group: Group, policies: tuple[str, ...], params: Params) -> None:
    if nodegroup := group.tags.get("eks:nodegroup-name"):
        raise PlanRefusedError(
            "belongs_to_nodegroup",
            f"Auto Scaling group {group.name} belongs to the EKS node group {nodegroup}, which would put it back: scale that "
            "(aws.eks_nodegroup_scale)",
        )
    if params.autoscaled == "accept":
        return
    if policies:
        raise PlanRefusedError(
            "autoscaler_owns_size",
            f"scaling policies of {group.name} ({', '.join(policies[:3])}) decide its size and may change it again: raise its "
            "MinSize where it is kept, or let the playbook say autoscaled: accept",
        )
    if autoscaler := cluster_autoscaler(group.tags):
        raise PlanRefusedError(
            "autoscaler_owns_size",
            f"a Cluster Autoscaler may size {group.name} (tag {autoscaler}) and would change it again: change its bounds where "
            "they are kept, or let the playbook say autoscaled: accept",
        )


def _refuse_what_cannot_be_done(
    ctx: ActionContext, group: Group, wanted: int, activities: tuple[Activity, ...]
) -> None:
    if group.being_deleted:
        raise PlanRefusedError("terminating", f"Auto Scaling group {group.name} is being deleted")
    needed = "Launch" if wanted > group.desired else "Terminate"
    if needed in group.suspended:
        raise PlanRefusedError(
            "process_suspended",
            f"the process {needed} of Auto Scaling group {group.name} is suspended, so the number would change and the instances "
            "would not: resume it first",
        )
    running = [one for one in activities if one.under_way]
    if running and not ctx.own_changes:
        raise PlanRefusedError(
            "scaling_in_progress",
            f"Auto Scaling group {group.name} is at work: {running[0].description[:200]}",
            kind="wait",
        )


def _plan(
    action: AsgSetCapacity,
    target: Target,
    group: Group,
    wanted: int,
    activities: tuple[Activity, ...],
    *,
    fidelity: Fidelity,
    params: dict[str, Any],
    owners: tuple[str, ...],
    summary: str,
) -> Plan:
    body = {"AutoScalingGroupName": group.name, "DesiredCapacity": wanted, "HonorCooldown": False}
    return Plan(
        action=action.name,
        version=action.version,
        target=target,
        uid=group.arn,
        depends_on=_dependencies(group),
        changes=(Change("DesiredCapacity", group.desired, wanted),),
        calls=(Call("autoscaling:SetDesiredCapacity", group.arn, body),),
        fidelity=fidelity,
        summary=summary,
        params=params,
        memory={"activities": [one.id for one in activities]},
        owners=owners,
    )


def _dependencies(group: Group) -> dict[str, Any]:
    return {
        "uid": group.arn,
        "desired": group.desired,
        "minimum": group.minimum,
        "maximum": group.maximum,
        "suspended": sorted(group.suspended),
    }


async def _since(ctx: ActionContext, plan: Plan, group: Group) -> list[Activity]:
    known = set(plan.memory["activities"])
    return [one for one in await newest_activities(ctx.aws, group.name) if one.id not in known]


def _changes(activity: Activity) -> list[tuple[int, int]]:
    return [(int(before), int(after)) for before, after in _CHANGED.findall(activity.cause)]
