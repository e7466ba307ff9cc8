"""When a renewal may be asked for: what is counted, and which objection comes first."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from remediator.clients.certificates import Certificate
from remediator.clients.kubernetes.cert_manager import (
    GROUP,
    CertificateState,
    IssuerRef,
    IssuerState,
    Renewable,
    Request,
    Window,
    renewable_from,
)
from remediator.clients.kubernetes.renewal_rules import RenewalLimits, reason_not_to_renew
from remediator.targets import Target
from tests.support.clock import T0

REF = IssuerRef("Issuer", GROUP, "letsencrypt")
ISSUER = IssuerState(REF, ready=True, acme=True, said="Ready=True")
NAMES = frozenset({"shop.example.net"})
LIMITS = RenewalLimits(early=False, after_failure=False, apart=timedelta(hours=35), most_per_week=3)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def certificate(name: str = "web", issued: timedelta | None = 80 * DAY) -> CertificateState:
    """Issued so long ago for 90 days; due after 60."""
    begins = None if issued is None else T0 - issued
    return CertificateState(
        target=Target.kubernetes("prod", "shop", "certificate", name),
        uid=name,
        resource_version="1",
        generation=1,
        terminating=False,
        secret=f"{name}-tls",
        issuer=REF,
        names=NAMES,
        hosts=tuple(NAMES),
        revision=1,
        not_before=begins,
        not_after=None if begins is None else begins + 90 * DAY,
        renewal_time=None if begins is None else begins + 60 * DAY,
        last_failure=None,
        failures=0,
        window=None,
        renewal_off=False,
        conditions=({"type": "Ready", "status": "True"},),
    )


def request(
    created: timedelta, *, of: str = "web", names: frozenset[str] | None = NAMES, issued: bool = True, said: str = ""
) -> Request:
    at = T0 - created
    return Request(
        name=f"{of}-1",
        uid=f"{of}-1",
        certificate=of,
        revision=1,
        issuer=REF,
        created_at=at,
        names=names,
        issued=Certificate("1", (), (), at, at, "EC") if issued else None,
        failed_at=None if issued else at,
        denied=False,
        said=said,
    )


def known(
    *requests: Request, due: CertificateState | None = None, others: tuple[CertificateState, ...] = ()
) -> Renewable:
    due = due or certificate()
    return renewable_from(due, ISSUER, (due, *others), requests)


def objection(found: Renewable, now: datetime = T0, **limits: object) -> str | None:
    reason = reason_not_to_renew(found, replace(LIMITS, **limits), now)  # type: ignore[arg-type]
    return None if reason is None else reason.code


def test_what_is_due_may_be_asked_for() -> None:
    assert objection(known()) is None


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"terminating": True}, "terminating"),
        ({"conditions": ({"type": "Issuing", "status": "True"},)}, "issuing"),
        ({"issuer": IssuerRef("AWSPCAIssuer", "awspca.cert-manager.io", "x")}, "issuer_not_known"),
        ({"failures": 1, "last_failure": T0 - 30 * HOUR}, "in_back_off"),
        ({"renewal_off": True}, "renewal_off"),
        ({"window": Window(T0 + HOUR, T0 + DAY)}, "authority_says_later"),
        ({"renewal_time": T0 + HOUR}, "not_due"),
    ],
)
def test_what_stands_in_the_way_is_named(change: dict[str, object], code: str) -> None:
    assert objection(known(due=replace(certificate(), **change))) == code  # type: ignore[arg-type]


def test_one_that_is_not_ready_is_due_whatever_was_planned() -> None:
    sick = replace(certificate(), conditions=({"type": "Ready", "status": "False"},), renewal_time=T0 + DAY)
    assert objection(known(due=sick)) is None
    of_another_spec = ({"type": "Ready", "status": "True", "observedGeneration": 1},)
    assert objection(known(due=replace(sick, conditions=of_another_spec, generation=2))) is None


def test_an_issuer_that_is_not_ready_or_not_there_is_refused() -> None:
    found = known()
    assert objection(replace(found, issuer=None)) == "issuer_not_found"
    assert objection(replace(found, issuer=replace(ISSUER, ready=False))) == "issuer_not_ready"


def test_two_that_write_one_secret_are_refused() -> None:
    assert (
        objection(known(others=(replace(certificate("other"), secret="web-tls", names=frozenset({"x"})),)))
        == "shared_secret"
    )


def test_after_failures_a_playbook_may_go_on_but_not_within_an_hour() -> None:
    failed = replace(certificate(), failures=6, last_failure=T0 - HOUR)
    assert objection(known(due=failed)) == "in_back_off"
    assert objection(known(due=failed), after_failure=True) is None
    assert objection(known(due=failed), T0 - timedelta(seconds=1), after_failure=True) == "failed_lately"
    assert objection(known(due=replace(failed, last_failure=None)), after_failure=True) == "failed_lately"


def test_when_it_tries_again_by_itself_is_told() -> None:
    for failures, hours in ((1, 1), (2, 2), (6, 32), (40, 32)):
        failed = replace(certificate(), failures=failures, last_failure=T0)
        reason = reason_not_to_renew(known(due=failed), LIMITS, T0)
        assert reason is not None and f"{T0 + hours * HOUR:%Y-%m-%d %H:%M}Z" in reason.text


def test_a_denied_request_that_still_stands_would_answer_the_next_attempt() -> None:
    failed = replace(certificate(), failures=1, last_failure=T0 - DAY)
    denied = replace(request(DAY, issued=False), name="web-2", revision=2, denied=True)
    assert objection(known(denied, due=failed)) == "in_back_off"
    assert objection(known(denied, due=failed), after_failure=True) == "denied_request_stands"
    for other in (replace(denied, revision=1), replace(denied, certificate="other"), replace(denied, denied=False)):
        assert objection(known(other, due=failed), after_failure=True) is None


def test_an_authority_that_was_asked_too_often_is_not_asked_again_whatever_the_playbook_says() -> None:
    limited = request(20 * DAY, issued=False, said="Ready=False Failed: 429 urn:ietf:params:acme:error:rateLimited")
    failed = replace(certificate(), failures=1, last_failure=T0 - 20 * DAY)
    assert objection(known(limited, due=failed), after_failure=True, early=True) == "rate_limited"
    # A later request that was issued ends that.
    assert objection(known(limited, request(3 * DAY), due=certificate()), after_failure=True, early=True) is None


def test_certificates_for_the_same_names_are_counted_whoever_holds_them() -> None:
    assert objection(known(request(34 * HOUR))) == "issued_lately"
    assert objection(known(request(35 * HOUR))) is None
    assert objection(known(request(34 * HOUR, of="another"))) == "issued_lately"
    assert objection(known(request(34 * HOUR, names=frozenset({"www.example.net"})))) is None
    assert objection(known(request(34 * HOUR, names=None))) == "issued_lately"
    assert objection(known(request(34 * HOUR, of="another", names=None))) is None
    assert objection(known(request(34 * HOUR, issued=False))) is None
    three = [request(number * 2 * DAY, of=f"c{number}") for number in (1, 2, 3)]
    assert objection(known(*three)) == "quota_nearly_used"
    assert objection(known(*three), most_per_week=4) is None
    assert objection(known(*three), T0 + 36 * HOUR) is None  # the oldest is over a week old then


def test_of_which_no_request_is_left_the_certificate_itself_tells() -> None:
    """cert-manager keeps one request of each by default, and requests can be deleted."""
    again = replace(certificate(issued=DAY), renewal_time=T0 - HOUR)
    assert objection(known(due=again)) == "issued_lately"
    assert objection(known(others=(certificate("other", issued=DAY),))) == "issued_lately"
    assert objection(known(others=(replace(certificate("other", issued=DAY), names=frozenset({"x"})),))) is None
    twice = known(request(2 * DAY), due=replace(certificate(issued=2 * DAY), renewal_time=T0 - HOUR))
    assert len(twice.issued_at) == 1


def test_only_an_acme_issuer_has_a_quota_and_its_own_window_counts_against_none() -> None:
    found = known(request(HOUR))
    assert objection(found) == "issued_lately"
    assert objection(replace(found, issuer=replace(ISSUER, acme=False))) is None
    asked = replace(certificate(), window=Window(T0 - HOUR, T0 + HOUR), renewal_time=T0 + DAY)
    assert objection(known(request(HOUR), due=asked)) is None


def test_early_lifts_the_times_and_nothing_else() -> None:
    early = replace(certificate(), renewal_time=T0 + DAY, window=Window(T0 + HOUR, T0 + DAY), renewal_off=True)
    assert objection(known(due=early), early=True) is None
    assert objection(known(request(HOUR), due=early), early=True) == "issued_lately"
    assert objection(known(due=replace(early, failures=1, last_failure=T0)), early=True) == "in_back_off"
