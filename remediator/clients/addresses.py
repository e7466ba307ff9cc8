"""Which network addresses a probe may talk to, and which it never does. Pure."""

import ipaddress

_METADATA = tuple(
    map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"))
)
"""Where clouds hand out credentials, beside 169.254.169.254, which is link-local."""
_ENDS_IN_IPV4 = tuple(map(ipaddress.IPv6Network, ("64:ff9b::/96", "::/96", "::ffff:0:0:0/96")))
"""NAT64 (RFC 6052), IPv4-compatible (RFC 4291), translated (RFC 2765): the last 32 bits are the address that is meant."""
_LOCAL_NAT64 = ipaddress.ip_network("64:ff9b:1::/48")
"""RFC 8215: which of its bits are the address, each network decides for itself."""
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def forbidden(address: str, *, private: bool, loopback: bool) -> str | None:
    """Why this address is never asked; None for one that may be."""
    try:
        outer = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return "an address that cannot be understood"
    if outer in _LOCAL_NAT64:
        return "translated to another that cannot be told"
    inner = _plain(outer)
    if inner.is_loopback or inner.is_unspecified:
        return None if loopback and inner.is_loopback else "this machine itself"
    if inner.is_link_local or inner in _METADATA:
        return "link-local or a cloud's metadata"
    if inner.is_multicast or inner == ipaddress.ip_address("255.255.255.255"):
        return "no single machine"
    if not private and (not inner.is_global or getattr(inner, "is_site_local", False)):
        return "not public, and allow_private is false"
    return None


def _plain(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if int(address) > 1 and any(address in network for network in _ENDS_IN_IPV4):
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address


def not_public(address: str) -> str | None:
    """Why this is no address of one machine in the internet, written plainly; None for one that is.

    Stricter than ``forbidden``: an IPv6 address that stands for an IPv4 one hides what it means.
    """
    try:
        written = ipaddress.ip_address(address)
    except ValueError:
        return "no IP address"
    if "%" in address:
        return "an address with a zone, which is link-local"
    if _plain(written) != written or written in _LOCAL_NAT64:
        return "another address in disguise"
    if written.is_multicast:
        return "no single machine"
    if not written.is_global or written.is_reserved or getattr(written, "is_site_local", False):
        return "private or reserved"
    return None
