import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from remediator.alerts.payload import NotAlertmanagerError, parse, unquote_meta
from tests.support.door import SAMPLES, alert, body

FILES = sorted(SAMPLES.glob("*.json"))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_captured_body_is_read_whole(file: Path) -> None:
    raw = json.loads(file.read_bytes())
    delivery = parse(file.read_bytes())
    assert delivery.rejected == ()
    assert delivery.truncated == raw["truncatedAlerts"]
    assert delivery.group_key == raw["groupKey"]
    assert delivery.external_url == raw["externalURL"]
    assert delivery.receiver == raw["receiver"].replace("\\", "")
    assert len(delivery.alerts) == len(raw["alerts"])
    for given, read in zip(raw["alerts"], delivery.alerts, strict=True):
        assert read.labels == given["labels"]
        assert read.annotations == given["annotations"]
        assert read.fingerprint == given["fingerprint"]
        assert read.generator_url == given["generatorURL"]
        assert read.firing == (given["status"] == "firing")
        assert (read.ends_at is None) == read.firing
        assert abs((read.starts_at - datetime.fromisoformat(given["startsAt"])).total_seconds()) < 2e-6


def test_all_captured_bodies_are_there() -> None:
    assert len(FILES) == 16


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-22T10:00:00Z", datetime(2026, 11, 22, 10, tzinfo=UTC)),
        ("2026-11-22T10:00:00.123456789Z", datetime(2026, 11, 22, 10, 0, 0, 123457, tzinfo=UTC)),
        ("2026-11-22T11:00:00.5+01:00", datetime(2026, 11, 22, 10, 0, 0, 500000, tzinfo=UTC)),
    ],
)
def test_times_are_utc_to_the_microsecond(text: str, expected: datetime) -> None:
    [read] = parse(body(alert("a", startsAt=text))).alerts
    assert read.starts_at == expected
    assert read.starts_at.tzinfo is UTC


def test_a_firing_alert_has_no_end_whatever_the_body_says() -> None:
    [read] = parse(body(alert("a", status="firing", endsAt="2026-11-22T12:00:00Z"))).alerts
    assert read.firing
    assert read.ends_at is None


@pytest.mark.parametrize(
    "bad",
    [
        None,
        7,
        [],
        {},
        alert("a", labels={}),
        alert("a", labels={"alertname": ""}),
        alert("a", labels={"alertname": 3}),
        alert("a", labels={"": "x"}),
        alert("a", labels=None),
        alert("a", annotations={"summary": None}),
        alert("a", startsAt="yesterday"),
        alert("a", startsAt="2026-11-22T10:00:00"),
        alert("a", startsAt=None),
        alert("a", startsAt="0001-01-01T00:00:00+02:00"),
        alert("a", status="resolved", endsAt="never"),
        alert("a", status="pending"),
        alert(""),
        alert("a b"),
        {**alert("a"), "fingerprint": None},
        alert("a\u0000"),
    ],
)
def test_a_bad_alert_is_rejected_and_its_neighbours_are_unharmed_s3(bad: object) -> None:
    delivery = parse(body(alert("before"), bad, alert("after")))
    assert [read.fingerprint for read in delivery.alerts] == ["before", "after"]
    [rejected] = delivery.rejected
    assert json.loads(rejected.raw) == bad
    assert rejected.error


@pytest.mark.parametrize("missing", ["status", "labels", "startsAt", "fingerprint"])
def test_an_alert_without_a_needed_key_is_rejected(missing: str) -> None:
    bad = alert("a")
    del bad[missing]
    assert len(parse(body(bad)).rejected) == 1


def test_what_may_be_missing_may_be_missing() -> None:
    sparse = alert("a", annotations=None, generatorURL=None)
    del sparse["endsAt"]
    [read] = parse(body(sparse)).alerts
    assert (read.annotations, read.generator_url) == ({}, "")


def test_unknown_keys_are_tolerated_everywhere() -> None:
    delivery = parse(
        body(alert("a", newKey={"x": [1]}), notification_reason="repeat interval elapsed", routeLabels={"a": "b"})
    )
    assert len(delivery.alerts) == 1


def test_an_empty_label_is_no_label() -> None:
    [read] = parse(body(alert("a", labels={"alertname": "X", "zone": ""}))).alerts
    assert read.labels == {"alertname": "X"}


def test_an_odd_envelope_still_gives_its_alerts() -> None:
    delivery = parse(body(alert("a"), groupKey=7, receiver=None, truncatedAlerts="many", externalURL={}))
    assert len(delivery.alerts) == 1
    assert (delivery.receiver, delivery.group_key, delivery.truncated) == ("", "", 0)


@pytest.mark.parametrize(
    "not_ours",
    [b"", b"hello", b"{", b"[]", b"7", b"null", b"{}", b'{"alerts": null}', b'{"alerts": {}}', b"\xff\xfe", b"[" * 100_000,
     b'{"alerts": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", b'{"alerts": [{"a": NaN}]}', b'{"alerts": []} more'],
    ids=lambda value: repr(value[:20]),
)  # fmt: skip
def test_only_what_is_no_json_or_has_no_alerts_is_refused_s3(not_ours: bytes) -> None:
    with pytest.raises(NotAlertmanagerError) as caught:
        parse(not_ours)
    assert str(caught.value)


def test_nul_survives_s3() -> None:
    [read] = parse(body(alert("a", labels={"alertname": "X\u0000Y"}))).alerts
    assert read.labels["alertname"] == "X\u0000Y"


def test_lone_surrogates_are_spelled_out_and_pairs_are_kept_s3() -> None:
    text = (
        b'{"groupKey": "\\udc00", "alerts": [{"status": "firing", "startsAt": "2026-11-22T10:00:00Z", "fingerprint": "a",'
        b' "labels": {"alertname": "\\ud800", "pair": "\\ud83d\\ude00", "two": "\\ud800\\ud800x", "escaped": "\\\\ud800",'
        b' "high then n": "\\ud800\\n"}}]}'
    )
    delivery = parse(text)
    assert delivery.group_key == "\\udc00"
    assert delivery.alerts[0].labels == {
        "alertname": "\\ud800",
        "pair": "\N{GRINNING FACE}",
        "two": "\\ud800\\ud800x",
        "escaped": "\\ud800",
        "high then n": "\\ud800\n",
    }


def test_bytes_that_are_no_utf8_harm_only_their_alert() -> None:
    text = body(alert("good"), alert("bad", annotations={"a": "BYTES"})).replace(b"BYTES", b"\xff\xfe")
    delivery = parse(text)
    assert [read.fingerprint for read in delivery.alerts] == ["good"]
    assert b"\xff\xfe" in delivery.rejected[0].raw


@pytest.mark.parametrize(
    ("sent", "written"),
    [(r"team\.x", "team.x"), (r"a\+b\(c\)", "a+b(c)"), (r"back\\slash", "back\\slash"), ("plain", "plain")],
)
def test_the_receiver_is_what_the_operator_wrote(sent: str, written: str) -> None:
    assert unquote_meta(sent) == written
    assert parse(body(alert("a"), receiver=sent)).receiver == written
