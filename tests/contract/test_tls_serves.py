"""``tls_serves`` against real TLS servers on this machine: what is yes, what is a known no, and what could not be asked."""

import asyncio
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from pydantic import ValidationError

from remediator.answers import Answer
from remediator.clients.tls_probe import MOST_ADDRESSES, Resolve, Shown, TlsProbe
from remediator.conditions.base import Known, Look, World
from remediator.conditions.tls_serves import MOST_HOSTS, Params, TlsServes
from remediator.errors import FactsMissingError
from remediator.runs.plan import Fidelity, Plan
from remediator.sandbox.kubernetes.signing import Authority, key_pem, new_key, signing_request
from remediator.sandbox.tls_endpoint import Pair, TlsEndpoint, in_secret
from remediator.targets import Target
from tests.contract.conftest import CHECKOUT
from tests.support import certificates
from tests.support.emulated_cluster import EmulatedStage

HOST = certificates.HOST
DAY = timedelta(days=1)


def pair(*names: str, begins: timedelta = -DAY, ends: timedelta = 30 * DAY) -> Pair:
    """A certificate of an authority that nobody trusts, and its key."""
    now, key = datetime.now(UTC), new_key()
    request = signing_request(key, list(names or (HOST,)))
    made = Authority(now).sign(request, not_before=now + begins, not_after=now + ends), key_pem(key)
    return lambda: made


def leads_to(*addresses: str) -> Resolve:
    async def resolve(host: str, port: int) -> Sequence[str]:
        del host, port
        return addresses

    return resolve


async def unknown_name(host: str, port: int) -> Sequence[str]:
    del port
    raise socket.gaierror(f"no {host}")


async def look(
    port: int,
    *,
    hosts: Sequence[str] = (HOST,),
    to: Resolve | None = None,
    loopback: bool = True,
    labels: dict[str, str] | None = None,
    **params: Any,
) -> Look:
    probe = TlsProbe(allow_loopback=loopback, resolve=to or leads_to("127.0.0.1"))
    world = World(None, None, None, tls=probe)
    known = Known(now=datetime.now(UTC), labels=labels or {}, variables={"host": HOST})
    chosen = Params.model_validate({"hosts": list(hosts), "port": port, **params})
    return await TlsServes().look(world, CHECKOUT, chosen, known)


async def test_a_certificate_that_holds_is_a_yes_and_the_name_is_asked_for() -> None:
    async with TlsEndpoint(pair()) as server:
        seen = await look(server.port)
        assert seen.answer is Answer.YES, seen
        assert server.names == [HOST]


@pytest.mark.parametrize("starttls", ["postgres", "smtp"])
async def test_a_port_that_begins_in_clear_is_asked_as_its_protocol_wants(starttls: Any) -> None:
    async with TlsEndpoint(pair(), starttls=starttls) as server:
        seen = await look(server.port, starttls=starttls)
        assert seen.answer is Answer.YES, seen
        assert server.names == [HOST]


@pytest.mark.parametrize(
    ("served", "params", "word"),
    [
        ({"names": ["other.example.net"]}, {}, "not for shop.example.net"),
        ({"names": ["*.net", "*.shop.example.net", "*.a.example.net"]}, {}, "not for shop.example.net"),
        ({"begins": -2 * DAY, "ends": -DAY}, {}, "runs out at"),
        ({"begins": DAY}, {}, "is valid from"),
        ({"ends": 2 * DAY}, {"valid_for": "3d"}, "runs out at"),
        ({}, {"trusted": True}, "does not hold"),
    ],
    ids=["another-name", "stars-elsewhere", "expired", "not-yet", "too-short", "not-trusted"],
)
async def test_what_is_wrong_with_it_is_a_known_no(served: dict[str, Any], params: dict[str, Any], word: str) -> None:
    async with TlsEndpoint(
        pair(*served.get("names", ()), **{key: value for key, value in served.items() if key != "names"})
    ) as server:
        seen = await look(server.port, **params)
        assert seen.answer is Answer.NO and word in seen.seen, seen


@pytest.mark.parametrize("names", [("*.example.net",), ("SHOP.example.net",)])
async def test_a_star_covers_one_label_and_case_counts_for_nothing(names: tuple[str, ...]) -> None:
    async with TlsEndpoint(pair(*names)) as server:
        assert (await look(server.port)).answer is Answer.YES


async def test_an_address_is_covered_by_itself() -> None:
    async with TlsEndpoint(pair("127.0.0.1")) as server:
        assert (await look(server.port, hosts=["127.0.0.1"])).answer is Answer.YES
        assert (await look(server.port, hosts=["127.0.0.2"], to=leads_to("127.0.0.1"))).answer is Answer.NO


