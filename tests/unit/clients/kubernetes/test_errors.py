import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.clients.kubernetes.errors import Refusal, read_refused, write_refused
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
