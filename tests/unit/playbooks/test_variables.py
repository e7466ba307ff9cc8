from typing import Any

from remediator.playbooks.variables import resolve


def resolved(value: Any, key: str = "remedies") -> Any:
    document, problems = resolve({key: value}, {"n": 3, "s": "x", "b": False})
    assert problems == []
    return document[key]


def test_a_value_that_is_nothing_but_a_variable_becomes_it_with_its_type() -> None:
    assert resolved([{"a": "{{ vars.n }}"}, "{{vars.s}}", "{{- vars.b -}}"]) == [{"a": 3}, "x", False]


def test_a_variable_inside_other_text_waits_for_the_run() -> None:
    for text in (
        "x-{{ vars.n }}",
        "{{ vars.n }}{{ vars.s }}",
        'up{a="{{ vars.s }}"}',
        "{{ vars.n }}\n",
        "{{ labels.n }}",
    ):
        assert resolved(text) == text


def test_match_and_targets_are_left_as_they_are() -> None:
    """A target's templates are filled for each alert; what matches is never a matter of settings."""
    for key in ("match", "target", "targets", "metadata", "vars"):
        assert resolved(["{{ vars.n }}"], key) == ["{{ vars.n }}"]


def test_a_variable_that_is_not_defined_is_placed() -> None:
    _, ((path, message),) = resolve({"guards": {"budget": {"runs": "{{ vars.m }}"}}}, {"n": 3})
    assert path == ("guards", "budget", "runs")
    assert message == "vars has no 'm'; accepted: n"


def test_the_document_itself_is_not_changed() -> None:
    document = {"remedies": [{"a": "{{ vars.n }}"}]}
    resolve(document, {"n": 1})
    assert document == {"remedies": [{"a": "{{ vars.n }}"}]}
