import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.clients.kubernetes.errors import BudgetExhaustedError, Refusal, read_refused, write_refused
from remediator.errors import FactsMissingError, OutcomeUnknownError, PermanentError, TransientError

STATUS = json.dumps(
    {"kind": "Status", "message": "said", "details": {"name": "checkout", "retryAfterSeconds": 3}}
).encode()


@given(st.integers(300, 599), st.binary(max_size=60) | st.just(STATUS))
def test_whatever_is_answered_becomes_one_of_ours(status: int, body: bytes) -> None:
    refusal = Refusal(status, body)
    assert isinstance(read_refused("GET x", refusal, "get"), FactsMissingError | PermanentError)
    assert isinstance(write_refused("PATCH x", refusal, "patch"), TransientError | PermanentError | OutcomeUnknownError)


@given(st.integers(500, 599))
def test_no_server_error_of_an_unknown_sender_promises_that_nothing_changed(status: int) -> None:
    assert isinstance(write_refused("PATCH x", Refusal(status, b"proxy"), "patch"), OutcomeUnknownError)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("7", 7.0), (None, 3.0), ("Wed, 21 Oct 2026 07:28:00 GMT", 3.0), ("-1", 3.0), ("nan", 3.0), ("inf", 3.0)],
)
def test_retry_after_comes_from_the_header_or_the_status(header: str | None, seconds: float) -> None:
    assert Refusal(429, STATUS, header).retry_after_s == seconds


def test_a_message_is_bounded() -> None:
    body = json.dumps({"kind": "Status", "message": "x" * 10_000}).encode()
    assert len(str(write_refused("PATCH x", Refusal(422, body), "patch"))) < 600


def test_a_budget_that_is_used_up_is_told_apart_with_its_counts() -> None:
    cause = {
        "reason": "DisruptionBudget",
        "message": "The disruption budget web needs 2 healthy pods and has 2 currently",
    }
    told = {"kind": "Status", "message": "Cannot evict pod", "details": {"causes": [cause]}}
    error = write_refused("POST x", Refusal(429, json.dumps(told).encode()), "create")
    assert type(error) is BudgetExhaustedError
    assert "Cannot evict pod The disruption budget web needs 2" in str(error)
    busy = {"kind": "Status", "message": "too many requests", "details": {"causes": "none"}}
    assert type(write_refused("POST x", Refusal(429, json.dumps(busy).encode()), "create")) is TransientError


@pytest.mark.parametrize(("by_server", "becomes"), [(True, PermanentError), (False, OutcomeUnknownError)])
def test_two_budgets_are_a_500_that_comes_before_anything_is_done(by_server: bool, becomes: type[Exception]) -> None:
    """From a proxy the same words promise nothing."""
    said = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
    body = json.dumps({"kind": "Status", "message": said}) if by_server else said
    assert type(write_refused("POST x", Refusal(500, body.encode()), "create")) is becomes
