"""Which bucket a condition is about: the playbook says it, and never a label."""

import re

from pydantic import Field, field_validator

from remediator.conditions.base import ConditionParams, Known
from remediator.playbooks.fields import TemplateText
from remediator.playbooks.template import Template, TemplateError

_BUCKET = re.compile(r"[a-z0-9][-.a-z0-9]{1,61}[a-z0-9]")


class BucketParams(ConditionParams):
    """Which bucket."""

    bucket: TemplateText = Field(description="name of the bucket; may hold {{ vars.x }}, no label")

    @field_validator("bucket")
    @classmethod
    def _has_no_label(cls, bucket: str) -> str:
        if Template.parse(bucket).label_names:
            raise ValueError("a label never chooses the bucket; accepted: a name, or {{ vars.x }}")
        if "{{" not in bucket:
            _checked(bucket)
        return bucket

    def filled(self, known: Known) -> str:
        """The name.

        Raises:
            TemplateError: a variable is missing, or it is no name of a bucket.
        """
        text = Template.parse(self.bucket).render(labels={}, vars=known.variables)
        try:
            return _checked(text)
        except ValueError as error:
            raise TemplateError(str(error)) from None


def _checked(bucket: str) -> str:
    if not _BUCKET.fullmatch(bucket):
        raise ValueError(
            f"{bucket[:80]!r} is no name of a bucket (3 to 63 lower-case letters, digits, hyphens and dots)"
        )
    return bucket
