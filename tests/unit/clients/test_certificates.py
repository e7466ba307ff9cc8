"""Certificates and keys in PEM files: what they say, whether they belong together, and that nothing of a key is ever told."""

import base64
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from remediator.clients.certificates import (
    NotACertificateError,
    belong_together,
    certificate_in,
    certificate_of_der,
    chain_of,
    serial_of,
)
from tests.support.key_pairs import key_pair

UNTIL = datetime(2027, 3, 1, tzinfo=UTC)


def test_what_a_certificate_says() -> None:
    made = key_pair("Shop.Example", "*.shop.example", until=UNTIL, serial=0x0A1B)
    said = certificate_in(made.chain)
    assert (said.serial, said.names, said.not_after, said.key) == (
        "a1b",
        ("*.shop.example", "shop.example"),
        UNTIL,
        "EC_prime256v1",
    )
    assert certificate_in(key_pair("a.example", until=UNTIL, use_rsa=True).chain).key == "RSA_2048"


@pytest.mark.parametrize("text", ["0A:1B", "0a1b", "00:00:0a:1b", "a1b"])
def test_a_serial_has_one_spelling(text: str) -> None:
    assert serial_of(text) == "a1b"


def test_the_first_certificate_and_the_rest_of_the_file() -> None:
    first, issuer = key_pair("a.example", until=UNTIL), key_pair("issuer.example", until=UNTIL)
    leaf, rest = chain_of(b"# a comment\n" + first.chain + issuer.chain)
    assert certificate_in(leaf).names == ("a.example",)
    assert certificate_in(rest).names == ("issuer.example",)
    assert chain_of(first.chain)[1] == b""


def test_a_key_and_a_certificate_belong_together_or_do_not() -> None:
    one, other = key_pair("a.example", until=UNTIL), key_pair("a.example", until=UNTIL)
    assert belong_together(one.chain, one.key)
    assert not belong_together(one.chain, other.key)
    assert not belong_together(one.chain, key_pair("a.example", until=UNTIL, use_rsa=True).key)


@pytest.mark.parametrize("damage", [lambda key: key[:60], lambda key: key[:0], lambda key: key.replace(b"M", b"N")])
def test_what_cannot_be_read_is_not_told(damage: Callable[[bytes], bytes]) -> None:
    made = key_pair("a.example", until=UNTIL)
    with pytest.raises(NotACertificateError) as raised:
        belong_together(made.chain, damage(made.key))
    assert str(raised.value) == "the private key cannot be read"
    assert raised.value.__cause__ is None and raised.value.__suppress_context__
    with pytest.raises(NotACertificateError, match="holds no certificate"):
        certificate_in(made.key)
    with pytest.raises(NotACertificateError, match="the certificate cannot be read"):
        certificate_in(b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")


def test_a_certificate_that_cannot_be_is_one_that_cannot_be_read() -> None:
    """For its version the library has an error of its own, which is no ValueError; whoever serves or stores it must end no look."""
    made = key_pair("a.example", until=UNTIL)
    der = base64.b64decode(b"".join(made.chain.splitlines()[1:-1]))
    version_3, version_8 = bytes.fromhex("a003020102"), bytes.fromhex("a003020107")
    wrong = der.replace(version_3, version_8, 1)
    assert wrong != der
    with pytest.raises(NotACertificateError):
        certificate_of_der(wrong)
    pem = b"-----BEGIN CERTIFICATE-----\n" + base64.encodebytes(wrong) + b"-----END CERTIFICATE-----\n"
    with pytest.raises(NotACertificateError):
        certificate_in(pem)
