"""A target that could not be read is waited for; only one that is not there is refused (S8)."""

from datetime import timedelta

from remediator.alerts.severity import Severity
from remediator.decision import guards
from remediator.decision.facts import AutonomyFacts, Denial, EpisodeFacts, Facts, Limits, Problem
from remediator.playbooks.model import Autonomy
from tests.support.clock import T0
from tests.support.playbooks import playbook

UNREACHABLE = Problem("facts_missing", "whether shop/checkout exists could not be read: connection refused", "wait")
GONE = Problem("target_not_found", "no deployment shop/checkout in production")


def asked(problem: Problem) -> tuple[Denial, ...]:
    facts = Facts(
        now=T0,
        episode=EpisodeFacts(True, Severity.HIGH, T0, T0),
        autonomy=AutonomyFacts(Autonomy.ACT),
        limits=Limits(total=20, total_per_playbook=10, per=timedelta(minutes=10)),
        target_problem=problem,
    )
    return guards.denials(guards.TO_ADMIT, playbook("restart-it", autonomy="act"), facts)


def test_a_cluster_that_does_not_answer_is_waited_for_by_every_guard() -> None:
    assert {denial.guard: denial.kind for denial in asked(UNREACHABLE)} == dict.fromkeys(
        ("target", "namespaces", "one_run", "remedy", "cooldown", "budget", "totals"), "wait"
    )


def test_a_target_that_is_not_there_is_refused() -> None:
    kinds = {denial.guard: denial.kind for denial in asked(GONE)}
    assert (kinds["target"], kinds["namespaces"]) == ("refuse", "refuse")


def test_what_was_not_read_for_want_of_a_target_is_told_as_that_and_not_as_a_failure_to_read() -> None:
    texts = [denial.text for denial in asked(GONE) if denial.guard != "target"]
    assert texts
    assert all("without a target" in text and "could not be read" not in text for text in texts)
