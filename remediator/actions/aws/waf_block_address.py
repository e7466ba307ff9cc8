"""``aws.waf_block_address``: put one address into an address set of AWS WAF, for the time that the step's ``for:`` says."""

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from remediator.actions.aws.fidelity import fidelity_of, only_on
from remediator.actions.aws.write_once import write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.addresses import not_public
from remediator.clients.aws import waf
from remediator.clients.aws.errors import AwsRefusedError
from remediator.clients.aws.waf import MOST_ADDRESSES, IpSet
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, TargetNotFoundError, TransientError
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

_READS = 5
"""How often a write is prepared anew because somebody else wrote in between."""
_WRITTEN_SINCE = "WAFOptimisticLockException"
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Params(ActionParams):
    """How much is blocked around the address, and what never is. Both are the playbook's: the address is an alert's label."""

    ipv4_prefix: int = Field(
        32, ge=24, le=32, description="length of the prefix that is blocked; 32 is the address alone"
    )
    ipv6_prefix: int = Field(128, ge=48, le=128, description="the same of IPv6; one customer often has a whole /64")
    never: tuple[str, ...] = Field(
        (),
        max_length=1000,
        description="addresses and networks that are never blocked, nor any network around them: offices, proxies, monitoring",
    )

    @field_validator("never")
    @classmethod
    def _are_networks(cls, never: tuple[str, ...]) -> tuple[str, ...]:
        for one in never:
            try:
                ipaddress.ip_network(one)
            except ValueError as error:
                raise ValueError(f"{error}; accepted: an address or a network such as 198.51.100.0/24") from None
        return never


class WafBlockAddress:
    """One entry of a set that others write too: every write is of the whole set against the token of the read before it.

    The target is the address, so each has its own time, its own reverse and its own limits.
    """

    name: ClassVar[str] = "aws.waf_block_address"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"waf-address"})

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return (*waf.READ_SETS, *waf.WRITE_SET)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "undo"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        network = _around(target, params.ipv4_prefix, params.ipv6_prefix)
        _refuse_ours(target.name, network, params.never)
        try:
            found = await waf.ip_set(ctx.aws, target)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target}: {error}") from None
        _refuse_by_set(found, network)
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=found.uid,
            depends_on={"uid": found.uid, "blocked": False},
            changes=(Change(f"{network} in {found.name}", False, True),),
            calls=(_call(found, network, "all that are there, and"),),
            fidelity=await fidelity_of(ctx, target, only_on(waf.WRITE_SET, found.uid)),
            summary=f"block {network} in IP set {found.name} ({found.scope.lower()})",
            params=params.model_dump(mode="json"),
            memory={"network": str(network)},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        network = ipaddress.ip_network(plan.memory["network"])
        adds = not plan.depends_on["blocked"]

        async def write(found: IpSet) -> dict[str, Any] | None:
            change = waf.put if adds else waf.take_out
            token = await change(ctx.aws, found, network, intent_id)
            return None if token is None else {}

        for reads_left in reversed(range(_READS)):
            try:
                return await write_once(
                    plan,
                    read=lambda: waf.ip_set(ctx.aws, plan.target),
                    present=lambda found: _dependencies(found, network, adds),
                    write=write,
                    marked=lambda found: found.marked(intent_id),
                )
            except AwsRefusedError as error:
                if error.code != _WRITTEN_SINCE:
                    raise
                if not reads_left:
                    raise TransientError(f"somebody else wrote each time that the set was read: {error}") from None
                # Certainly not written: the set is read again, and compared again.
        raise AssertionError("the last attempt returns or raises")

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at
        network = ipaddress.ip_network(plan.memory["network"])
        try:
            found = await waf.ip_set(ctx.aws, plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if found.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"IP set {found.name} was made again since")
        if found.marked(intent_id):
            return Look(Answer.YES, f"the description of IP set {found.name} has our mark")
        if found.lists(network) == plan.depends_on["blocked"]:
            return Look(Answer.NO, f"IP set {found.name} has no mark of ours, and {network} is as it was")
        return Look(Answer.UNKNOWN, f"{network} was changed in IP set {found.name}, and our mark is not there")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        network = ipaddress.ip_network(plan.memory["network"])
        try:
            found = await waf.ip_set(ctx.aws, plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        wanted = not plan.depends_on["blocked"]
        return Look(
            answer_of(found.lists(network) == wanted),
            f"{network} is {'' if found.lists(network) else 'not '}in IP set {found.name}",
        )

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        """Takes the entry out again. None when it is out already, or the set is another."""
        del intent_id
        if plan.depends_on["blocked"]:
            return None
        network = ipaddress.ip_network(plan.memory["network"])
        try:
            found = await waf.ip_set(ctx.aws, plan.target)
        except TargetNotFoundError:
            return None
        if found.uid != plan.uid or not found.lists(network):
            return None
        return Plan(
            action=self.name,
            version=self.version,
            target=plan.target,
            uid=plan.uid,
            depends_on={"uid": plan.uid, "blocked": True},
            changes=(Change(f"{network} in {found.name}", True, False),),
            calls=(_call(found, network, "all that are there, but"),),
            fidelity=await fidelity_of(ctx, plan.target, only_on(waf.WRITE_SET, found.uid)),
            summary=f"take {network} out of IP set {found.name} again",
            params=dict(plan.params),
            memory=dict(plan.memory),
        )


def _around(target: Target, ipv4_prefix: int, ipv6_prefix: int) -> _Network:
    address = ipaddress.ip_address(target.name)
    prefix = ipv4_prefix if address.version == 4 else ipv6_prefix
    return ipaddress.ip_network(f"{address}/{prefix}", strict=False)


def _refuse_ours(address: str, network: _Network, never: tuple[str, ...]) -> None:
    """Whoever can forge an alert chooses the address, so what must stay reachable is asked about the whole network."""
    for one in (address, str(network.network_address), str(network.broadcast_address)):
        # The ends of a wider network may be no addresses of machines, but must be public all the same.
        if (why := not_public(one)) is not None:
            raise PlanRefusedError("address_not_public", f"{one} is {why}; only public addresses are blocked")
    for kept in map(ipaddress.ip_network, never):
        if kept.version == network.version and kept.overlaps(network):
            raise PlanRefusedError("address_allowed", f"{network} has {kept} in it or is in it, which is never blocked")


def _refuse_by_set(found: IpSet, network: _Network) -> None:
    if network.version != found.version:
        raise PlanRefusedError(
            "wrong_kind_of_address",
            f"IP set {found.name} is for IPv{found.version} and {network} is IPv{network.version}; a set for it needs a playbook "
            "of its own",
        )
    if found.holds(network):
        raise PlanRefusedError("nothing_to_change", f"IP set {found.name} has {network} in it already")
    if len(found.addresses) >= MOST_ADDRESSES:
        raise PlanRefusedError(
            "set_is_full", f"IP set {found.name} has {len(found.addresses)} entries; AWS allows no more"
        )


def _dependencies(found: IpSet, network: _Network, adds: bool) -> Mapping[str, Any]:
    """To take out, it must be an entry of its own; to put in, it must not be covered by a wider one either."""
    return {"uid": found.uid, "blocked": found.holds(network) if adds else found.lists(network)}


def _call(found: IpSet, network: _Network, before: str) -> Call:
    return Call(
        "wafv2:UpdateIPSet",
        found.uid,
        {"Name": found.name, "Addresses": f"{before} {network}", "LockToken": "<as read just before>"},
    )
