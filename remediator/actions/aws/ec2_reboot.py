"""``aws.ec2_reboot``: reboot one EC2 instance."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.aws.write_once import write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.aws.ec2 import (
    INSTANCE_ARN,
    READ_INSTANCE,
    READ_STATUS,
    SERVICE,
    Instance,
    read_checks,
    read_instance,
)
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target

_WRITE = IamPermission("ec2:RebootInstances", INSTANCE_ARN, writes=True)


class Params(ActionParams):
    """What has to be said before an instance is rebooted whose group may mistake that for a failure."""

    in_group: Literal["refuse", "accept"] = Field(
        "refuse",
        description="accept: also an instance of an Auto Scaling group, whose health checks may replace it meanwhile",
    )


class Ec2Reboot:
    """Leaves no mark anywhere that AWS would show: state, launch time and id stay. After a lost answer a person is asked, since a
    second reboot is a second outage. Not undone."""

    name: ClassVar[str] = "aws.ec2_reboot"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"ec2-instance"})

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return (READ_INSTANCE, READ_STATUS, _WRITE)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            instance = await read_instance(ctx.aws, target.name)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        if instance.state != "running":
            raise PlanRefusedError(
                "not_running",
                f"instance {instance.id} is {instance.state}; only one that runs can be rebooted",
                kind="wait" if instance.state == "pending" else "refuse",
            )
        if instance.group is not None and params.in_group != "accept":
            raise PlanRefusedError(
                "in_a_group",
                f"instance {instance.id} belongs to Auto Scaling group {instance.group}, which may end it while it reboots: replace it "
                "(aws.asg_replace_instance), or let the playbook say in_group: accept",
            )
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=instance.id,
            depends_on=_dependencies(instance),
            changes=(Change("operating system", "running", "booted anew"),),
            calls=(Call("ec2:RebootInstances", str(target), {"InstanceIds": [instance.id]}),),
            fidelity=Fidelity.SERVER,
            summary=f"reboot EC2 instance {instance.id}",
            params=params.model_dump(mode="json"),
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id  # the API takes no mark
        return await write_once(
            plan,
            read=lambda: read_instance(ctx.aws, plan.target.name),
            present=_dependencies,
            write=lambda instance: ctx.aws.write(SERVICE, "reboot_instances", InstanceIds=[instance.id]),
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del ctx, intent_id, begun_at
        return Look(
            Answer.UNKNOWN,
            f"a reboot leaves no mark at AWS; CloudTrail tells of it after some minutes (RebootInstances on {plan.target.name})",
        )

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        """By EC2's own checks. They lag by a minute or two, so a remedy's own verification should hold for longer."""
        del applied
        try:
            checks = await read_checks(ctx.aws, plan.target.name)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        return Look(answer_of(checks.ok), str(checks))

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def _dependencies(instance: Instance) -> dict[str, Any]:
    return {"uid": instance.id, "state": instance.state, "group": instance.group}
