"""What every simulated AWS service is, what it is called with, and how it refuses."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from remediator.sandbox.aws.cloud import Cloud
    from remediator.sandbox.aws.principals import Principal


class Refused(Exception):  # noqa: N818 - the word that services are written with
    """The service answers with this error.

    `code` is the one on the wire ("InvalidDBInstanceState"). `status` None: the one that the model gives that code, else 400.
    `members`: what the error has beside its message, by the model.
    """

    def __init__(
        self, code: str, message: str = "", status: int | None = None, members: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members = dict(members or {})


@dataclass(frozen=True, slots=True)
class Call:
    """One operation asked for. `params` are typed as the model says: times are aware, numbers are numbers."""

    service: str
    operation: str
    params: dict[str, Any]
    region: str
    principal: "Principal"
    at: datetime
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def access_key(self) -> str:
        return self.principal.access_key

    @property
    def account(self) -> str:
        return self.principal.account

    @property
    def dry_run(self) -> bool:
        """Asked for with EC2's own DryRun, which other services do not have."""
        return self.service == "ec2" and self.params.get("DryRun") is True


class Service:
    """One service of one account, every region of it.

    An operation is a method of its name: `async def RebootDBInstance(self, call) -> dict`; what it returns has the shape of the
    model's output, and members that the model does not know fail loudly. An operation without a method is unknown to this AWS.
    """

    name: ClassVar[str]
    """botocore's name of it."""

    def __init__(self, cloud: "Cloud") -> None:
        self.cloud = cloud
        self.account = cloud.account


def paged(
    items: list[Any], params: Mapping[str, Any], *, token: str, limit: str, default: int = 100
) -> tuple[list[Any], str | None]:
    """One page of `items`, and the token of the next (None at the end); `token`, `limit` are the names of the parameters."""
    try:
        start = int(params.get(token) or 0)
    except ValueError:
        raise Refused("InvalidParameterValue", f"Invalid {token}") from None
    end = start + int(params.get(limit) or default)
    return items[start:end], str(end) if end < len(items) else None
