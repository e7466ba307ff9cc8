"""``address_public``: is it an address of one machine in the internet?"""

from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.addresses import not_public
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_address import AddressParams, address_of
from remediator.playbooks.template import TemplateError
from remediator.targets import Target


class AddressPublic:
    """Asks nobody: private, reserved and disguised addresses are known. What is no address is unknown."""

    name: ClassVar[str] = "address_public"
    params: ClassVar[type[ConditionParams]] = AddressParams

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del world
        try:
            address = address_of(target, params, known)
        except TemplateError as error:
            return Look(Answer.UNKNOWN, str(error))
        why = not_public(str(address))
        return Look(Answer.of(why is None), f"{address} is {why or 'a public address'}")
