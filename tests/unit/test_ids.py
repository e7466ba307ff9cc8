import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remediator import ids
from remediator.ids import derived_id, id_after, intent_id, new_id

# https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set
LABEL_VALUE = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

# What labels can hold: everything that JSON can, lone surrogates included.
hostile = st.text(st.characters(exclude_categories=()), max_size=8)


def test_new_ids_differ_and_carry_their_prefix() -> None:
    made = {new_id("run") for _ in range(1000)}
    assert len(made) == 1000
    assert all(re.fullmatch(r"run_[0-9a-hjkmnp-tv-z]{26}", name) for name in made)


def test_new_ids_sort_by_time(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    for millisecond in (1, 2, 1_700_000_000_000, 1_700_000_000_001, 2_000_000_000_000):
        monkeypatch.setattr("time.time_ns", lambda at=millisecond: at * 1_000_000)
        made.append(new_id("run"))
    assert made == sorted(made)


def test_derived_ids_never_change() -> None:
    # Written down so that a release that changed them, and so forgot what the one before did, fails here.
    assert derived_id("inc", "prod", "") == "inc_r8v2jdxytmqefvxvccg3h2cxp6"
    assert intent_id("run_1", 0, 1, "apply") == "int_w671w7qejg8j1x3yh2jsf0rm8j"


@given(st.lists(hostile, min_size=1, max_size=4), st.lists(hostile, min_size=1, max_size=4))
def test_derived_ids_agree_only_where_the_parts_do(one: list[str], other: list[str]) -> None:
    assert (derived_id("x" * 3, *one) == derived_id("x" * 3, *other)) == (one == other)


def test_where_parts_end_matters() -> None:
    assert derived_id("inc", "ab", "c") != derived_id("inc", "a", "bc") != derived_id("inc", "abc")


def test_an_intent_is_one_effect_of_one_run() -> None:
    intents = {
        intent_id(run, remedy, step, direction)
        for run in ("run_1", "run_2")
        for remedy in (0, 1, 11)
        for step in (0, 1, 11)
        for direction in ("apply", "undo")
    }
    assert len(intents) == 2 * 3 * 3 * 2


@given(hostile, st.integers(0, 99), st.integers(0, 99))
def test_an_intent_fits_kubernetes_labels_and_names(run_id: str, remedy: int, step: int) -> None:
    intent = intent_id(run_id, remedy, step, "apply")
    assert LABEL_VALUE.fullmatch(intent)
    assert DNS_LABEL.fullmatch(intent.replace("_", "-"))


@pytest.mark.parametrize("prefix", ["", "R", "run_", "a b", "1a", "averyverylongprefix"])
def test_an_odd_prefix_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        new_id(prefix)


def test_an_id_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one part"):
        ids.derived_id("inc")


def test_an_id_after_another_sorts_after_it_whatever_the_clock_does(monkeypatch: pytest.MonkeyPatch) -> None:
    nanoseconds = iter([9_000_000, 9_000_000, 1_000_000, 9_000_000, 20_000_000])
    monkeypatch.setattr(time, "time_ns", lambda: next(nanoseconds))
    made = [id_after("msg", None)]
    for _ in range(4):
        made.append(id_after("msg", made[-1]))
    assert made == sorted(made)
    assert len(set(made)) == len(made)
