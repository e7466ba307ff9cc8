"""When a certificate's end is near enough to speak of it."""

from datetime import UTC, datetime, timedelta

import pytest

from remediator.alerts.certificate_expiry import Held, alerts, ended, fingerprint, thresholds

DAY, HOUR = timedelta(days=1), timedelta(hours=1)
END = datetime(2026, 12, 31, tzinfo=UTC)
AT = thresholds(warn_within=21 * DAY, urgent_within=7 * DAY)
PLACE = {"kind": "certificate", "cluster": "prod", "namespace": "shop", "name": "web"}


def held(lasts: timedelta | None = 90 * DAY, renewal: timedelta | None = None) -> Held:
    """``renewal``: so long before the end it is due."""
    return Held(PLACE, "it", None if lasts is None else END - lasts, END, None if renewal is None else END - renewal)


def severities(one: Held, left: timedelta) -> list[str]:
    return [alert.labels["severity"] for alert in alerts(one, AT, END - left)]


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (90 * DAY, []),
        (21 * DAY + HOUR, []),
        (21 * DAY, ["medium"]),
        (7 * DAY + HOUR, ["medium"]),
        (7 * DAY, ["medium", "high"]),
        (timedelta(0), ["medium", "high"]),
        (-DAY, ["medium", "high"]),
    ],
)
def test_a_certificate_for_ninety_days(left: timedelta, told: list[str]) -> None:
    assert severities(held(), left) == told
    assert severities(held(lasts=None), left) == told


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (24 * HOUR, []),
        (8 * HOUR, []),  # now its renewal is due
        (7 * HOUR, ["medium"]),
        (3 * HOUR, ["medium"]),
        (2 * HOUR, ["medium", "high"]),
    ],
)
def test_a_certificate_for_a_day_is_not_told_of_all_its_life(left: timedelta, told: list[str]) -> None:
    assert severities(held(lasts=24 * HOUR), left) == told
    assert severities(held(lasts=24 * HOUR, renewal=8 * HOUR), left) == told


def test_what_its_owner_renews_late_is_not_told_of_before() -> None:
    assert severities(held(renewal=5 * DAY), 6 * DAY) == []
    assert severities(held(renewal=5 * DAY), 4 * DAY) == ["medium"]


def test_a_renewal_that_is_due_after_the_end_says_nothing() -> None:
    assert severities(held(renewal=-DAY), 20 * DAY) == ["medium"]


def test_the_alert_is_the_same_whoever_looks_and_whenever() -> None:
    """Or else a restart, or another replica, would raise another one."""
    [first] = alerts(held(), AT, END - 20 * DAY)
    [later] = alerts(held(), AT, END - 10 * DAY)
    assert later == first
    assert first.starts_at == END - 21 * DAY
    assert first.labels == {"alertname": "CertificateExpiry", "severity": "medium", **PLACE}


def test_its_end_closes_just_that_one() -> None:
    medium, high = alerts(held(), AT, END - DAY)
    assert medium.fingerprint != high.fingerprint
    over = ended(medium.labels, medium.starts_at, END)
    assert (over.fingerprint, over.firing, over.ends_at) == (medium.fingerprint, False, END)


def test_labels_are_told_apart_wherever_their_text_ends() -> None:
    assert fingerprint({"a": "b", "c": "d"}) == fingerprint({"c": "d", "a": "b"})
    assert fingerprint({"a": "b,c"}) != fingerprint({"a": "b", "c": ""})


@pytest.mark.parametrize("end", [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)])
def test_a_certificate_may_say_any_year(end: datetime) -> None:
    """Whoever can store one must not end the look at all others."""
    told = [alert.labels["severity"] for alert in alerts(Held(PLACE, "it", None, end), AT, END)]
    assert told == (["medium", "high"] if end < END else [])
