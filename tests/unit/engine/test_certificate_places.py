"""Where certificates are looked for, by stand-ins of clusters and endpoints: each is told of once, a failure hides only itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from remediator.clients.certificates import Certificate
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.errors import NoSuchApiError
from remediator.clients.kubernetes.ingresses import TlsHost
from remediator.clients.tls_probe import Shown, Starttls
from remediator.engine import certificate_places
from remediator.engine.certificate_places import CertificatePlaces, Seen
from remediator.errors import FactsMissingError
from remediator.settings import Settings
from remediator.targets import Target

END = datetime(2026, 12, 31, tzinfo=UTC)
DAY = timedelta(days=1)
CERTIFICATE = {"kind": "certificate", "cluster": "prod", "namespace": "shop"}
SECRET = {"kind": "secret", "cluster": "prod", "namespace": "shop"}
INGRESS = {"kind": "ingress", "cluster": "prod", "namespace": "shop", "ingress": "front", "host": "web.example.net"}
ENDPOINT = {"kind": "endpoint", "endpoint": "mail.example.net:25"}


def issued(*names: str, end: datetime = END) -> Certificate:
    return Certificate("1f", tuple(sorted(names)), (), end - 90 * DAY, end, "EC_prime256v1")


@dataclass
class World:
    """One cluster and what endpoints show. An exception in the place of an answer is raised."""

    certificates: Any = ()
    secrets: Any = field(default_factory=dict)
    hosts: Any = ()
    shown: Mapping[str, Sequence[Shown]] = field(default_factory=dict)
    asked: list[tuple[str, int, Starttls, bool]] = field(default_factory=list)

    async def look(
        self, host: str, port: int, *, starttls: Starttls, timeout_s: float, private: bool, trusted: bool
    ) -> tuple[Shown, ...]:
        del timeout_s, trusted
        self.asked.append((host, port, starttls, private))
        if host not in self.shown:
            raise FactsMissingError(f"the name {host} was not resolved")
        return tuple(self.shown[host])

    async def seen(self, **watched: Any) -> Seen:
        async def certificates(_namespace: str) -> Any:
            return _or_raise(self.certificates)

        async def secrets(_namespace: str) -> Any:
            return _or_raise(self.secrets)

        async def hosts(_namespace: str) -> Any:
            return _or_raise(self.hosts)

        client = SimpleNamespace(
            certificates=SimpleNamespace(listing=certificates),
            tls_secrets=SimpleNamespace(certificates=secrets),
            ingresses=SimpleNamespace(tls_hosts=hosts),
        )
        settings = Settings.model_validate(
            {"clusters": {"prod": {"namespaces": ["shop"]}}, "certificates": {"watch": True, **watched}}
        )
        kubernetes = {"prod": cast(KubernetesClient, client)}
        return await CertificatePlaces(settings, kubernetes=kubernetes, tls=self).look()


def _or_raise(answer: Any) -> Any:
    if isinstance(answer, Exception):
        raise answer
    return answer


def certificate(name: str = "web", *, hosts: Sequence[str] = ("web.example.net",), end: datetime | None = END) -> Any:
    """As much of a ``CertificateState`` as is looked at."""
    return SimpleNamespace(
        target=Target.kubernetes("prod", "shop", "certificate", name),
        secret=f"{name}-tls",
        hosts=tuple(hosts),
        not_before=None if end is None else end - 90 * DAY,
        not_after=end,
        renewal_time=None if end is None else end - 30 * DAY,
    )


def places(seen: Seen) -> list[Mapping[str, str]]:
    return [one.place for one in seen.held]


async def test_certificates_alone_are_looked_at_unless_more_is_asked_for() -> None:
    world = World([certificate(), certificate("new", end=None)], {"old": issued("a")}, [TlsHost("front", "a")])
    seen = await world.seen()
    assert places(seen) == [{**CERTIFICATE, "name": "web"}]
    assert (seen.unread, world.asked) == ([], [])


async def test_a_secret_that_cert_manager_writes_is_its_certificates() -> None:
    world = World([certificate()], {"web-tls": issued("web.example.net"), "old": issued("old.example.net")})
    assert places(await world.seen(secrets=True)) == [{**CERTIFICATE, "name": "web"}, {**SECRET, "secret": "old"}]


async def test_a_cluster_without_cert_manager_has_secrets_all_the_same() -> None:
    world = World(NoSuchApiError("404"), {"old": issued("old.example.net")})
    seen = await world.seen(secrets=True)
    assert (places(seen), seen.unread) == ([{**SECRET, "secret": "old"}], [])


async def test_where_certificates_cannot_be_read_nobody_knows_whose_the_secrets_are() -> None:
    world = World(FactsMissingError("403"), {"web-tls": issued("web.example.net")})
    seen = await world.seen(secrets=True)
    assert seen.held == []
    assert [one.place for one in seen.unread] == [CERTIFICATE, SECRET]


async def test_what_an_ingress_serves_is_told_of_only_when_it_is_news() -> None:
    world = World([certificate()], hosts=[TlsHost("front", "web.example.net")])
    world.shown = {"web.example.net": [Shown("192.0.2.1", issued("web.example.net"))]}
    assert places(await world.seen(ingresses=True)) == [{**CERTIFICATE, "name": "web"}]
    older = issued("web.example.net", end=END - 60 * DAY)
    world.shown = {"web.example.net": [Shown("192.0.2.1", issued("web.example.net")), Shown("192.0.2.2", older)]}
    seen = await world.seen(ingresses=True)
    assert places(seen) == [{**CERTIFICATE, "name": "web"}, INGRESS], "one machine has not taken the new one up"
    assert seen.held[1].not_after == older.not_after


async def test_an_endpoint_is_asked_as_settings_say() -> None:
    world = World(shown={"mail.example.net": [Shown("192.0.2.1", issued("mail.example.net"))]})
    endpoints = [{"host": "mail.example.net", "port": 25, "starttls": "smtp"}]
    assert places(await world.seen(endpoints=endpoints)) == [ENDPOINT]
    assert world.asked == [("mail.example.net", 25, "smtp", False)]


async def test_of_several_machines_behind_a_name_the_one_that_ends_first_counts() -> None:
    soon, late = issued("mail.example.net"), issued("mail.example.net", end=END + 60 * DAY)
    for order in ((soon, late), (late, soon)):
        world = World(shown={"mail.example.net": [Shown(f"192.0.2.{at}", one) for at, one in enumerate(order)]})
        seen = await world.seen(endpoints=[{"host": "mail.example.net", "port": 25}])
        assert [one.not_after for one in seen.held] == [END]


async def test_one_that_does_not_answer_is_unread_and_hides_no_other() -> None:
    world = World([certificate()])
    silent = Shown("192.0.2.1", None, "the connection was refused")
    world.shown = {"mail.example.net": [silent, Shown("192.0.2.2", issued("mail.example.net"))]}
    endpoints = [{"host": "mail.example.net", "port": 25}, {"host": "gone.example.net"}]
    seen = await world.seen(endpoints=endpoints)
    assert places(seen) == [{**CERTIFICATE, "name": "web"}, ENDPOINT]
    assert [one.place for one in seen.unread] == [ENDPOINT, {"kind": "endpoint", "endpoint": "gone.example.net:443"}]


async def test_hosts_beyond_the_bound_are_unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(certificate_places, "MOST_HOSTS", 1)
    world = World(hosts=[TlsHost("front", "a.example.net"), TlsHost("front", "b.example.net")])
    world.shown = {"a.example.net": [Shown("192.0.2.1", issued("a.example.net"))]}
    seen = await world.seen(ingresses=True)
    assert [one["host"] for one in places(seen)] == ["a.example.net"]
    assert [one.place["host"] for one in seen.unread] == ["b.example.net"]
