"""Each guard by itself: when it says no, of which kind (S8), and from when on it could be a yes."""

from datetime import timedelta
from typing import Any

import pytest

from remediator.alerts.severity import Severity
from remediator.decision import guards
from remediator.decision.facts import (
    Asked,
    AutonomyFacts,
    ChangeFact,
    Denial,
    Facts,
    Lacking,
    LedgerFacts,
    PauseFact,
    Problem,
    RemedyFacts,
    Used,
)
from remediator.playbooks.model import Autonomy, Playbook
from tests.support.clock import T0
from tests.support.facts import acting, episode, facts

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
PLAYBOOK = acting()


def only(**changes: Any) -> Denial:
    """The one denial that these facts give."""
    found = guards.denials(guards.TO_ADMIT, PLAYBOOK, facts(**changes))
    assert len(found) == 1, [denial.code for denial in found]
    return found[0]


def codes(**changes: Any) -> list[str]:
    return [denial.code for denial in guards.denials(guards.TO_ADMIT, PLAYBOOK, facts(**changes))]


def test_nothing_in_the_way_is_a_yes() -> None:
    assert codes() == []


@pytest.mark.parametrize(
    ("changes", "code", "kind"),
    [
        ({"pauses": (PauseFact("all", "ada", "release"),)}, "paused", "refuse"),
        ({"playbook_present": False}, "playbook_gone", "refuse"),
        ({"episode": episode(firing=False)}, "not_firing", "refuse"),
        ({"episode": episode(severity=Severity.NONE)}, "severity_none", "refuse"),
        ({"episode": episode(confirmed_at=None)}, "not_confirmed", "wait"),
        ({"target_problem": Problem("target_ambiguous", "two")}, "target_ambiguous", "refuse"),
        ({"target_problem": Problem("facts_missing", "no answer", "wait")}, "facts_missing", "wait"),
        ({"namespace_allowed": False}, "namespace_not_allowed", "refuse"),
        ({"namespace_allowed": None}, "namespace_not_allowed", "refuse"),
        ({"own_ground": "namespace kube-system"}, "own_ground", "refuse"),
        ({"busy": ("run_1",)}, "target_busy", "wait"),
        ({"busy": None}, "facts_missing", "wait"),
        ({"missing": (Problem("facts_missing", "no answer"),)}, "facts_missing", "wait"),
        ({"lacking": (Lacking("needs get on pods in shop", writes=False),)}, "permission_missing", "refuse"),
        ({"lacking": (Lacking("needs patch on pods in shop", writes=True),)}, "permission_missing", "refuse"),
        ({"start_hold_until": T0 + MINUTE}, "start_hold", "wait"),
        ({"remedy": None}, "facts_missing", "wait"),
        ({"remedy": RemedyFacts(None, unknown="restart")}, "no_remedy_known", "wait"),
        ({"remedy": RemedyFacts(None)}, "no_remedy", "refuse"),
        ({"remedy": RemedyFacts(0, refused=Problem("has_autoscaler", "scale that"))}, "has_autoscaler", "refuse"),
        ({"remedy": RemedyFacts(0, refused=Problem("rollout_under_way", "wait", "wait"))}, "rollout_under_way", "wait"),
        ({"remedy": RemedyFacts(0)}, "facts_missing", "wait"),
    ],
)
def test_one_reason_is_one_denial(changes: dict[str, Any], code: str, kind: str) -> None:
    denial = only(**changes)
    assert (denial.code, denial.kind) == (code, kind)
    assert denial.text


def test_without_a_target_nothing_that_needs_it_passes() -> None:
    found = codes(target=None, namespace_allowed=None, ledger=None, busy=None, remedy=None)
    assert found == ["target_undetermined", "target_undetermined", *["facts_missing"] * 5]


def test_without_the_ledger_no_limit_passes() -> None:
    found = guards.denials(guards.TO_ADMIT, PLAYBOOK, facts(ledger=None))
    assert [denial.guard for denial in found] == ["cooldown", "budget", "totals"]
    assert {denial.kind for denial in found} == {"wait"}


class TestConfirmed:
    """S10: an old alert needs a fresh sign."""

    def of(self, age: timedelta, seen_ago: timedelta) -> list[str]:
        return codes(episode=episode(first_received_at=T0 - age, confirmed_at=T0 - seen_ago))

    def test_its_edges(self) -> None:
        assert self.of(HOUR, HOUR) == [], "an hour is not over an hour"
        assert self.of(HOUR + MINUTE, 5 * MINUTE) == []
        assert self.of(HOUR + MINUTE, 5 * MINUTE + timedelta(seconds=1)) == ["not_confirmed"]