async def test_every_address_is_asked_and_one_that_fails_is_enough() -> None:
    """127.0.0.2 is this machine, too, and nothing listens there."""
    async with TlsEndpoint(pair()) as server:
        seen = await look(server.port, to=leads_to("127.0.0.1", "127.0.0.2"))
        assert seen.answer is Answer.NO and "127.0.0.2: the connection was refused" in seen.seen, seen


@asynccontextmanager
async def answering(*said: bytes) -> AsyncIterator[int]:
    """A server that says something in clear, line after line of what it is asked, and then nothing more."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            for one in said:
                writer.write(one)
                await writer.drain()
                await reader.readline()
            await reader.read()
        except OSError:
            pass
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("starttls", "said", "word"),
    [
        ("none", (b"220 mail\r\n",), "TLS could not be agreed upon"),
        ("postgres", (b"N",), "offers no TLS"),
        ("smtp", (b"220 mail\r\n", b"250 mail\r\n"), "offers no STARTTLS"),
        ("smtp", (b"554 go away\r\n",), "did not answer 220"),
        ("smtp", (b"220 mail\r\n", b"250-x\r\n" * 200), "answers without end"),
        ("smtp", (b"220-" + b"x" * 5_000 + b"\r\n",), "answers without end"),
        ("smtp", (b"220 mail\r\n", b"250-mail\r\n250 STARTTLS\r\n", b"454 not now\r\n"), "did not answer 220"),
    ],
)
async def test_a_server_that_speaks_otherwise_is_a_known_no(starttls: str, said: tuple[bytes, ...], word: str) -> None:
    async with answering(*said) as port:
        seen = await look(port, starttls=starttls)
        assert seen.answer is Answer.NO and word in seen.seen, seen


async def test_a_server_that_stays_silent_is_a_known_no() -> None:
    async with answering() as port:
        seen = await look(port, timeout="1s")
        assert seen.answer is Answer.NO and "no handshake within 1 s" in seen.seen, seen


async def test_what_is_never_asked_is_unknown_whatever_name_leads_there() -> None:
    async with TlsEndpoint(pair()) as server:
        for addresses in (("127.0.0.1",), ("10.1.2.3", "169.254.169.254"), ("::ffff:127.0.0.1",), ("fd00:ec2::254",)):
            seen = await look(server.port, to=leads_to(*addresses), loopback=False)
            assert seen.answer is Answer.UNKNOWN and "not asked" in seen.seen, seen
        seen = await look(server.port, to=leads_to("10.1.2.3"), loopback=False, allow_private=False)
        assert seen.answer is Answer.UNKNOWN and "not public" in seen.seen, seen
        assert server.names == []


async def test_an_address_to_which_there_is_no_way_is_unknown() -> None:
    """The fault may be ours: nothing is put back because of it."""

    class NoWay:
        async def look(self, *_: Any, **__: Any) -> tuple[Shown, ...]:
            return (Shown("192.0.2.1", None, "no connection within 5 s", unknown=True),)

    world = World(None, None, None, tls=cast(TlsProbe, NoWay()))
    seen = await TlsServes().look(
        world, CHECKOUT, Params.model_validate({"hosts": [HOST]}), Known(datetime.now(UTC), {})
    )
    assert seen.answer is Answer.UNKNOWN and "no connection" in seen.seen


async def test_a_name_without_addresses_or_with_too_many_is_unknown() -> None:
    for resolve in (unknown_name, leads_to(), leads_to(*(f"127.0.1.{one}" for one in range(MOST_ADDRESSES + 1)))):
        assert (await look(443, to=resolve)).answer is Answer.UNKNOWN


@pytest.mark.parametrize("name", [".example.net", "", "a b", "x\x00y", "ä" * 64, "x" * 300, "a..b"])
async def test_a_name_that_is_none_is_never_a_defect(name: str) -> None:
    """Whoever may make Certificates chooses their DNS names."""
    async with TlsEndpoint(pair()) as server:
        try:
            probe = TlsProbe(allow_loopback=True, resolve=leads_to("127.0.0.1"))
            [shown] = await probe.look(name, server.port, starttls="none", timeout_s=5, private=True, trusted=False)
            assert shown.certificate is None or server.names
        except FactsMissingError:
            pass


@pytest.mark.parametrize("name", ["x\x00y", "ä" * 64])
async def test_a_name_that_no_resolver_takes_is_unknown(name: str) -> None:
    with pytest.raises(FactsMissingError):
        await TlsProbe().look(name, 443, starttls="none", timeout_s=5, private=False, trusted=False)


async def test_a_label_fills_only_a_host_that_is_allowed() -> None:
    async with TlsEndpoint(pair()) as server:
        label: dict[str, Any] = {"hosts": ["{{ labels.host }}"], "allowed": ["*.example.net"]}
        assert (await look(server.port, **label, labels={"host": HOST})).answer is Answer.YES
        for hostile in (
            "example.net",
            "shop.example.org",
            "evil.org/.example.net",
            "a@shop.example.net",
            "evilexample.net",
        ):
            seen = await look(server.port, **label, labels={"host": hostile})
            assert seen.answer is Answer.UNKNOWN, hostile
        assert (await look(server.port, hosts=["{{ labels.host }}"], labels={"host": HOST})).answer is Answer.UNKNOWN
        assert (await look(server.port, hosts=["{{ vars.host }}"])).answer is Answer.YES
        assert server.names == [HOST, HOST]


@pytest.mark.parametrize(
    "params",
    [
        {"hosts": ["https://shop.example.net"]},
        {"hosts": ["shop.example.net:443"]},
        {"hosts": [""]},
        {"hosts": ["{{ labels.host"]},
        {"allowed": ["*"]},
        {"allowed": ["*.*"]},
        {"port": 0},
        {"timeout": "1m"},
        {"starttls": "imap"},
    ],
)
def test_what_cannot_be_meant_is_refused(params: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Params.model_validate(params)


async def test_without_a_host_nothing_can_be_asked() -> None:
    assert (await look(443, hosts=())).answer is Answer.UNKNOWN


async def of_certificate(stage: EmulatedStage, port: int, *done: Plan, **params: Any) -> Look:
    chosen = Params.model_validate({"port": port, **params})
    client = await stage.client(TlsServes().permissions("certificate", chosen))
    probe = TlsProbe(allow_loopback=True, resolve=leads_to("127.0.0.1"))
    known = Known(client.now(), {}, done=done)
    target = stage.target("web", "certificate")
    return await TlsServes().look(World(client, None, None, tls=probe), target, chosen, known)


def renewed(target: Target, revision: int) -> Plan:
    """The plan of a step that renewed it when it was of this revision."""
    return Plan(
        "certmanager.renew", 1, target, "uid", {}, (), (), Fidelity.SERVER, "renew it", memory={"revision": revision}
    )


async def test_of_a_certificate_the_one_that_was_issued_last_must_be_served(emulated_stage: EmulatedStage) -> None:
    stage = emulated_stage
    await certificates.issuer(stage)
    await certificates.certificate(stage, dnsNames=[HOST, "*.example.net"])
    stored = in_secret(stage.world.kubernetes, stage.namespace, "web-tls")
    old = stored()
    async with TlsEndpoint(stored) as server:
        assert (await of_certificate(stage, server.port)).answer is Answer.YES
        assert server.names == [HOST], "a star is no host"
        plan = renewed(stage.target("web", "certificate"), 1)
        assert (await of_certificate(stage, server.port, plan)).answer is Answer.NO
        issuing = {"type": "Issuing", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        ready = {"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"}
        await certificates.say(stage, "web", conditions=[ready, issuing])
        await stage.until("Certificate", "web", lambda found: found["status"]["revision"] == 2, what="renewed")
        assert (await of_certificate(stage, server.port, plan)).answer is Answer.YES
        server.pair = lambda: old
        # By its serial number; and where the request is gone, by its times.
        seen = await of_certificate(stage, server.port, plan)
        assert seen.answer is Answer.NO and "not the one that was issued last" in seen.seen, seen
        await stage.delete("CertificateRequest", "web-2")
        await stage.gone("CertificateRequest", "web-2")
        seen = await of_certificate(stage, server.port, plan)
        assert seen.answer is Answer.NO and "not the one that was issued last" in seen.seen, seen
        server.pair = stored
        assert (await of_certificate(stage, server.port, plan)).answer is Answer.YES


async def test_more_names_than_are_asked_are_unknown_and_not_taken_for_served(emulated_stage: EmulatedStage) -> None:
    stage = emulated_stage
    names = [HOST, *(f"shop-{number}.example.net" for number in range(MOST_HOSTS))]
    await certificates.issuer(stage)
    await certificates.certificate(stage, dnsNames=names)
    async with TlsEndpoint(in_secret(stage.world.kubernetes, stage.namespace, "web-tls")) as server:
        seen = await of_certificate(stage, server.port)
        assert seen.answer is Answer.UNKNOWN and "`hosts`" in seen.seen, seen
        assert server.names == []
        assert (await of_certificate(stage, server.port, hosts=(HOST,))).answer is Answer.YES
