"""What a set of playbooks needs of the accounts at AWS that settings name: every permission, on which resources, for which playbook.

Pure. Names that a playbook fixes become names in ARNs; names that come from labels are narrowed to what settings let be changed.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase

from remediator.clients.permissions import IamPermission
from remediator.engine.named_target import AWS_KINDS, NamedTarget
from remediator.engine.needs import rights_of
from remediator.playbooks.model import Only, Playbook, TargetSpec
from remediator.settings import AwsAccount
from remediator.targets import WITHIN

_CLASS = re.compile(r"\[[^\]]*\]")
"""Patterns of settings may hold one; those of IAM know ``*`` and ``?`` only."""


@dataclass(frozen=True, order=True, slots=True)
class IamNeed:
    """One permission on one resource of one account."""

    account: str
    """Its number."""
    region: str
    permission: IamPermission
    resource: str
    """An ARN with its places filled, or ``*``."""
    playbooks: tuple[str, ...]

    @property
    def to_act(self) -> bool:
        """Is it needed only where a playbook acts, by itself or after a yes? To propose, reading is enough."""
        return self.permission.writes

    def __str__(self) -> str:
        which = f"playbook{'s' if len(self.playbooks) > 1 else ''} {', '.join(self.playbooks)}"
        return f"needs {self.permission.action} on {self.resource} (account {self.account}, {self.region}; for {which})"


def iam_needs(playbooks: Iterable[Playbook], accounts: Mapping[str, AwsAccount]) -> tuple[IamNeed, ...]:
    """Sorted, each permission and resource once. Nothing for targets that settings let nobody change."""
    found: dict[tuple[str, str, IamPermission, str], set[str]] = {}
    for playbook in playbooks:
        for name, account in accounts.items():
            for region in account.regions:
                if _admits(playbook.only, {name, account.id, *account.aliases}, region):
                    for permission, resource in _in_place(playbook, account, region):
                        found.setdefault((account.id, region, permission, resource), set()).add(playbook.name)
    return tuple(sorted(IamNeed(*place, tuple(sorted(names))) for place, names in found.items()))


def partition_of(region: str) -> str:
    """As ARNs begin."""
    return "aws-cn" if region.startswith("cn-") else "aws-us-gov" if region.startswith("us-gov-") else "aws"


def _admits(only: Only, account: set[str], region: str) -> bool:
    """A playbook may name an account by any of its names."""
    return (only.account is None or bool(account.intersection(only.account))) and (
        only.region is None or region in only.region
    )


def _in_place(playbook: Playbook, account: AwsAccount, region: str) -> Iterator[tuple[IamPermission, str]]:
    for key, spec in playbook.target_specs.items():
        rights = [one for one in rights_of(playbook, key, spec) if isinstance(one, IamPermission)]
        for within, name in _names(playbook, spec, account, region) if spec.type in AWS_KINDS else (("*", "*"),):
            for right in rights:
                yield (
                    right,
                    right.on(
                        partition=partition_of(region), account=account.id, region=region, name=name, within=within
                    ),
                )


def _names(playbook: Playbook, spec: TargetSpec, account: AwsAccount, region: str) -> set[tuple[str, str]]:
    """What such a target may be called, and within what: as the playbook says it, else as settings do."""
    kind = AWS_KINDS[spec.type]
    patterns = {_pattern(one, kind) for one in account.targets if one.partition("/")[0] in (kind, "*")}
    fixed = _fixed(playbook, spec, f"{account.id}/{region}")
    if fixed is None:
        return patterns
    short = "/".join(one for one in fixed if one) if kind in WITHIN else fixed[1]
    allowed = any(fnmatchcase(f"{kind}/{short}", one) for one in account.targets)
    return {fixed} if allowed else set()


def _pattern(listed: str, kind: str) -> tuple[str, str]:
    pattern = _CLASS.sub("?", listed.partition("/")[2])
    within, slash, name = pattern.rpartition("/")
    # A star of settings also stands for the slash.
    return (within or "*", name) if slash and kind in WITHIN else ("*", pattern)


def _fixed(playbook: Playbook, spec: TargetSpec, place: str) -> tuple[str, str] | None:
    """Within what and by which name, where no label has a part in it."""
    chosen = getattr(spec, spec.type)
    fields = {field: spec.always(field, playbook.vars) for field in type(chosen).model_fields}
    if any(value is None for value in fields.values()):
        return None
    named = NamedTarget(place, spec.type, {field: value for field, value in fields.items() if value is not None})
    return named.within or "*", named.name
