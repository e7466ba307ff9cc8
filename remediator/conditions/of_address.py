"""The address that a condition is about: the target's, or a label's. Hostile either way, so it is parsed and never passed on."""

import ipaddress

from pydantic import Field

from remediator.conditions.base import ConditionParams, Known
from remediator.playbooks.fields import TemplateText
from remediator.playbooks.template import Template, TemplateError
from remediator.targets import Target

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class AddressParams(ConditionParams):
    """Which address."""

    address: TemplateText | None = Field(
        None, description="such as {{ labels.address }}; the target's own where it is a waf_address"
    )


def address_of(target: Target, params: AddressParams, known: Known) -> Address:
    """One address in the plain form.

    Raises:
        TemplateError: a label is missing, or it is not one address.
    """
    if params.address is not None:
        text = Template.parse(params.address).render(labels=known.labels, vars=known.variables)
    elif target.kind == "waf-address":
        text = target.name
    else:
        raise TemplateError(f"{target.kind} {target.short} is no address; say address")
    try:
        if "%" in text:
            raise ValueError
        return ipaddress.ip_address(text)
    except ValueError:
        raise TemplateError(f"{text[:80]!r} is not one IP address") from None
