"""Ingresses: the names that they serve by TLS."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.permissions import Permission


def list_ingresses() -> tuple[Permission, ...]:
    """What listing them needs."""
    return (RESOURCES["ingress"].permission("list"),)


@dataclass(frozen=True, order=True, slots=True)
class TlsHost:
    """One name of one Ingress."""

    ingress: str
    host: str


class Ingresses(Part):
    """Of one cluster."""

    async def tls_hosts(self, namespace: str) -> tuple[TlsHost, ...]:
        """All of a namespace, sorted, each once; a name with a star leads to no address and is left out. Raises FactsMissingError."""
        found = await self._list("ingress", namespace)
        return understood(
            f"ingresses of {namespace}", lambda: tuple(sorted({one for each in found for one in _of(each)}))
        )


def _of(document: Mapping[str, Any]) -> list[TlsHost]:
    name, spec = str(document["metadata"]["name"]), document.get("spec") or {}
    hosts = [host for tls in spec.get("tls") or () for host in tls.get("hosts") or ()]
    return [TlsHost(name, str(host)) for host in hosts if not str(host).startswith("*")]
