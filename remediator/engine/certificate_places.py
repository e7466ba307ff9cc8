"""Where certificates are looked for that might run out without any alert: clusters that settings name, and given endpoints.

One certificate is told of once, at the place where it can be renewed: a Secret that cert-manager writes is its Certificate's, and an
endpoint that serves what is known already adds nothing. What it serves else is told of even when its Certificate was renewed.
"""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from remediator.alerts.certificate_expiry import Held
from remediator.clients.certificates import Certificate
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.errors import NoSuchApiError
from remediator.clients.tls_probe import Shown, Starttls
from remediator.errors import FactsMissingError
from remediator.settings import Settings

MOST_HOSTS = 200
"""Of Ingresses, in one pass: more are left out, and told."""
_AT_ONCE = 8


class Probe(Protocol):
    """``clients.tls_probe.TlsProbe``."""

    async def look(
        self, host: str, port: int, *, starttls: Starttls, timeout_s: float, private: bool, trusted: bool
    ) -> tuple[Shown, ...]:
        """Raises FactsMissingError."""
        ...


@dataclass(frozen=True, slots=True)
class Unread:
    """Something that could not be looked at: nothing is known of what has these labels."""

    place: Mapping[str, str]
    why: str


@dataclass(slots=True)
class Seen:
    """One look at everything."""

    held: list[Held] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    known: list[tuple[datetime, frozenset[str]]] = field(default_factory=list)
    """Ends and names of the certificates above, for what serves them."""

    def add(self, held: Held, names: Collection[str]) -> None:
        self.held.append(held)
        self.known.append((held.not_after, frozenset(name.lower() for name in names)))

    def knows(self, shown: Certificate) -> bool:
        """Is it one of those?"""
        return any(end == shown.not_after and names <= set(shown.names) for end, names in self.known)


@dataclass(frozen=True, slots=True)
class _Host:
    """Something to ask."""

    place: Mapping[str, str]
    host: str
    port: int = 443
    starttls: Starttls = "none"


class CertificatePlaces:
    """Those of the settings. ``look`` changes nothing and raises nothing."""

    def __init__(self, settings: Settings, *, kubernetes: Mapping[str, KubernetesClient], tls: Probe) -> None:
        self._settings = settings
        self._what = settings.certificates
        self._kubernetes = kubernetes
        self._tls = tls
        self._timeout_s = settings.timings.request.total_seconds()

    async def look(self) -> Seen:
        """At all of them."""
        seen, hosts = Seen(), list[_Host]()
        for cluster, client in self._kubernetes.items():
            for namespace in self._settings.clusters[cluster].namespaces:
                await self._namespace(client, {"cluster": cluster, "namespace": namespace}, seen, hosts)
        for left_out in hosts[MOST_HOSTS:]:
            seen.unread.append(Unread(left_out.place, f"more than {MOST_HOSTS} hosts of Ingresses"))
        asked = [*hosts[:MOST_HOSTS], *self._endpoints()]
        turns = asyncio.Semaphore(_AT_ONCE)
        await asyncio.gather(*(self._host(one, turns, seen) for one in asked))
        return seen

    def _endpoints(self) -> list[_Host]:
        return [
            _Host({"kind": "endpoint", "endpoint": f"{one.host}:{one.port}"}, one.host, one.port, one.starttls)
            for one in self._what.endpoints
        ]

    async def _namespace(self, client: KubernetesClient, at: Mapping[str, str], seen: Seen, hosts: list[_Host]) -> None:
        place = {**at, "kind": "certificate"}
        try:
            secrets_of_certificates = await self._certificates(client, place, seen)
        except FactsMissingError as error:
            seen.unread.append(Unread(place, str(error)))
            secrets_of_certificates = None
        if self._what.secrets:
            place = {**at, "kind": "secret"}
            try:
                if secrets_of_certificates is None:
                    raise FactsMissingError("which of them are cert-manager's is not known")
                await self._secrets(client, place, seen, secrets_of_certificates)
            except FactsMissingError as error:
                seen.unread.append(Unread(place, str(error)))
        if self._what.ingresses:
            place = {**at, "kind": "ingress"}
            try:
                found = await client.ingresses.tls_hosts(at["namespace"])
                hosts.extend(_Host({**place, "ingress": one.ingress, "host": one.host}, one.host) for one in found)
            except FactsMissingError as error:
                seen.unread.append(Unread(place, str(error)))

    async def _certificates(self, client: KubernetesClient, place: Mapping[str, str], seen: Seen) -> set[str]:
        """Returns the names of their Secrets."""
        try:
            found = await client.certificates.listing(place["namespace"])
        except NoSuchApiError:  # a cluster without cert-manager
            return set()
        for one in found:
            if one.not_after is not None:
                what = f"certificate {one.target.short} in {place['cluster']}"
                labels = {**place, "name": one.target.name}
                seen.add(Held(labels, what, one.not_before, one.not_after, one.renewal_time), one.hosts)
        return {one.secret for one in found}

    async def _secrets(
        self, client: KubernetesClient, place: Mapping[str, str], seen: Seen, of_certificates: set[str]
    ) -> None:
        namespace = place["namespace"]
        for name, held in (await client.tls_secrets.certificates(namespace)).items():
            if name not in of_certificates:
                what = f"the certificate in Secret {namespace}/{name} in {place['cluster']}"
                seen.add(Held({**place, "secret": name}, what, held.not_before, held.not_after), held.names)

    async def _host(self, one: _Host, turns: asyncio.Semaphore, seen: Seen) -> None:
        """The certificate that ends first counts: behind one name there may be several machines."""
        async with turns:
            try:
                shown = await self._tls.look(
                    one.host,
                    one.port,
                    starttls=one.starttls,
                    timeout_s=self._timeout_s,
                    private=self._what.allow_private,
                    trusted=False,
                )
            except FactsMissingError as error:
                seen.unread.append(Unread(one.place, str(error)))
                return
        served = [each.certificate for each in shown if each.certificate is not None]
        if silent := [each for each in shown if each.certificate is None]:
            seen.unread.append(Unread(one.place, f"{silent[0].address}: {silent[0].fault}"))
        if news := [each for each in served if not seen.knows(each)]:
            first = min(news, key=lambda each: each.not_after)
            what = f"the certificate that {one.host}:{one.port} serves"
            seen.held.append(Held(one.place, what, first.not_before, first.not_after))
