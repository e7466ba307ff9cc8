"""The words that README explains are all the words that the program uses."""

from remediator.decision import guards
from remediator.decision.decide import Verdict
from remediator.playbooks.model import Autonomy
from remediator.runs.cursor import Outcome
from tests.docs.markdown import README, codes, first_column, rows, section


def test_every_guard_is_explained() -> None:
    listed = [row for row in rows(section(README, "How it decides")) if row[1] not in VERDICTS.values()]
    assert {code for row in listed for code in codes(row[0])} == {guard.__name__ for guard in guards.TO_ADMIT}


def test_every_verdict_is_explained() -> None:
    assert set(VERDICTS) == set(Verdict)


def test_every_outcome_is_explained() -> None:
    assert set(first_column(README, "How it knows that it worked")) == set(Outcome)


def test_levels_of_autonomy_stand_in_their_order() -> None:
    text = section(README, "Modes and autonomy")
    assert " < ".join(f"`{level}`" for level in sorted(Autonomy, key=lambda level: level.rank)) in text


VERDICTS = {
    code: row[1] for row in rows(section(README, "How it decides").partition("\nGuards,")[0]) for code in codes(row[0])
}
