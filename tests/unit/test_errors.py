import pickle
from pathlib import Path

import pytest

from remediator.errors import (
    ConfigError,
    FactsMissingError,
    NotSentError,
    OutcomeUnknownError,
    OvertakenError,
    PermanentError,
    RemediatorError,
    StepError,
    StoreUnavailableError,
    TransientError,
)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (ConfigError("a.yaml", 7, "unknown key 'x'", "accepted: y, z"), "a.yaml:7: unknown key 'x' (accepted: y, z)"),
        (ConfigError(Path("dir/a.yaml"), None, "cannot be read"), "dir/a.yaml: cannot be read"),
    ],
)
def test_a_config_error_names_place_fault_and_remedy(error: ConfigError, text: str) -> None:
    assert str(error) == text
    assert str(pickle.loads(pickle.dumps(error))) == text


def test_a_transient_error_carries_when_to_try_again() -> None:
    assert TransientError("busy", retry_after_s=30).retry_after_s == 30
    assert NotSentError("lease nearly over").retry_after_s is None


def test_only_an_unsent_write_counts_as_transient_and_a_lost_answer_never_does() -> None:
    assert issubclass(NotSentError, TransientError)
    for other in (PermanentError, OutcomeUnknownError, OvertakenError, FactsMissingError):
        assert issubclass(other, StepError)
        assert not issubclass(other, TransientError)


def test_a_store_that_is_down_is_not_a_failed_step() -> None:
    error = StoreUnavailableError("disk full")
    assert error.reason == str(error) == "disk full"
    assert isinstance(error, RemediatorError)
    assert not isinstance(error, StepError)
