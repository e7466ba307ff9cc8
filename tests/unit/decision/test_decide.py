"""One answer for each playbook, one taker for each alert (S5, S6, S14)."""

from datetime import timedelta
from typing import Any

import pytest

from remediator.alerts.severity import Severity
from remediator.decision.decide import Decision, Verdict, decide
from remediator.decision.facts import AutonomyFacts, Facts, PauseFact, Problem
from remediator.playbooks.model import Autonomy, Playbook
from tests.support.clock import T0
from tests.support.facts import acting, episode, facts

MINUTE = timedelta(minutes=1)
BUSY = {"busy": ("run_1",)}


def answers(*candidates: tuple[Playbook, Facts]) -> dict[str, Decision]:
    return {decision.playbook.name: decision for decision in decide(candidates, T0) if decision.playbook is not None}


def verdicts(*candidates: tuple[Playbook, Facts]) -> dict[str, str]:
    return {name: decision.verdict.value for name, decision in answers(*candidates).items()}


def one(**changes: Any) -> Decision:
    return answers((acting(), facts(**changes)))["restart-it"]


def test_no_playbook_is_an_answer_of_its_own() -> None:
    (decision,) = decide([], T0)
    assert (decision.playbook, decision.verdict) == (None, Verdict.NO_PLAYBOOK)


@pytest.mark.parametrize(
    ("level", "verdict"), [("act", "run"), ("approve", "approve"), ("propose", "propose"), ("observe", "observe")]
)
def test_autonomy_in_force_gives_the_verdict(level: str, verdict: str) -> None:
    decision = one(autonomy=AutonomyFacts(Autonomy(level)))
    assert decision.verdict == verdict
    assert (level == "act") != any("held at" in note for note in decision.notes), "what holds it back is said (S14)"


def test_unknown_severity_is_told_like_high_and_at_most_proposes() -> None:
    assert one(episode=episode(severity=Severity.UNKNOWN)).verdict is Verdict.PROPOSE


def test_severity_none_is_never_remediated() -> None:
    assert one(episode=episode(severity=Severity.NONE)).verdict is Verdict.OBSERVE


def test_one_refusal_among_waits_is_a_refusal_and_every_reason_is_kept() -> None:
    decision = one(**BUSY, pauses=(PauseFact("all", "ada", "release"),))
    assert (decision.verdict, decision.kind) == (Verdict.DENY, "refuse")
    assert [denial.code for denial in decision.denials] == ["paused", "target_busy"]
    assert [reason["code"] for reason in decision.reasons()] == ["paused", "target_busy"]


def test_only_waits_is_a_wait() -> None:
    assert one(**BUSY).kind == "wait"


def test_observing_keeps_the_reasons_as_notes() -> None:
    decision = one(autonomy=AutonomyFacts(Autonomy.OBSERVE), **BUSY)
    assert (decision.verdict, decision.kind, decision.denials) == (Verdict.OBSERVE, None, ())
    assert any("would also be denied" in note for note in decision.notes)


class TestWhen:
    """S5: decided again at the earliest time that its denials allow, bounded."""

    @pytest.mark.parametrize(("hold_s", "again_s"), [(1, 30), (300, 300), (86400, 900)])
    def test_the_bounds(self, hold_s: int, again_s: int) -> None:
        decision = one(start_hold_until=T0 + timedelta(seconds=hold_s))
        assert decision.decide_again_at == T0 + timedelta(seconds=again_s)

    def test_a_denial_that_cannot_say_when_is_asked_again_in_a_minute(self) -> None:
        assert one(**BUSY).decide_again_at == T0 + MINUTE

    def test_the_latest_of_several_denials_counts(self) -> None:
        assert one(**BUSY, start_hold_until=T0 + 5 * MINUTE).decide_again_at == T0 + 5 * MINUTE

    def test_a_proposal_is_looked_at_again_too(self) -> None:
        assert one(autonomy=AutonomyFacts(Autonomy.PROPOSE)).decide_again_at == T0 + 15 * MINUTE


class TestOnePlaybook:
    """S6."""

    def test_the_highest_priority_takes_it_and_the_others_are_superseded(self) -> None:
        found = answers((acting("low"), facts()), (acting("high", priority=5), facts()))
        assert {name: decision.verdict.value for name, decision in found.items()} == {
            "high": "run",
            "low": "superseded",
        }
        assert "superseded by high, priority 5" in found["low"].notes
        assert (found["low"].kind, found["low"].denials) == (None, ())

    def test_the_first_that_can_takes_it(self) -> None:
        high, low = (acting("high", priority=5), facts(**BUSY)), (acting("low"), facts())
        assert verdicts(high, low) == {"high": "superseded", "low": "run"}

    def test_when_none_can_each_keeps_its_own_denials(self) -> None:
        found = answers((acting("high", priority=5), facts(**BUSY)), (acting("low"), facts(playbook_present=False)))
        assert {name: decision.kind for name, decision in found.items()} == {"high": "wait", "low": "refuse"}

    def test_a_proposal_takes_it_before_a_lower_one_that_would_run(self) -> None:
        proposing = facts(autonomy=AutonomyFacts(Autonomy.PROPOSE))
        found = verdicts((acting("high", priority=5), proposing), (acting("low"), facts()))
        assert found == {"high": "propose", "low": "superseded"}

    def test_an_observing_one_does_not_take_it(self) -> None:
        observing = facts(autonomy=AutonomyFacts(Autonomy.OBSERVE))
        assert verdicts((acting("high", priority=5), observing), (acting("low"), facts()))["low"] == "run"

    def test_equal_priority_denies_and_names_them(self) -> None:
        found = answers((acting("one"), facts()), (acting("two"), facts()), (acting("lower", priority=-1), facts()))
        for name in ("one", "two"):
            assert (found[name].verdict, found[name].kind) == (Verdict.DENY, "refuse")
            assert "one, two" in found[name].denials[0].text
            assert found[name].decide_again_at is not None
        assert found["lower"].verdict is Verdict.SUPERSEDED, "the alert is not acted upon by a back door"

    def test_equal_priority_with_one_that_is_denied_is_no_rivalry(self) -> None:
        assert verdicts((acting("one"), facts()), (acting("two"), facts(**BUSY)))["one"] == "run"


def test_a_denied_decision_is_json() -> None:
    (reason,) = one(missing=(Problem("facts_missing", "no answer"),)).reasons()
    assert reason == {
        "guard": "facts_present",
        "code": "facts_missing",
        "kind": "wait",
        "text": "no answer",
        "earliest": None,
        "values": {"missing": ["no answer"]},
    }
