"""Who calls, and what they may do."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

Allowed = tuple[str, str]
"""An action and the resources that it is allowed on, both with wildcards: ("rds:Reboot*", "arn:aws:rds:*:*:db:orders")."""


@dataclass(slots=True)
class Principal:
    """An access key, the account and the role it stands for. `allows` None: everything."""

    access_key: str
    account: str
    arn: str
    allows: list[Allowed] | None = None
    denies: list[str] = field(default_factory=list)
    expired: bool = False

    def may(self, action: str, resource: str | None = None) -> bool:
        """Whether the action is allowed; without a resource: on any at all."""
        if any(_matches(pattern, action) for pattern in self.denies):
            return False
        if self.allows is None:
            return True
        return any(
            _matches(pattern, action) and (resource is None or fnmatchcase(resource, on) or resource == "*")
            for pattern, on in self.allows
        )


def allowed(actions: Iterable[str | Allowed] | None) -> list[Allowed] | None:
    """Actions as they are handed over, alone or with a resource."""
    if actions is None:
        return None
    return [(one, "*") if isinstance(one, str) else one for one in actions]


def role_of(arn: str) -> str:
    """The ARN of the role behind an assumed one, as IAM knows it; another ARN as it is."""
    parts = arn.split(":", 5)
    if len(parts) == 6 and parts[2] == "sts" and parts[5].startswith("assumed-role/"):
        return f"arn:{parts[1]}:iam::{parts[4]}:role/{parts[5].split('/')[1]}"
    return arn


def _matches(pattern: str, action: str) -> bool:
    return fnmatchcase(action.lower(), pattern.lower())
