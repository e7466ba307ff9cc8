"""A certificate authority of the sandbox: real keys, real signing requests, real certificates, signed by nobody whom anyone trusts."""

import ipaddress
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # it takes a while to import, and most worlds sign nothing
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

_LONG = timedelta(days=3650)
_DATED_BACK = timedelta(days=3650)


def new_key() -> "EllipticCurvePrivateKey":
    """The quickest to make of those that every client takes."""
    from cryptography.hazmat.primitives.asymmetric import ec

    return ec.generate_private_key(ec.SECP256R1())


def key_pem(key: "EllipticCurvePrivateKey") -> bytes:
    """As it stands in a Secret."""
    from cryptography.hazmat.primitives import serialization

    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def signing_request(key: "EllipticCurvePrivateKey", names: list[str], common_name: str = "") -> bytes:
    """PEM, for these DNS names and addresses."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes

    builder = x509.CertificateSigningRequestBuilder().subject_name(_subject(common_name))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_name(one) for one in names]), critical=False)
    return builder.sign(key, hashes.SHA256()).public_bytes(_pem())


class Authority:
    """One issuer's own. Every certificate gets a serial number of its own."""

    def __init__(self, now: datetime, name: str = "sandbox") -> None:
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        self._key = new_key()
        self._name = _subject(name)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - _DATED_BACK)
            .not_valid_after(now + _LONG)
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .sign(self._key, hashes.SHA256())
        )

    @property
    def pem(self) -> bytes:
        """Its own certificate."""
        return self._certificate.public_bytes(_pem())

    def sign(self, request: bytes, *, not_before: datetime, not_after: datetime) -> bytes:
        """A certificate in PEM for what a request asks for."""
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes

        asked = x509.load_pem_x509_csr(request)
        builder = (
            x509.CertificateBuilder()
            .subject_name(asked.subject)
            .issuer_name(self._name)
            .public_key(asked.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(not_before)
            .not_valid_after(not_after)
        )
        for extension in asked.extensions:
            builder = builder.add_extension(extension.value, extension.critical)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(_pem())


def _subject(common_name: str) -> "x509.Name":
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)] if common_name else [])


def _name(text: str) -> "x509.GeneralName":
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem() -> "serialization.Encoding":
    from cryptography.hazmat.primitives import serialization

    return serialization.Encoding.PEM