class TestCooldown:
    """S9: since the last change of the target by any playbook."""

    def change(self, ago: timedelta, outcome: str | None) -> dict[str, Any]:
        return {"ledger": LedgerFacts(ChangeFact(T0 - ago, "another", outcome))}

    @pytest.mark.parametrize(
        ("outcome", "kind"),
        [
            ("verified", "wait"),
            (None, "wait"),
            ("cancelled", "wait"),
            ("refuted", "refuse"),
            ("unknown", "refuse"),
            ("failed", "refuse"),
        ],
    )
    def test_its_kind_says_whether_waiting_helps(self, outcome: str | None, kind: str) -> None:
        denial = only(**self.change(MINUTE, outcome))
        assert (denial.guard, denial.kind) == ("cooldown", kind)
        assert denial.earliest == T0 + 14 * MINUTE

    def test_it_ends_to_the_second(self) -> None:
        assert codes(**self.change(15 * MINUTE, "failed")) == []


class TestLimits:
    """S9: budget and totals."""

    def test_the_budget_of_a_target_is_free_when_the_ledger_says(self) -> None:
        denial = only(ledger=LedgerFacts(runs_on_target=Used(3, T0 + 10 * MINUTE)))
        assert (denial.guard, denial.kind, denial.earliest) == ("budget", "refuse", T0 + 10 * MINUTE)
        assert codes(ledger=LedgerFacts(runs_on_target=Used(2))) == []

    def test_a_ledger_that_does_not_say_when_it_is_free_frees_nothing_early(self) -> None:
        assert only(ledger=LedgerFacts(runs_on_target=Used(3))).earliest == T0 + 60 * MINUTE

    @pytest.mark.parametrize(("name", "count"), [("of_playbook", 10), ("of_everything", 20)])
    def test_totals(self, name: str, count: int) -> None:
        full = LedgerFacts(**{name: Used(count, T0 + 9 * MINUTE)})  # type: ignore[arg-type]
        assert only(ledger=full).earliest == T0 + 9 * MINUTE
        assert codes(ledger=LedgerFacts(**{name: Used(count - 1)})) == []  # type: ignore[arg-type]


class TestStartHold:
    """S10: after a first live start the engine observes and asks."""

    def test_it_ends(self) -> None:
        assert codes(start_hold_until=T0) == []

    def test_asking_goes_on(self) -> None:
        asking = facts(start_hold_until=T0 + MINUTE, autonomy=AutonomyFacts(Autonomy.APPROVE))
        assert guards.denials(guards.TO_ADMIT, PLAYBOOK, asking) == ()


def test_a_playbook_that_may_only_propose_needs_no_right_to_write() -> None:
    reading, writing = Lacking("needs get", writes=False), Lacking("needs patch", writes=True)
    proposing = facts(lacking=(reading, writing), autonomy=AutonomyFacts(Autonomy.PROPOSE))
    assert [one.text for one in guards.denials(guards.TO_ADMIT, PLAYBOOK, proposing)] == ["needs get"]
    assert only(lacking=(reading, writing)).text == "needs get; needs patch"


def test_what_was_asked_is_kept_with_the_denial() -> None:
    asked = (Asked("restart", "promql", "no", "0.2"),)
    assert only(remedy=RemedyFacts(None, asked=asked)).values == {"asked": ["restart: promql = no (0.2)"]}


def test_a_guard_that_raises_is_a_denial_of_kind_wait_and_the_others_are_still_asked() -> None:
    def broken(playbook: Playbook, found: Facts) -> Denial | None:
        raise ZeroDivisionError("oh")

    found = guards.denials((broken, guards.pause), PLAYBOOK, facts(pauses=(PauseFact("all", "ada", "x"),)))
    assert [(denial.guard, denial.code, denial.kind) for denial in found] == [
        ("broken", "guard_failed", "wait"),
        ("pause", "paused", "refuse"),
    ]


def test_limits_are_asked_once_and_an_undo_is_asked_only_pause_and_own_ground() -> None:
    """S10: what the run itself did never counts against it."""
    used_up = LedgerFacts(ChangeFact(T0, "restart-it", None), *[Used(99, T0)] * 3)
    assert guards.denials(guards.ALWAYS, PLAYBOOK, facts(ledger=used_up)) == ()
    nothing_else = facts(episode=episode(firing=False), playbook_present=False, remedy=None, busy=None, ledger=None)
    assert guards.denials(guards.TO_UNDO, PLAYBOOK, nothing_else) == ()
    for stands in ({"pauses": (PauseFact("all", "ada", "x"),)}, {"own_ground": "its node"}):
        assert len(guards.denials(guards.TO_UNDO, PLAYBOOK, facts(**stands))) == 1
