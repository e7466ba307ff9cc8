"""AWS WAF: address sets that are written as a whole, against the token of the last read."""

import ipaddress
from dataclasses import dataclass, field
from typing import Any, ClassVar

from remediator.sandbox.aws.service import Call, Refused, Service, paged

MOST = 10_000


@dataclass
class IpSet:
    name: str
    scope: str
    region: str
    id: str
    version: str = "IPV4"
    description: str = ""
    addresses: list[str] = field(default_factory=list)
    token: str = ""
    writes: int = 0


class Wafv2(Service):
    name: ClassVar[str] = "wafv2"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.ip_sets: dict[str, IpSet] = {}

    def put(
        self, name: str, *addresses: str, scope: str = "REGIONAL", version: str = "IPV4", description: str = ""
    ) -> IpSet:
        """Make a set, or make it anew."""
        region = "us-east-1" if scope == "CLOUDFRONT" else self.cloud.region
        made = IpSet(name, scope, region, self.cloud.new_id("ipset-"), version, description, list(addresses))
        made.token = self._token()
        self.ip_sets[name] = made
        return made

    def write(self, name: str, addresses: list[str]) -> None:
        """As somebody else would do it."""
        found = self.ip_sets[name]
        found.addresses, found.token = addresses, self._token()

    async def ListIPSets(self, call: Call) -> dict[str, Any]:
        found = [one for one in self.ip_sets.values() if self._visible(one, call)]
        page, marker = paged(found, call.params, token="NextMarker", limit="Limit")
        sets = [
            {
                "Name": one.name,
                "Id": one.id,
                "LockToken": one.token,
                "ARN": self._arn(one),
                "Description": one.description,
            }
            for one in page
        ]
        return {"IPSets": sets, **({"NextMarker": marker} if marker else {})}

    async def GetIPSet(self, call: Call) -> dict[str, Any]:
        found = self._find(call)
        return {
            "IPSet": {
                "Name": found.name,
                "Id": found.id,
                "ARN": self._arn(found),
                "Description": found.description,
                "IPAddressVersion": found.version,
                "Addresses": list(found.addresses),
            },
            "LockToken": found.token,
        }

    async def UpdateIPSet(self, call: Call) -> dict[str, Any]:
        found = self._find(call)
        addresses = list(call.params["Addresses"])
        if call.params["LockToken"] != found.token:
            raise Refused(
                "WAFOptimisticLockException",
                "AWS WAF couldn't save your changes because someone changed the resource after you started to edit it.",
            )
        if len(addresses) > MOST:
            raise Refused("WAFLimitsExceededException", f"A set holds {MOST} addresses.")
        for one in addresses:
            self._check(found, one)
        found.addresses = addresses
        # What is left out is gone: the call sets the whole.
        found.description = call.params.get("Description", "")
        found.token = self._token()
        found.writes += 1
        return {"NextLockToken": found.token}

    def _find(self, call: Call) -> IpSet:
        found = self.ip_sets.get(call.params["Name"])
        if found is None or found.id != call.params["Id"] or not self._visible(found, call):
            raise Refused(
                "WAFNonexistentItemException",
                "AWS WAF couldn't perform the operation because your resource doesn't exist.",
            )
        return found

    def _visible(self, found: IpSet, call: Call) -> bool:
        return (found.scope, found.region) == (call.params["Scope"], call.region)

    def _check(self, found: IpSet, address: str) -> None:
        try:
            network = ipaddress.ip_network(address)
        except ValueError:
            raise Refused("WAFInvalidParameterException", f"{address} is not in CIDR notation.") from None
        if "/" not in address or f"IPV{network.version}" != found.version or network.prefixlen == 0:
            raise Refused("WAFInvalidParameterException", f"{address} cannot be in a set of {found.version}.")

    def _arn(self, found: IpSet) -> str:
        scope = "global" if found.scope == "CLOUDFRONT" else "regional"
        return f"arn:aws:wafv2:{found.region}:{self.account}:{scope}/ipset/{found.name}/{found.id}"

    def _token(self) -> str:
        return self.cloud.new_id("token-")
