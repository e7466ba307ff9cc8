"""How much a plan at AWS proves, and the early no where IAM would not let it be carried out."""

from dataclasses import replace

from remediator.actions.base import ActionContext, PlanRefusedError
from remediator.answers import Answer
from remediator.clients.permissions import IamPermission
from remediator.runs.plan import Fidelity
from remediator.targets import Target


def only_on(permissions: tuple[IamPermission, ...], *arns: str) -> tuple[IamPermission, ...]:
    """The same on these alone: a policy may be narrower than what is declared for names that a playbook does not know, and the plan
    knows them."""
    return tuple(replace(one, resource=arn) for one in permissions for arn in arns)


async def fidelity_of(ctx: ActionContext, target: Target, permissions: tuple[IamPermission, ...]) -> Fidelity:
    """``simulated`` where IAM's own simulation allows the writes among these, ``recorded`` where it could not be asked.

    Raises:
        PlanRefusedError: IAM denies one of them.
    """
    writes = tuple(one for one in permissions if one.writes)
    match await ctx.aws.allowed(writes, target):
        case Answer.YES:
            return Fidelity.SIMULATED
        case Answer.UNKNOWN:
            return Fidelity.RECORDED
        case Answer.NO:
            named = ", ".join(str(one) for one in writes)
            raise PlanRefusedError(
                "permission_missing",
                f"IAM would not let remediator do this to {target.short}: it needs {named} "
                "(`remediator permissions --iam` prints the policy)",
            )
