"""The Job that is made of a CronJob, and how its end is read."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.clients.kubernetes.job import job_from, job_name

_NAME = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,50}[a-z0-9])?", fullmatch=True)


@given(_NAME, st.text(min_size=1, max_size=40))
def test_the_name_is_one_that_a_job_may_have(cron_job: str, intent: str) -> None:
    name = job_name(cron_job, intent)
    assert len(name) <= 63
    assert name[0].isalnum()
    assert name == job_name(cron_job, intent)


def test_another_intent_gives_another_name() -> None:
    assert job_name("backup", "int_1") != job_name("backup", "int_2")


@pytest.mark.parametrize(
    ("conditions", "ended", "reason"),
    [
        ([], "", ""),
        ([{"type": "FailureTarget", "status": "True", "reason": "BackoffLimitExceeded"}], "", ""),
        ([{"type": "SuccessCriteriaMet", "status": "True"}], "", ""),
        ([{"type": "Complete", "status": "True"}], "Complete", ""),
        ([{"type": "Failed", "status": "True", "reason": "DeadlineExceeded"}], "Failed", "DeadlineExceeded"),
        ([{"type": "Failed", "status": "False"}, {"type": "Complete", "status": "True"}], "Complete", ""),
    ],
)
def test_only_complete_and_failed_are_ends(conditions: list[dict[str, Any]], ended: str, reason: str) -> None:
    """FailureTarget and SuccessCriteriaMet come while pods still run."""
    metadata = {"name": "backup-1", "uid": "u", "creationTimestamp": "2026-01-01T00:00:00Z"}
    job = job_from({"metadata": metadata, "status": {"conditions": conditions}})
    assert (job.ended, job.reason) == (ended, reason)
