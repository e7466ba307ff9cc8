from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field

from remediator.errors import ConfigError
from remediator.marked_yaml import InvalidDocumentError, load, load_all, validate


def test_every_part_knows_its_line() -> None:
    document = load("a: 1\nb:\n  - x\n  - y: z\n", "f.yaml")
    assert document.value == {"a": 1, "b": ["x", {"y": "z"}]}
    assert [document.line_of(path) for path in ((), ("a",), ("b",), ("b", 0), ("b", 1, "y"))] == [1, 1, 2, 3, 4]


def test_a_part_that_is_not_written_has_the_line_of_what_is_around_it() -> None:
    assert load("a:\n  b:\n    c: 1\n", "f").line_of(("a", "b", "missing", 3)) == 2


def test_only_true_and_false_are_booleans_and_dates_stay_text() -> None:
    text = "on: yes\noff: NO\nt: true\nd: 2026-01-01\nat: 2026-01-01T00:00:00Z\nnone: ~\nacct: 012345678901\nsexagesimal: 1:30"
    assert load(text, "f").value == {
        "on": "yes",
        "off": "NO",
        "t": True,
        "d": "2026-01-01",
        "at": "2026-01-01T00:00:00Z",
        "none": None,
        "acct": "012345678901",
        "sexagesimal": "1:30",
    }


def test_numbers_are_numbers_and_quoted_ones_text() -> None:
    assert load("[1, -2, 0.5, .5, 1e3, '1', 1_000, 0x10, .inf, .nan]", "f").value == [
        1, -2, 0.5, 0.5, 1000.0, "1", "1_000", "0x10", ".inf", ".nan",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "already given in line 1"),
        ("a: 1\n1: 2\n", 2, "not text"),
        ("true: 2\n", 1, "not text"),
        ("? [a]\n: b\n", 1, "not text"),
        ("a: !!python/object/apply:os.system [x]\n", 1, "tag"),
        ("a:\n  b: !custom x\n", 2, "tag"),
        ("a: !!int x\n", 1, "tag"),
        ("a:\n\t- b\n", 2, "spaces"),
        ("a: [1, 2\n", 2, "not valid YAML"),
        ("a: b: c\n", 1, "quote"),
        ("a: 1\nb: \x07\n", 2, "printable"),
        ("a: *nowhere\n", 1, "nowhere"),
        ('a:\n  - "\\ud800"\n', 2, "surrogate"),
        ("a: &x [*x]\n", 1, "deep"),
        ("[" * 10_000, 1, "deeper"),
        ("a: 1\n---\nb: 2\n", 3, "second document"),
    ],
)
def test_what_is_refused_is_named_with_its_line(text: str, line: int, said: str) -> None:
    with pytest.raises(ConfigError) as refused:
        load(text, "f.yaml")
    assert refused.value.line == line
    assert said in str(refused.value)
    assert str(refused.value).startswith(f"f.yaml:{line}: ")


def test_aliases_that_multiply_are_refused() -> None:
    layers = "".join(f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 9)}]\n" for n in range(8))
    with pytest.raises(ConfigError, match="too large"):
        load(f"a: &a [x]\n{layers}", "f")


def test_a_file_beyond_any_playbook_is_refused() -> None:
    with pytest.raises(ConfigError, match="characters"):
        load("a" * 600_000, "f")


def test_aliases_are_values_like_any_other() -> None:
    assert load("a: &x {b: 1}\nc: *x\n", "f").value == {"a": {"b": 1}, "c": {"b": 1}}


def test_json_escapes_of_one_character_are_one_character() -> None:
    assert load('{"\\ud83d\\ude00": "\\ud83d\\ude00"}', "f").value == {"😀": "😀"}


def test_several_documents_keep_their_own_lines() -> None:
    first, second = load_all("a: 1\n---\nb: 2\n", "f")
    assert (first.value, second.value, second.line_of(("b",))) == ({"a": 1}, {"b": 2}, 3)


def test_an_empty_file_is_no_document() -> None:
    assert load("", "f").value is None
    assert load_all("# only a comment\n", "f") == ()


class Inner(BaseModel):
    model_config = ConfigDict(extra="forbid")

    colour: Literal["red", "blue"] = "red"
    count: int = Field(default=1, gt=0)


class Outer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    inner: Inner | None = None
    several: list[Inner] = Field(default=[], min_length=1)
    secret: int | bool = 0


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidDocumentError) as refused:
        validate(Outer, load(text, "f.yaml"))
    return [str(problem) for problem in refused.value.problems]


def test_a_valid_document_becomes_the_model() -> None:
    assert validate(Outer, load("name: x\ninner: {colour: blue}\n", "f")) == Outer(name="x", inner=Inner(colour="blue"))


def test_every_mistake_is_told_with_its_place_at_once() -> None:
    assert problems("inner:\n  color: red\n  count: 0\nseveral:\n  - colour: green\n") == [
        "f.yaml:1: name: this key is required and missing (add it)",
        "f.yaml:3: inner.count: should be greater than 0",
        "f.yaml:2: inner.color: unknown key (did you mean colour? accepted: colour, count)",
        "f.yaml:5: several[0].colour: not an accepted value (accepted: 'red' or 'blue')",
    ]


def test_a_wrong_shape_is_named() -> None:
    assert problems("name: 5\ninner: [1]\nseveral: {}\n") == [
        "f.yaml:1: name: not text (accepted: text; quote numbers, true, false and null)",
        "f.yaml:2: inner: not a mapping (accepted: key: value pairs)",
        "f.yaml:3: several: not a list (accepted: [...] or lines that begin with -)",
    ]


def test_the_branches_of_a_union_are_one_mistake_and_values_are_never_repeated() -> None:
    (only,) = problems("name: x\nsecret: hunter2-is-not-shown\n")
    assert only.startswith("f.yaml:2: secret: ")
    assert " or " in only
    assert "hunter2" not in only


def test_a_document_that_is_no_mapping_is_a_mistake_at_its_first_line() -> None:
    assert problems("\n- a\n") == ["f.yaml:2: not a mapping (accepted: key: value pairs)"]
