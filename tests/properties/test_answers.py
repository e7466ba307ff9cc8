"""What always holds for three-valued answers (S7)."""

from itertools import product
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from remediator.answers import Answer, all_of, any_of, negate

answers = st.sampled_from(Answer)
some = st.lists(answers, min_size=1, max_size=6)
_KNOWN = {Answer.YES: [Answer.YES], Answer.NO: [Answer.NO], Answer.UNKNOWN: [Answer.YES, Answer.NO]}


@given(some)
def test_a_known_result_stands_however_the_unknowns_turn_out(given_answers: list[Answer]) -> None:
    for combine in (all_of, any_of):
        outcomes = {combine(world) for world in product(*(_KNOWN[answer] for answer in given_answers))}
        result = combine(given_answers)
        # Known exactly when every way in which the unknowns may turn out agrees.
        assert outcomes == ({result} if result is not Answer.UNKNOWN else {Answer.YES, Answer.NO})


@given(some, st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(given_answers: list[Answer], random: Random) -> None:
    shuffled = [*given_answers, given_answers[0]]
    random.shuffle(shuffled)
    assert all_of(shuffled) is all_of(given_answers)
    assert any_of(shuffled) is any_of(given_answers)


@given(some, answers)
def test_one_more_unknown_never_makes_a_yes(given_answers: list[Answer], more: Answer) -> None:
    assert all_of([*given_answers, Answer.UNKNOWN]) is not Answer.YES
    if all_of(given_answers) is not Answer.YES:
        assert all_of([*given_answers, more]) is not Answer.YES


@given(some)
def test_not_all_is_any_not(given_answers: list[Answer]) -> None:
    assert negate(all_of(given_answers)) is any_of(map(negate, given_answers))
    assert negate(any_of(given_answers)) is all_of(map(negate, given_answers))
