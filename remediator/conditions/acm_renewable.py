"""``acm_renewable``: can this certificate be renewed, and by which of the two ways?"""

from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.aws import acm
from remediator.clients.aws.acm import AcmCertificate, read_certificate
from remediator.clients.permissions import Right
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target


class Params(ConditionParams):
    """ACM renews what it issued; what was imported it never does."""

    by: Literal["validation", "import"] = Field(
        "validation",
        description="validation: ACM's own, in use, validated by DNS; import: was imported, so a new one takes its place",
    )


class AcmRenewable:
    """A known no says which way is left. Whether its validation records are there is for `aws.acm_restore_validation` to see."""

    name: ClassVar[str] = "acm_renewable"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Right, ...]:
        del params
        return (acm.READ,) if kind == "acm-certificate" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del known
        if target.kind != "acm-certificate":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no certificate of ACM")
        try:
            found = await read_certificate(world.aws, target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        can = found.type == "IMPORTED" if params.by == "import" else _by_validation(found)
        used = "in use" if found.in_use else "used by nothing"
        how = f", validated by {', '.join(found.methods)}" if found.methods else ""
        return Look(Answer.of(can), f"{target.name}: {found}, {used}{how}")


def _by_validation(found: AcmCertificate) -> bool:
    waiting = found.status == "PENDING_VALIDATION" or (found.status == "ISSUED" and found.eligible)
    return found.type == "AMAZON_ISSUED" and found.methods == ("DNS",) and waiting
