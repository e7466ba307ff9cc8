"""AWS WAF's address sets. Every write sends the whole set with the token of the read before it, so none can undo another's.

The set's description carries the marks of our last writes behind what people wrote there: addresses have no field for one.
"""

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.targets import Target

_SETS = "arn:{partition}:wafv2:{region}:{account}:*/ipset/*"
READ_SETS = (IamPermission("wafv2:ListIPSets"), IamPermission("wafv2:GetIPSet", _SETS))
WRITE_SET = (IamPermission("wafv2:UpdateIPSet", _SETS, writes=True),)

MOST_ADDRESSES = 10_000
CLOUDFRONT_REGION = "us-east-1"
"""Sets of scope CLOUDFRONT can only be reached there."""
_DESCRIPTION_LIMIT = 256
_MARKS_KEPT = 8
_MARK_LENGTH = 12
_MARKS = re.compile(rf"\s*remediator:(?P<marks>[0-9a-f]{{{_MARK_LENGTH}}}(?:,[0-9a-f]{{{_MARK_LENGTH}}})*)$")
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@dataclass(frozen=True, slots=True)
class IpSet:
    """One set as it was read, with the token that a write must show."""

    name: str
    scope: str
    id: str
    uid: str
    version: int
    """4 or 6: a set holds addresses of one kind only."""
    addresses: tuple[str, ...]
    description: str
    marks: tuple[str, ...]
    lock_token: str

    def holds(self, network: _Network) -> bool:
        """Is all of it in the set, as itself or within a wider entry?"""
        return any(_within(network, written) for written in self.addresses)

    def lists(self, network: _Network) -> bool:
        """Is it an entry of its own?"""
        return any(_same(network, written) for written in self.addresses)

    def marked(self, intent: str) -> bool:
        return mark_of(intent) in self.marks


def scope_and_name(target: Target) -> tuple[str, str]:
    """An address' target stands within ``regional:blocked``."""
    scope, _, name = target.within.partition(":")
    return scope.upper(), name


def mark_of(intent: str) -> str:
    """Short, since the description has room for 256 characters in all."""
    return hashlib.sha256(intent.encode()).hexdigest()[:_MARK_LENGTH]


async def ip_set(api: AwsApi, target: Target) -> IpSet:
    """The set within which the target stands.

    Raises:
        TargetNotFoundError: there is no such set.
        FactsMissingError: it could not be read.
    """
    scope, name = scope_and_name(target)
    if scope == "CLOUDFRONT" and api.region != CLOUDFRONT_REGION:
        raise FactsMissingError(f"sets of scope cloudfront are in {CLOUDFRONT_REGION} only, and this is {api.region}")
    marker: dict[str, str] = {}
    while True:
        page = await api.read("wafv2", "list_ip_sets", Scope=scope, Limit=100, **marker)
        for one in page.get("IPSets", ()):
            if one["Name"] == name:
                return await _read(api, name, scope, str(one["Id"]))
        if not page.get("NextMarker") or not page.get("IPSets"):
            raise TargetNotFoundError(f"there is no IP set {name} of scope {scope.lower()} in {api.region}")
        marker = {"NextMarker": str(page["NextMarker"])}


async def exists(api: AwsApi, target: Target) -> None:
    """For the target's finder: any address can be put into a set that is there; raises TargetNotFoundError where it is not."""
    await ip_set(api, target)


async def put(api: AwsApi, found: IpSet, network: _Network, intent: str) -> str | None:
    """Add the network to the set as it was read. The next token; None in a dry-run, where nothing is sent.

    Raises:
        PermanentError: with code ``WAFOptimisticLockException`` when somebody wrote since; nothing was written.
    """
    return await _write(api, found, (*found.addresses, str(network)), intent)


async def take_out(api: AwsApi, found: IpSet, network: _Network, intent: str) -> str | None:
    """Remove the entry that is this network. As ``put`` otherwise."""
    kept = tuple(written for written in found.addresses if not _same(network, written))
    return await _write(api, found, kept, intent)


async def _read(api: AwsApi, name: str, scope: str, set_id: str) -> IpSet:
    answer = await api.read("wafv2", "get_ip_set", Name=name, Scope=scope, Id=set_id)
    found: Mapping[str, Any] = answer["IPSet"]
    whole = str(found.get("Description", ""))
    marks = _MARKS.search(whole)
    return IpSet(
        name=name,
        scope=scope,
        id=set_id,
        uid=str(found["ARN"]),
        version=6 if found["IPAddressVersion"] == "IPV6" else 4,
        addresses=tuple(str(one) for one in found.get("Addresses", ())),
        description=whole[: marks.start()] if marks else whole,
        marks=tuple(marks["marks"].split(",")) if marks else (),
        lock_token=str(answer["LockToken"]),
    )


async def _write(api: AwsApi, found: IpSet, addresses: tuple[str, ...], intent: str) -> str | None:
    sent = await api.write(
        "wafv2",
        "update_ip_set",
        Name=found.name,
        Scope=found.scope,
        Id=found.id,
        Description=_described(found, intent),
        Addresses=list(addresses),
        LockToken=found.lock_token,
    )
    return None if sent is None else str(sent.get("NextLockToken", ""))


def _described(found: IpSet, intent: str) -> str:
    """What people wrote stays whole; the oldest marks go first where there is too little room."""
    marks = [*(one for one in found.marks if one != mark_of(intent)), mark_of(intent)][-_MARKS_KEPT:]
    while True:
        text = f"{found.description} remediator:{','.join(marks)}".lstrip()
        if len(text) <= _DESCRIPTION_LIMIT:
            return text
        if len(marks) == 1:  # no room for any: the words of people are worth more than a mark
            return found.description
        marks = marks[1:]


def _network(written: str) -> _Network | None:
    try:
        return ipaddress.ip_network(written, strict=False)
    except ValueError:
        return None


def _same(network: _Network, written: str) -> bool:
    return _network(written) == network


def _within(network: _Network, written: str) -> bool:
    entry = _network(written)
    if isinstance(network, ipaddress.IPv4Network) and isinstance(entry, ipaddress.IPv4Network):
        return network.subnet_of(entry)
    if isinstance(network, ipaddress.IPv6Network) and isinstance(entry, ipaddress.IPv6Network):
        return network.subnet_of(entry)
    return False
