"""What the conditions about certificates have in common: they are about a Certificate of cert-manager, and nothing else."""

from collections.abc import Sequence
from datetime import datetime

from remediator.answers import Answer
from remediator.clients.kubernetes.cert_manager import CertificateState
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.conditions.base import Look, World
from remediator.errors import FactsMissingError
from remediator.runs.plan import Plan
from remediator.targets import Target

KIND = "certificate"


async def certificate_or_unknown(world: World, target: Target) -> CertificateState | Look:
    """The target, or why nothing can be said."""
    if target.kind != KIND:
        return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no certificate of cert-manager")
    try:
        return await world.kubernetes.certificates.read(target)
    except (TargetNotFoundError, FactsMissingError) as error:
        return Look(Answer.UNKNOWN, str(error))


def renewal_by_this_run(done: Sequence[Plan], target: Target) -> Plan | None:
    """The plan of its last renewal."""
    return next(
        (plan for plan in reversed(done) if plan.action == "certmanager.renew" and plan.target == target),
        None,
    )


def told(at: datetime | None) -> str:
    """For people."""
    return "a time unknown" if at is None else f"{at:%Y-%m-%d %H:%M:%S}Z"
