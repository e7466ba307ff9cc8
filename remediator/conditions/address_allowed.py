"""``address_allowed``: is the address among those that are never to be blocked?"""

import ipaddress
from typing import Any, ClassVar

from pydantic import Field, field_validator

from remediator.answers import Answer
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_address import AddressParams, address_of
from remediator.playbooks.template import TemplateError
from remediator.targets import Target


class Params(AddressParams):
    """The list is the playbook's."""

    among: tuple[str, ...] = Field(
        min_length=1, max_length=1000, description="addresses and networks, such as 198.51.100.0/24"
    )

    @field_validator("among")
    @classmethod
    def _are_networks(cls, among: tuple[str, ...]) -> tuple[str, ...]:
        for one in among:
            try:
                ipaddress.ip_network(one)
            except ValueError as error:
                raise ValueError(f"{error}; accepted: an address or a network such as 198.51.100.0/24") from None
        return among


class AddressAllowed:
    """Asks nobody. ``aws.waf_block_address`` has the same list as ``never``, and asks it about all that it would block."""

    name: ClassVar[str] = "address_allowed"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del world
        try:
            address = address_of(target, params, known)
        except TemplateError as error:
            return Look(Answer.UNKNOWN, str(error))
        within = next((one for one in params.among if address in ipaddress.ip_network(one)), None)
        return Look(
            Answer.of(within is not None), f"{address} is {f'within {within}' if within else 'within none of the list'}"
        )
