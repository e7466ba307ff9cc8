"""TLS Secrets: a certificate with its chain, and the key, which nothing here shows."""

import base64
from dataclasses import dataclass, field

from remediator.clients.kubernetes.names import Resource
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.permissions import Permission

_SECRET = Resource("", "v1", "secrets")


def read_tls_secret() -> tuple[Permission, ...]:
    """What reading one needs. RBAC cannot give the certificate without the key: whoever may read the Secret may read both."""
    return (_SECRET.permission("get"),)


@dataclass(frozen=True, slots=True)
class TlsSecret:
    """One read of one Secret."""

    uid: str
    certificate: bytes = field(repr=False)
    """PEM: the certificate, then its chain."""
    private_key: bytes = field(repr=False)
    """PEM. Handed on to the one call that it is for, and to nothing that keeps or shows."""


class TlsSecrets(Part):
    """Of one cluster."""

    async def read(self, namespace: str, name: str) -> TlsSecret:
        """Raises TargetNotFoundError; FactsMissingError also when it is no TLS Secret."""
        document = await self._api.get(_SECRET.path(namespace, name), _SECRET.permission("get"))

        def read() -> TlsSecret:
            if document.get("type") != "kubernetes.io/tls":
                raise ValueError(f"its type is {document.get('type')!r}, not kubernetes.io/tls")
            try:
                data = {key: base64.b64decode(document["data"][key]) for key in ("tls.crt", "tls.key")}
            except (KeyError, TypeError, ValueError):
                raise ValueError("tls.crt or tls.key is missing or unreadable") from None
            return TlsSecret(str(document["metadata"]["uid"]), data["tls.crt"], data["tls.key"])

        return understood(f"Secret {namespace}/{name}", read)
