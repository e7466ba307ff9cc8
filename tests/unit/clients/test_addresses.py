"""What a probe never talks to, however its address is spelled."""

import pytest

from remediator.clients.addresses import forbidden


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.9.1",
        "::1",
        "0.0.0.0",
        "::",
        "::ffff:127.0.0.1",
        "169.254.169.254",
        "169.254.170.2",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::a9fe:a9fe",
        "::127.0.0.1",
        "::a9fe:a9fe",
        "::ffff:0:127.0.0.1",
        "2001:0:4136:e378:8000:63bf:5601:5601",
        "2002:a9fe:a9fe::1",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
        "not an address",
    ],
)
def test_this_machine_and_the_clouds_metadata_are_never_asked(address: str) -> None:
    assert forbidden(address, private=True, loopback=False)


@pytest.mark.parametrize(
    "address", ["10.96.0.17", "172.16.3.4", "192.168.1.1", "fd12:3456::1", "fec0::9", "100.64.0.9"]
)
def test_private_addresses_are_asked_unless_only_public_ones_may_be(address: str) -> None:
    assert forbidden(address, private=True, loopback=False) is None
    assert forbidden(address, private=False, loopback=False)


def test_public_addresses_are_asked() -> None:
    assert forbidden("93.184.215.14", private=False, loopback=False) is None


def test_loopback_is_for_tests_alone() -> None:
    assert forbidden("127.0.0.1", private=True, loopback=True) is None
    assert forbidden("169.254.169.254", private=True, loopback=True)
