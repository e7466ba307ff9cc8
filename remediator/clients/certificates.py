"""X.509 certificates and their keys as PEM files hold them: what they say, and whether they belong together.

What is parsed comes from elsewhere and may be a secret, so that no error says more than what kind of thing is wrong with it.
"""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:  # it takes a while to import, and `check` and `schema` do not need it
    from cryptography import x509

T = TypeVar("T")

_BLOCK = re.compile(rb"-----BEGIN CERTIFICATE-----\r?\n.+?-----END CERTIFICATE-----", re.DOTALL)


class NotACertificateError(ValueError):
    """It cannot be read as what it should be. The message quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What one certificate says."""

    serial: str
    """In hexadecimal digits, lower case, without leading zeros."""
    names: tuple[str, ...]
    """The DNS names that it is for, lower case and sorted; the common name only where it has no alternative names."""
    addresses: tuple[str, ...]
    """The IP addresses that it is for."""
    not_before: datetime
    not_after: datetime
    key: str
    """Kind and size of its key as ACM calls them: ``RSA_2048``, ``EC_prime256v1``."""
    temporary: bool = False
    """Nobody trusts it: cert-manager puts it into a Secret until the first real one is issued, where it is told to."""


def serial_of(text: str) -> str:
    """A serial number in the one spelling that is compared, whoever wrote it (ACM: ``0A:1B:…``)."""
    return f"{int(text.replace(':', ''), 16):x}"


def chain_of(pem: bytes) -> tuple[bytes, bytes]:
    """The first certificate of a file and the rest of it, which may be empty.

    Raises:
        NotACertificateError: there is none.
    """
    blocks = _BLOCK.findall(pem)
    if not blocks:
        raise NotACertificateError("holds no certificate")
    return blocks[0] + b"\n", b"".join(block + b"\n" for block in blocks[1:])


def certificate_in(pem: bytes) -> Certificate:
    """What the first certificate of a file says.

    Raises:
        NotACertificateError: there is none that can be read.
    """
    from cryptography import x509

    first, _ = chain_of(pem)
    return _read("the certificate", lambda: _said_by(x509.load_pem_x509_certificate(first)))


def certificate_of_der(der: bytes) -> Certificate:
    """What a certificate says that a server showed.

    Raises:
        NotACertificateError: it cannot be read.
    """
    from cryptography import x509

    return _read("the certificate", lambda: _said_by(x509.load_der_x509_certificate(der)))


def names_of_request(pem: bytes) -> frozenset[str]:
    """Everything that a signing request asks for: DNS names and addresses, the common name among them, in lower case.

    Raises:
        NotACertificateError: it cannot be read.
    """
    from cryptography import x509

    def read() -> frozenset[str]:
        request = x509.load_pem_x509_csr(pem)
        found = {str(one.value) for one in request.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)}
        try:
            names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except x509.ExtensionNotFound:
            return frozenset(name.lower() for name in found)
        found |= {*names.get_values_for_type(x509.DNSName), *map(str, names.get_values_for_type(x509.IPAddress))}
        return frozenset(name.lower() for name in found)

    return _read("the signing request", read)


def covers(certificate: Certificate, host: str) -> bool:
    """Is it for this name (RFC 6125: a star stands for one whole label at the left) or address?"""
    wanted = host.rstrip(".").lower()
    try:
        return str(ipaddress.ip_address(wanted)) in certificate.addresses
    except ValueError:
        pass
    _, _, parent = wanted.partition(".")
    return wanted in certificate.names or ("." in parent and f"*.{parent}" in certificate.names)


def belong_together(pem: bytes, private_key: bytes) -> bool:
    """Is this the private key of the file's first certificate?

    Raises:
        NotACertificateError: one of them cannot be read; a key under a passphrase cannot be, either.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    first, _ = chain_of(pem)
    certificate = _read("the certificate", lambda: x509.load_pem_x509_certificate(first))
    key = _read("the private key", lambda: serialization.load_pem_private_key(private_key, password=None))
    form = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return key.public_key().public_bytes(*form) == certificate.public_key().public_bytes(*form)


def _said_by(certificate: "x509.Certificate") -> Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import ec, rsa

    addresses: list[str] = []
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        found = names.get_values_for_type(x509.DNSName)
        addresses = [str(one) for one in names.get_values_for_type(x509.IPAddress)]
    except x509.ExtensionNotFound:
        found = [str(one.value) for one in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]
    public, key = certificate.public_key(), "other"
    if isinstance(public, rsa.RSAPublicKey):
        key = f"RSA_{public.key_size}"
    elif isinstance(public, ec.EllipticCurvePublicKey):
        key = f"EC_{_ACM_CURVES.get(public.curve.name, public.curve.name)}"
    return Certificate(
        serial=f"{certificate.serial_number:x}",
        names=tuple(sorted({name.lower() for name in found})),
        addresses=tuple(sorted(addresses)),
        not_before=certificate.not_valid_before_utc,
        not_after=certificate.not_valid_after_utc,
        key=key,
        temporary=any(
            one.value == _TEMPORARY for one in certificate.issuer.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
        ),
    )


_TEMPORARY = "cert-manager.local"
"""Who signed it, by cert-manager's own words."""
_ACM_CURVES = {"secp256r1": "prime256v1"}


def _read(what: str, read: Callable[[], T]) -> T:
    try:
        return read()
    except Exception:
        # The library has classes of its own for some faults (a version or an extension that cannot be), and one certificate that
        # somebody made must not end the look at all others. Never its own words: what it was given may be a key.
        raise NotACertificateError(f"{what} cannot be read") from None
