"""``acm_renewed``: has the certificate been renewed?"""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.aws import acm
from remediator.clients.aws.acm import AcmCertificate, read_certificate
from remediator.clients.permissions import Right
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.durations import Duration, format_duration
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target


class Params(ConditionParams):
    """How much is enough."""

    valid_for: Duration = Field(timedelta(days=45), description="so long it must still be valid, at least")


class AcmRenewed:
    """Issued, valid for long enough, and no renewal of it waits or has failed: the old one alone, near its end, is a no."""

    name: ClassVar[str] = "acm_renewed"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Right, ...]:
        del params
        return (acm.READ,) if kind == "acm-certificate" else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        if target.kind != "acm-certificate":
            return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no certificate of ACM")
        try:
            found = await read_certificate(world.aws, target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        why = _why_not(found, known.now, params.valid_for)
        return Look(Answer.of(not why), f"{target.name}: {found}{why}")


def _why_not(found: AcmCertificate, now: datetime, valid_for: timedelta) -> str:
    if found.status != "ISSUED" or found.not_after is None:
        return "; it is not issued"
    if found.renewal is not None and found.renewal.status != "SUCCESS":
        waits = f" for {', '.join(found.unvalidated[:5])}" if found.unvalidated else ""
        return f"; not renewed yet{waits}"
    if found.not_after < now + valid_for:
        return f"; less than {format_duration(valid_for)} left"
    return ""
