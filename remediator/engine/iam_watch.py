"""What IAM would refuse of what the playbooks in force need, by its own simulation: told while nothing depends on it yet.

Reading is no proof for the rest: a role may look at everything and reboot nothing. Where the role may not ask the simulation,
nothing is known beforehand; plans say so too (``recorded``).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from remediator.answers import Answer
from remediator.clients.aws.api import AwsApi
from remediator.engine.iam_needs import IamNeed, iam_needs
from remediator.errors import RemediatorError
from remediator.playbooks.model import Playbook
from remediator.settings import AwsAccount


@dataclass(frozen=True, slots=True)
class IamAccess:
    """What IAM said."""

    lacking: tuple[IamNeed, ...] = ()
    unanswered: Mapping[str, str] = field(default_factory=dict)
    """Account and region that could not be asked at all, and why: no credential, or that of another account."""
    not_simulated: tuple[str, ...] = ()
    """Accounts whose simulation the role may not ask, or that gave no answer."""


async def look_at_aws(
    playbooks: Iterable[Playbook],
    accounts: Mapping[str, AwsAccount],
    clients: Mapping[str, AwsApi],
    acting: Collection[str],
) -> IamAccess:
    """Ask for every permission that these playbooks need; of those for changes only what the ``acting`` ones do. Raises nothing."""
    lacking: list[IamNeed] = []
    unanswered: dict[str, str] = {}
    silent: set[str] = set()
    for need in iam_needs(playbooks, accounts):
        place = f"{need.account}/{need.region}"
        if (
            place in unanswered
            or place not in clients
            or (need.to_act and not set(acting).intersection(need.playbooks))
        ):
            continue
        try:
            await clients[place].reached()
        except RemediatorError as error:
            unanswered[place] = str(error)
            continue
        if need.account in silent:
            continue
        match await clients[place].would_allow(need.permission, need.resource):
            case Answer.NO:
                lacking.append(need)
            case Answer.UNKNOWN:
                silent.add(need.account)
    return IamAccess(tuple(lacking), unanswered, tuple(sorted(silent)))
