"""Three-valued answers (S7)."""

import pytest

from remediator.answers import Answer, all_of, any_of, negate

YES, NO, UNKNOWN = Answer.YES, Answer.NO, Answer.UNKNOWN


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([YES], YES),
        ([YES, YES], YES),
        ([YES, NO], NO),
        ([YES, UNKNOWN], UNKNOWN),
        ([UNKNOWN, NO], NO),
        ([NO, UNKNOWN, YES], NO),
    ],
)
def test_all_of_is_no_by_a_known_no_and_yes_only_by_a_full_set_of_yes(answers: list[Answer], expected: Answer) -> None:
    assert all_of(answers) is expected


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ([NO], NO),
        ([NO, YES], YES),
        ([UNKNOWN, YES], YES),
        ([NO, UNKNOWN], UNKNOWN),
        ([UNKNOWN], UNKNOWN),
        ([NO, NO], NO),
    ],
)
def test_any_of_needs_a_known_yes(answers: list[Answer], expected: Answer) -> None:
    assert any_of(answers) is expected


def test_asking_nothing_answers_nothing() -> None:
    with pytest.raises(ValueError, match="no answers"):
        all_of([])
    with pytest.raises(ValueError, match="no answers"):
        any_of(iter(()))


def test_negating_unknown_stays_unknown() -> None:
    assert [negate(answer) for answer in (YES, NO, UNKNOWN)] == [NO, YES, UNKNOWN]


def test_a_known_fact_is_yes_or_no() -> None:
    assert Answer.of(True) is YES
    assert Answer.of(False) is NO
