"""``s3_reachable``: can remediator list a bucket?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.aws import s3
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_bucket import BucketParams
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.playbooks.template import TemplateError
from remediator.targets import Target


class S3Reachable:
    """As remediator sees it, with its own rights and its own way. No bucket is a known no; anything else that fails is unknown, since
    S3 answers whoever may not look just as it would without the object."""

    name: ClassVar[str] = "s3_reachable"
    params: ClassVar[type[ConditionParams]] = BucketParams

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind
        return s3.list_bucket(params.bucket)

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del target
        try:
            bucket = params.filled(known)
            await s3.reach(world.aws, bucket)
        except TargetNotFoundError as error:
            return Look(Answer.NO, str(error))
        except (TemplateError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        return Look(Answer.YES, f"bucket {bucket} can be listed")
