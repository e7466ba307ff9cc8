"""TLS Secrets: a certificate with its chain, and the key, which nothing here shows."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from remediator.clients.certificates import Certificate, NotACertificateError, certificate_in
from remediator.clients.http_json import items_of
from remediator.clients.kubernetes.names import Resource
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.permissions import Permission

_SECRET = Resource("", "v1", "secrets")
_TLS = "kubernetes.io/tls"


def read_tls_secret() -> tuple[Permission, ...]:
    """What reading one needs. RBAC cannot give the certificate without the key: whoever may read the Secret may read both."""
    return (_SECRET.permission("get"),)


def list_tls_secrets() -> tuple[Permission, ...]:
    """What listing them needs: the same words hold, of every Secret of the namespace."""
    return (_SECRET.permission("list"),)


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
            if document.get("type") != _TLS:
                raise ValueError(f"its type is {document.get('type')!r}, not {_TLS}")
            try:
                data = {key: base64.b64decode(document["data"][key]) for key in ("tls.crt", "tls.key")}
            except (KeyError, TypeError, ValueError):
                raise ValueError("tls.crt or tls.key is missing or unreadable") from None
            return TlsSecret(str(document["metadata"]["uid"]), data["tls.crt"], data["tls.key"])

        return understood(f"Secret {namespace}/{name}", read)

    async def certificates(self, namespace: str) -> Mapping[str, Certificate]:
        """What each of a namespace holds, by its name; those that hold none that can be read are left out. Raises FactsMissingError.

        The keys come with the answer and are dropped with it.
        """
        only = {"fieldSelector": f"type={_TLS}"}
        listed = await self._api.get(_SECRET.path(namespace), _SECRET.permission("list"), only)
        found = understood(f"TLS Secrets of {namespace}", lambda: items_of(listed["items"]))
        return {name: held for name, held in map(_held, found) if held is not None}


def _held(document: Mapping[str, Any]) -> tuple[str, Certificate | None]:
    try:
        name = str(document["metadata"]["name"])
        return name, certificate_in(base64.b64decode(document["data"]["tls.crt"]))
    except (KeyError, TypeError, ValueError, NotACertificateError):
        return "", None
