"""Guards only ever take away: a failure, a missing fact or one more reason never turns a no into a yes."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator.alerts.severity import Severity
from remediator.decision import guards
from remediator.decision.decide import Verdict, decide, judge
from remediator.decision.facts import (
    AutonomyFacts,
    ChangeFact,
    Denial,
    EpisodeFacts,
    Facts,
    Lacking,
    Ladder,
    LedgerFacts,
    PauseFact,
    Problem,
    RemedyFacts,
    Used,
)
from remediator.playbooks.model import Autonomy, Playbook
from tests.support.clock import T0
from tests.support.facts import TARGET, acting, facts, plan

PLAYBOOK = acting()

ago = st.integers(0, 7200).map(lambda seconds: T0 - timedelta(seconds=seconds))
ahead = st.integers(0, 7200).map(lambda seconds: T0 + timedelta(seconds=seconds))
used = st.builds(Used, st.integers(0, 24), st.none() | ahead)
problems = st.builds(Problem, st.just("facts_missing"), st.just("no answer"), st.sampled_from(["wait", "refuse"]))
episodes = st.builds(
    EpisodeFacts,
    firing=st.sampled_from([True, True, True, False]),
    severity=st.sampled_from(Severity),
    first_received_at=ago,
    confirmed_at=st.none() | ago,
)
ladders = st.builds(Ladder, st.sampled_from(Autonomy), st.sampled_from([PLAYBOOK.content_hash, "0" * 16]))
autonomies = st.builds(
    AutonomyFacts,
    start=st.sampled_from(Autonomy),
    named=st.none() | st.sampled_from(Autonomy),
    content=st.sampled_from([None, PLAYBOOK.content_hash, "0" * 16]),
    ladder=st.none() | ladders,
)
changes = st.builds(ChangeFact, ago, st.just("another"), st.none() | st.sampled_from(["verified", "failed"]))
ledgers = st.builds(LedgerFacts, st.none() | changes, used, used, used)
remedies = st.one_of(
    st.just(RemedyFacts(0, plans=(plan(),))),
    st.builds(RemedyFacts, st.none() | st.just(0), st.none() | st.just("restart"), refused=st.none() | problems),
)
worlds = st.builds(
    facts,
    episode=st.just(facts().episode) | episodes,
    autonomy=st.just(facts().autonomy) | autonomies,
    playbook_present=st.sampled_from([True, True, True, False]),
    target=st.sampled_from([TARGET, TARGET, None]),
    target_problem=st.none() | problems,
    namespace_allowed=st.sampled_from([True, True, False, None]),
    own_ground=st.sampled_from([None, None, "its node"]),
    pauses=st.sampled_from([(), (), (PauseFact("all", "ada", "x"),)]),
    start_hold_until=st.none() | st.integers(-60, 60).map(lambda s: T0 + timedelta(seconds=s)),
    ledger=st.none() | st.just(LedgerFacts()) | ledgers,
    busy=st.sampled_from([(), (), None, ("run_1",)]),
    remedy=st.none() | remedies,
    missing=st.lists(problems, max_size=2).map(tuple),
    lacking=st.sampled_from([(), (), (Lacking("needs get", writes=False),)]),
)


def _one_more(count: Used) -> Used:
    return replace(count, runs=count.runs + 1)


def _one_more_run(found: Facts) -> Facts:
    ledger = found.ledger
    if ledger is None:
        return found
    counted = LedgerFacts(
        ledger.last_change,
        runs_on_target=_one_more(ledger.runs_on_target),
        of_playbook=_one_more(ledger.of_playbook),
        of_everything=_one_more(ledger.of_everything),
    )
    return replace(found, ledger=counted)


WEAKENINGS: dict[str, Callable[[Facts], Facts]] = {
    "closed": lambda found: replace(found, episode=replace(found.episode, firing=False)),
    "unconfirmed": lambda found: replace(found, episode=replace(found.episode, confirmed_at=None)),
    "severity unknown": lambda found: replace(found, episode=replace(found.episode, severity=Severity.UNKNOWN)),
    "severity none": lambda found: replace(found, episode=replace(found.episode, severity=Severity.NONE)),
    "playbook gone": lambda found: replace(found, playbook_present=False),
    "target gone": lambda found: replace(found, target=None),
    "target doubtful": lambda found: replace(found, target_problem=Problem("target_ambiguous", "two")),
    "namespace unknown": lambda found: replace(found, namespace_allowed=None),
    "own ground": lambda found: replace(found, own_ground="its node"),
    "paused": lambda found: replace(found, pauses=(*found.pauses, PauseFact("all", "ada", "x"))),
    "held": lambda found: replace(found, start_hold_until=T0 + timedelta(hours=1)),
    "ledger unread": lambda found: replace(found, ledger=None),
    "changed just now": lambda found: (
        found
        if found.ledger is None
        else replace(found, ledger=replace(found.ledger, last_change=ChangeFact(T0, "another", None)))
    ),
    "one more run": _one_more_run,
    "locks unread": lambda found: replace(found, busy=None),
    "one more busy": lambda found: replace(found, busy=(*(found.busy or ()), "run_2")),
    "remedies unread": lambda found: replace(found, remedy=None),
    "no remedy": lambda found: replace(found, remedy=RemedyFacts(None)),
    "plan gone": lambda found: replace(found, remedy=RemedyFacts(0)),
    "one more missing": lambda found: replace(found, missing=(*found.missing, Problem("facts_missing", "no answer"))),
    "a permission is missing": lambda found: replace(found, lacking=(Lacking("needs list", writes=False),)),
    "settings lower": lambda found: replace(found, autonomy=AutonomyFacts(Autonomy.OBSERVE)),
    "ladder lower": lambda found: replace(
        found, autonomy=replace(found.autonomy, ladder=Ladder(Autonomy.OBSERVE, PLAYBOOK.content_hash))
    ),
}
weakenings = st.lists(st.sampled_from(sorted(WEAKENINGS)), min_size=1, max_size=4)

PERMISSIVE = {Verdict.OBSERVE: 0, Verdict.DENY: 0, Verdict.PROPOSE: 1, Verdict.APPROVE: 2, Verdict.RUN: 3}
"""How far a verdict lets things go."""


@given(worlds, weakenings)
def test_less_known_or_more_in_the_way_never_lets_more_happen(found: Facts, names: list[str]) -> None:
    weaker = found
    for name in names:
        weaker = WEAKENINGS[name](weaker)
    before, after = judge(PLAYBOOK, found), judge(PLAYBOOK, weaker)
    assert PERMISSIVE[after.verdict] <= PERMISSIVE[before.verdict]


@given(weakenings)
def test_one_thing_in_the_way_of_a_run_is_enough(names: list[str]) -> None:
    weaker = facts()
    assert judge(PLAYBOOK, weaker).verdict is Verdict.RUN
    for name in names:
        weaker = WEAKENINGS[name](weaker)
    if names not in (["one more run"], ["one more run"] * 2):  # the budget allows three
        assert judge(PLAYBOOK, weaker).verdict is not Verdict.RUN


@pytest.mark.parametrize("guard", guards.TO_ADMIT, ids=lambda guard: guard.__name__)
@given(found=worlds)
def test_a_guard_that_fails_never_lets_pass_what_it_would_have_stopped(guard: guards.Guard, found: Facts) -> None:
    def broken(playbook: Playbook, known: Facts) -> Denial | None:
        raise KeyError("a fact")

    asked = [broken if one is guard else one for one in guards.TO_ADMIT]
    denials = guards.denials(asked, PLAYBOOK, found)
    assert any(denial.code == "guard_failed" and denial.kind == "wait" for denial in denials)
    others = {denial.guard for denial in guards.denials(guards.TO_ADMIT, PLAYBOOK, found)} - {guard.__name__}
    assert others <= {denial.guard for denial in denials}


@given(worlds)
def test_every_denial_says_why_and_a_run_has_a_plan_for_a_target(found: Facts) -> None:
    (decision,) = decide([(PLAYBOOK, found)], T0)
    assert (decision.kind is not None) == bool(decision.denials) == (decision.verdict is Verdict.DENY)
    assert all(denial.text and denial.code and denial.guard for denial in decision.denials)
    if decision.verdict in (Verdict.RUN, Verdict.APPROVE, Verdict.PROPOSE):
        assert found.target is not None
        assert found.remedy is not None
        assert found.remedy.plans
        assert found.episode.firing
