"""Decisions over any set of playbooks and facts: one taker, lowest autonomy, never forgotten (S5, S6, S14)."""

import random

from hypothesis import assume, given
from hypothesis import strategies as st

from remediator.alerts.severity import Severity
from remediator.decision.autonomy import in_force
from remediator.decision.decide import BY_EVENT_ONLY, LATEST, SOONEST, TAKES, Verdict, decide
from remediator.decision.facts import Facts
from remediator.playbooks.model import Autonomy, Playbook
from tests.properties.test_guards import worlds
from tests.support.clock import T0
from tests.support.facts import acting, facts

levels = st.sampled_from([level.value for level in Autonomy])
playbooks = st.builds(lambda priority, level: (priority, level), st.integers(-1, 2), levels)


@st.composite
def candidates(draw: st.DrawFn) -> list[tuple[Playbook, Facts]]:
    drawn = draw(st.lists(st.tuples(playbooks, worlds | st.just(facts())), max_size=4))
    return [
        (acting(f"playbook-{number}", priority=priority, autonomy=level), found)
        for number, ((priority, level), found) in enumerate(drawn)
    ]


@given(candidates())
def test_at_most_one_playbook_takes_an_alert_and_it_has_the_highest_priority_that_can(
    given_: list[tuple[Playbook, Facts]],
) -> None:
    answers = decide(given_, T0)
    alone = {playbook.name: decide([(playbook, found)], T0)[0] for playbook, found in given_}
    takers = [decision for decision in answers if decision.verdict in TAKES]
    able = [decision for decision in alone.values() if decision.verdict in TAKES]
    assert len(takers) <= 1
    if not given_:
        assert [decision.verdict for decision in answers] == [Verdict.NO_PLAYBOOK]
        return
    assert sorted(d.playbook.name for d in answers if d.playbook) == sorted(alone)
    if not able:
        assert not takers
        return
    best = max(decision.playbook.priority for decision in able if decision.playbook)
    rivals = [d.playbook.name for d in able if d.playbook and d.playbook.priority == best]
    if len(rivals) > 1:
        assert not takers
        denied = [d for d in answers if any(denial.code == "equal_priority" for denial in d.denials)]
        assert sorted(d.playbook.name for d in denied if d.playbook) == sorted(rivals)
        for decision in denied:
            assert decision.kind == "refuse"
            assert all(name in decision.denials[0].text for name in rivals), "it names them"
    else:
        assert [d.playbook.name for d in takers if d.playbook] == rivals
        assert takers[0].verdict is alone[rivals[0]].verdict, "the company changes nothing for the taker"


@given(candidates(), st.randoms(use_true_random=False))
def test_the_order_of_candidates_changes_nothing(given_: list[tuple[Playbook, Facts]], order: random.Random) -> None:
    shuffled = list(given_)
    order.shuffle(shuffled)
    assert decide(shuffled, T0) == decide(given_, T0)


@given(candidates())
def test_what_may_change_with_time_is_decided_again_in_bounded_time(given_: list[tuple[Playbook, Facts]]) -> None:
    """S5's pure part: a run or a request is under way, or a time to decide again stands, or only an event can change it."""
    answers = decide(given_, T0)
    for decision in answers:
        if decision.decide_again_at is not None:
            assert T0 + SOONEST <= decision.decide_again_at <= T0 + LATEST
        if decision.verdict in (Verdict.DENY, Verdict.PROPOSE):
            assert decision.decide_again_at is not None
    verdicts = {decision.verdict for decision in answers}
    under_way = verdicts & {Verdict.RUN, Verdict.APPROVE}
    again = any(d.decide_again_at is not None for d in answers if d.verdict not in BY_EVENT_ONLY)
    assert under_way or again or verdicts <= {Verdict.OBSERVE, Verdict.NO_PLAYBOOK}
    for decision in answers:
        for denial in decision.denials:
            if denial.earliest is not None and decision.decide_again_at is not None:
                assert decision.decide_again_at >= min(denial.earliest, T0 + LATEST)


@given(candidates())
def test_the_verdict_never_goes_beyond_any_level(given_: list[tuple[Playbook, Facts]]) -> None:
    assume(given_)
    allowed = {Verdict.RUN: Autonomy.ACT, Verdict.APPROVE: Autonomy.APPROVE, Verdict.PROPOSE: Autonomy.PROPOSE}
    for decision in decide(given_, T0):
        if decision.playbook is None or decision.facts is None or decision.verdict not in allowed:
            continue
        outside, needed = decision.facts.autonomy, allowed[decision.verdict].rank
        ceilings = [decision.playbook.autonomy, in_force(decision.playbook, decision.facts).level]
        if outside.ladder is not None and outside.ladder.content_hash == decision.playbook.content_hash:
            ceilings.append(outside.ladder.level)
        if outside.named is not None:
            ceilings.append(outside.named)
        if outside.named is None or outside.content != decision.playbook.content_hash:
            ceilings.append(outside.start)
        assert needed <= min(level.rank for level in ceilings)
        assert decision.facts.episode.severity is not Severity.NONE
        assert decision.facts.episode.severity is not Severity.UNKNOWN or decision.verdict is Verdict.PROPOSE
