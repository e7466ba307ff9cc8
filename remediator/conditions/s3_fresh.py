"""``s3_fresh``: was something of the expected size put under a prefix of a bucket a short while ago?"""

import re
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
            now = world.aws.now()
        except (TemplateError, TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        where = f"s3://{bucket}/{prefix}"
        wanted = f"wanted: {int(params.min_size)} bytes or more, {format_duration(params.within)} old or less"
        if found.newest is not None and now - found.newest.modified_at <= params.within:
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
