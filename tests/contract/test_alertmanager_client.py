"""AlertmanagerPeers against simulated Alertmanagers (S26, S29)."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta

import aiohttp
import pytest
from pydantic import SecretStr

from remediator.answers import Answer
from remediator.clients.alertmanager import AlertmanagerPeers, matcher_text
from remediator.clients.transport import Rules, open_session
from remediator.clock import SystemClock
from remediator.errors import FactsMissingError
from remediator.sandbox.alertmanager import Alertmanager
from remediator.sandbox.webhook_delivery import Webhook
from remediator.settings import Credential

DOWN = {"alertname": "ServiceDown", "namespace": "shop", "deployment": "checkout", "quote": 'a"b\\c\nd'}
WATCHDOG = {"alertname": "Watchdog"}


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with open_session(Rules("read", SystemClock(), 1.0, loopback_only=True)) as opened:
        yield opened


async def peer(
    *, up_for: timedelta = timedelta(hours=1), cluster: str = "ready", watchdog: bool = True
) -> Alertmanager:
    made = Alertmanager(cluster_status=cluster)
    made.started_at -= up_for
    made.add_webhook(Webhook("http://127.0.0.1:9/", "remediator"))
    if watchdog:
        made.push(WATCHDOG)
    await made.start()
    return made


@pytest.fixture
async def first() -> AsyncIterator[Alertmanager]:
    made = await peer()
    yield made
    await made.stop()


@pytest.fixture
async def second() -> AsyncIterator[Alertmanager]:
    made = await peer()
    yield made
    await made.stop()


@pytest.fixture
def peers(first: Alertmanager, second: Alertmanager, session: aiohttp.ClientSession) -> AlertmanagerPeers:
    return AlertmanagerPeers([first.url, second.url + "/"], Credential(), session, 1.0, SystemClock())


def push(to: Alertmanager) -> str:
    fingerprint = to.push(DOWN, {"summary": "down"})
    assert fingerprint is not None
    return fingerprint


async def test_one_peer_that_says_firing_is_enough(first: Alertmanager, peers: AlertmanagerPeers) -> None:
    fingerprint = push(first)
    assert await peers.is_active(fingerprint, DOWN) is Answer.YES
    (alert,) = await peers.alerts([matcher_text("alertname", "ServiceDown")])
    assert (alert.fingerprint, alert.labels, alert.state, alert.receivers) == (
        fingerprint,
        DOWN,
        "active",
        ("remediator",),
    )
    assert alert.annotations == {"summary": "down"}
    assert alert.starts_at.tzinfo is not None


async def test_a_silenced_alert_still_fires(first: Alertmanager, peers: AlertmanagerPeers) -> None:
    fingerprint = push(first)
    first.silence('alertname="ServiceDown"')
    assert await peers.is_active(fingerprint, DOWN) is Answer.YES
    (alert,) = await peers.alerts([matcher_text("alertname", "ServiceDown")])
    assert alert.state == "suppressed"


async def test_suppressed_on_one_peer_and_active_on_the_other_is_active_and_listed_once(
    first: Alertmanager, second: Alertmanager, peers: AlertmanagerPeers
) -> None:
    push(first)
    push(second)
    first.silence('alertname="ServiceDown"')
    (alert,) = await peers.alerts([matcher_text("alertname", "ServiceDown")])
    assert alert.state == "active"


async def test_not_firing_needs_all_that_can_be_reached_to_agree(first: Alertmanager, peers: AlertmanagerPeers) -> None:
    assert await peers.is_active("0123456789abcdef", DOWN) is Answer.NO
    await first.stop()
    assert await peers.is_active("0123456789abcdef", DOWN) is Answer.NO


async def test_unreachable_peers_make_it_unknown(
    first: Alertmanager, second: Alertmanager, peers: AlertmanagerPeers
) -> None:
    await first.stop()
    await second.stop()
    assert await peers.is_active("0123456789abcdef", DOWN) is Answer.UNKNOWN
    with pytest.raises(FactsMissingError, match="no Alertmanager peer is ready"):
        await peers.alerts()
    assert all(status.problem and not status.ready for status in await peers.status())


@pytest.mark.parametrize(
    ("up_for", "cluster", "watchdog", "absent"),
    [
        (timedelta(hours=1), "ready", True, Answer.NO),
        (timedelta(hours=1), "disabled", True, Answer.NO),
        (timedelta(hours=1), "settling", True, Answer.UNKNOWN),
        (timedelta(minutes=4), "ready", True, Answer.UNKNOWN),
        (timedelta(hours=1), "ready", False, Answer.UNKNOWN),
    ],
)
async def test_absence_counts_only_from_a_peer_that_can_be_trusted(
    session: aiohttp.ClientSession, up_for: timedelta, cluster: str, watchdog: bool, absent: Answer
) -> None:
    made = await peer(up_for=up_for, cluster=cluster, watchdog=watchdog)
    peers = AlertmanagerPeers([made.url], Credential(), session, 1.0, SystemClock())
    assert await peers.is_active("0123456789abcdef", DOWN) is absent
    await made.stop()


async def test_a_settling_peer_is_not_asked(second: Alertmanager, session: aiohttp.ClientSession) -> None:
    """Its list may still show what the others know to be over."""
    made = await peer(cluster="settling")
    fingerprint = push(made)
    peers = AlertmanagerPeers([made.url, second.url], Credential(), session, 1.0, SystemClock())
    assert await peers.is_active(fingerprint, DOWN) is Answer.NO
    await made.stop()


async def test_a_cluster_that_only_settles_has_no_list(session: aiohttp.ClientSession) -> None:
    made = await peer(cluster="settling")
    with pytest.raises(FactsMissingError, match="its cluster is settling"):
        await AlertmanagerPeers([made.url], Credential(), session, 1.0, SystemClock()).alerts()
    await made.stop()


async def test_without_a_configured_watchdog_none_is_asked_for(session: aiohttp.ClientSession) -> None:
    made = await peer(watchdog=False)
    peers = AlertmanagerPeers([made.url], Credential(), session, 1.0, SystemClock(), watchdog=None)
    assert await peers.is_active("0123456789abcdef", DOWN) is Answer.NO
    await made.stop()


async def test_receiver_is_a_name_and_not_a_pattern(first: Alertmanager, peers: AlertmanagerPeers) -> None:
    push(first)
    assert len(await peers.alerts([matcher_text("alertname", "ServiceDown")], receiver="remediator")) == 1
    assert await peers.alerts([matcher_text("alertname", "ServiceDown")], receiver="remed.ator") == ()


async def test_hostile_labels_stay_inside_their_matcher(first: Alertmanager, peers: AlertmanagerPeers) -> None:
    push(first)
    labels = {"alertname": 'x",namespace="shop'}
    assert await peers.alerts([matcher_text(name, value) for name, value in labels.items()]) == ()
    assert await peers.is_active("0123456789abcdef", {"alertname": "\ud800"}) is Answer.UNKNOWN


@pytest.mark.parametrize("kind", ["status 500", "status 404", "status 301", "reset", "hang"])
async def test_every_failure_is_a_missing_fact(
    first: Alertmanager, second: Alertmanager, peers: AlertmanagerPeers, kind: str
) -> None:
    for one in (first, second):
        one.faults.add(match="GET /api/v2/alerts", kind=kind, times=None, headers={"Location": "http://127.0.0.1:9/"})
    with pytest.raises(FactsMissingError):
        await peers.alerts()


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"{}", b"null", b'[{"labels": 7}]', b'[{"fingerprint": "x"}]', b"[7]"]
)
async def test_what_cannot_be_understood_is_a_missing_fact(
    first: Alertmanager, session: aiohttp.ClientSession, body: bytes
) -> None:
    peers = AlertmanagerPeers([first.url], Credential(), session, 1.0, SystemClock())
    first.faults.add(match="GET /api/v2/alerts", kind="status 200", body=body, times=None)
    assert await peers.is_active("0123456789abcdef", DOWN) is Answer.UNKNOWN
    with pytest.raises(FactsMissingError):
        await peers.alerts()


async def test_a_redirect_does_not_take_the_credential_elsewhere(
    first: Alertmanager, second: Alertmanager, session: aiohttp.ClientSession
) -> None:
    peers = AlertmanagerPeers([first.url], Credential(token=SecretStr("secret-token")), session, 1.0, SystemClock())
    elsewhere = f"{second.url}/api/v2/alerts"
    first.faults.add(match="GET /api/v2/alerts", kind="status 302", headers={"Location": elsewhere})
    with pytest.raises(FactsMissingError, match="not followed") as failed:
        await peers.alerts()
    assert len(second.requests) == 0
    assert "secret-token" not in str(failed.value)
    assert {received.headers.get("Authorization") for received in first.requests} == {"Bearer secret-token"}


async def test_basic_authentication_is_sent(first: Alertmanager, session: aiohttp.ClientSession) -> None:
    credential = Credential(username="remediator", password=SecretStr("pass"))
    await AlertmanagerPeers([first.url], credential, session, 1.0, SystemClock()).alerts()
    assert first.requests[0].headers["Authorization"] == "Basic cmVtZWRpYXRvcjpwYXNz"


async def test_what_a_receiver_is_told_is_the_union_over_its_groups_at_all_peers(
    first: Alertmanager, second: Alertmanager, peers: AlertmanagerPeers
) -> None:
    fingerprint = push(first)
    second.push(DOWN, {"summary": "down"})
    second.silence('alertname="ServiceDown"')
    found = {alert.labels["alertname"]: alert for alert in await peers.told("remediator")}
    assert set(found) == {"ServiceDown", "Watchdog"}
    down = found["ServiceDown"]
    assert (down.fingerprint, down.labels, down.state, down.receivers) == (fingerprint, DOWN, "active", ("remediator",))
    assert down.starts_at.tzinfo is not None
    assert down.delivered.ends_at is None
    assert down.delivered.annotations == {"summary": "down"}


@pytest.mark.parametrize("name", ["remediato.", "remediator|x", "REMEDIATOR", "(", "", "remediator "])
async def test_a_receiver_is_named_and_not_searched_for(peers: AlertmanagerPeers, name: str) -> None:
    assert await peers.told(name) == ()


async def test_a_muted_group_is_told_to_nobody(first: Alertmanager, session: aiohttp.ClientSession) -> None:
    peers = AlertmanagerPeers([first.url], Credential(), session, 1.0, SystemClock())
    alert = {
        "fingerprint": "0123456789abcdef",
        "labels": DOWN,
        "startsAt": "2026-11-22T10:00:00.123456789Z",
        "endsAt": "2026-11-22T12:00:00Z",
        "status": {"state": "active", "mutedBy": ["night"], "silencedBy": [], "inhibitedBy": []},
    }
    group = {"labels": {}, "receiver": {"name": "remediator"}, "alerts": [alert]}
    first.faults.add(match="GET /api/v2/alerts/groups", kind="status 200", body=json.dumps([group]).encode())
    (told,) = await peers.told("remediator")
    assert (told.state, dict(told.annotations)) == ("suppressed", {})


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"<html>", b"{}", b"null", b"[7]", b'[{"receiver": {"name": "remediator"}}]'),
        b'[{"receiver": {"name": "remediator"}, "alerts": [{"labels": {}}]}]',
        b'[{"receiver": {"name": "remediator"}, "alerts": {}}]',
        b"[" * 100_000,
    ],
)
async def test_groups_that_cannot_be_understood_are_a_missing_fact(
    first: Alertmanager, session: aiohttp.ClientSession, body: bytes
) -> None:
    """Never an empty list: everything open would seem to be over."""
    peers = AlertmanagerPeers([first.url], Credential(), session, 1.0, SystemClock())
    first.faults.add(match="GET /api/v2/alerts/groups", kind="status 200", body=body)
    with pytest.raises(FactsMissingError):
        await peers.told("remediator")
