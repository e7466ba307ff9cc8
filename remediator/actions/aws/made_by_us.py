"""Names and marks of what a step makes at AWS: derived from its intent, so that every attempt at it makes the same thing."""

import re
from typing import Final

from remediator.clients.aws.rds import INTENT_TAG

_KEPT: Final = 26
"""Characters of an intent that tell it apart: all of them."""
_NOT_ALLOWED = re.compile(r"[^a-z0-9]+")
_LONGEST: Final = 63

SHOWN: Final = "<name derived from the intent>"


def derived_name(of: str, intent_id: str) -> str:
    """As RDS takes it: lower-case letters, digits and single hyphens, a letter first, no hyphen last."""
    return head(of) + intent_id.rpartition("_")[2][-_KEPT:]


def head(of: str) -> str:
    """How the names of all begin that are made of this one."""
    allowed = _NOT_ALLOWED.sub("-", of.lower()).strip("-")
    if not allowed[:1].isalpha():
        allowed = f"db-{allowed}"
    return f"{allowed[: _LONGEST - _KEPT - 1].strip('-')}-"


def tags(intent_id: str) -> dict[str, str]:
    """Of everything that a step makes."""
    return {INTENT_TAG: intent_id}
