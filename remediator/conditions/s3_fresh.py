"""``s3_fresh``: was something of the expected size put under a prefix of a bucket a short while ago?"""

import re
from datetime import timedelta
from typing import Any, ClassVar

from pydantic import ByteSize, Field

from remediator.answers import Answer
from remediator.clients.aws import s3
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_bucket import BucketParams
from remediator.durations import Duration, format_duration
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.playbooks.template import Template, TemplateError
from remediator.targets import Target

_CLOCKS = timedelta(seconds=30)
"""Our clock and that of S3, which tells whole seconds, may differ by so much."""
_PREFIX = re.compile(r"[-!_.*'()/=@:+ A-Za-z0-9]{0,512}")


class Params(BucketParams):
    """What counts as a fresh backup."""

    prefix: str = Field(
        "", max_length=512, description="how its key begins, such as database/; labels and vars may stand in it"
    )
    within: Duration = Field(description="it is at most so old")
    min_size: ByteSize = Field(
        ByteSize(1),
        validate_default=True,
        ge=1,
        description="it has at least so many bytes, such as 10MiB: a failed dump is often empty",
    )
    of_this_run: bool = Field(
        False,
        description="true, in verify: it was put there since this run was made, so that an older one proves nothing",
    )


class S3Fresh:
    """By the time at which S3 took the object and by its size, over all pages: the order of names says nothing about time."""

    name: ClassVar[str] = "s3_fresh"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind
        return s3.list_bucket(params.bucket)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del target
        try:
            bucket = params.filled(known)
            prefix = _prefix(params, known)
            found = await s3.under(world.aws, bucket, prefix, at_least=int(params.min_size))
            since = world.aws.now() - params.within
            if params.of_this_run:
                if known.run_since is None:
                    return Look(Answer.UNKNOWN, "there is no run yet that could have put something there")
                since = max(since, known.run_since - _CLOCKS)
        except (TemplateError, TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        where = f"s3://{bucket}/{prefix}"
        wanted = f"wanted: {int(params.min_size)} bytes or more, {format_duration(params.within)} old or less"
        wanted += ", and of this run" if params.of_this_run else ""
        if found.newest is not None and found.newest.modified_at >= since:
            return Look(Answer.YES, f"{where} has {found.newest}")
        if not found.complete:
            return Look(
                Answer.UNKNOWN, f"{where} has more than {found.objects} objects, which are not all read; narrow prefix"
            )
        newest = found.newest or found.newest_of_all
        return Look(Answer.NO, f"{where}: {f'the newest is {newest}' if newest else 'nothing is there'}; {wanted}")


def _prefix(params: Params, known: Known) -> str:
    """Labels may choose among backups, so they must be names and climb nowhere."""
    text = Template.parse(params.prefix).render(labels=known.labels, vars=known.variables)
    if not _PREFIX.fullmatch(text):
        raise TemplateError(f"{text[:80]!r} is no prefix that is asked for (letters, digits and /-_.!*'()=@:+)")
    return text
