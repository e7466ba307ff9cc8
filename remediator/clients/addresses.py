"""Which network addresses a probe may talk to, and which it never does. Pure."""

import ipaddress

_METADATA = tuple(
    map(ipaddress.ip_address, ("fd00:ec2::254", "fd20:ce::254", "100.100.100.200", "168.63.129.16", "192.0.0.192"))
)
"""Where clouds hand out credentials, beside 169.254.169.254, which is link-local."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def forbidden(address: str, *, private: bool, loopback: bool) -> str | None:
    """Why this address is never asked; None for one that may be."""
    try:
        inner = _plain(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return "an address that cannot be understood"
    if inner.is_loopback or inner.is_unspecified:
        return None if loopback and inner.is_loopback else "this machine itself"
    if inner.is_link_local or inner in _METADATA:
        return "link-local or a cloud's metadata"
    if inner.is_multicast or inner == ipaddress.ip_address("255.255.255.255"):
        return "no single machine"
    if not private and not inner.is_global:
        return "not public, and allow_private is false"
    return None


def _plain(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or address
