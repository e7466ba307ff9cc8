import pytest
from pydantic import ValidationError

from remediator.playbooks.promql import PromqlError, PromqlParams, PromqlTemplate
from remediator.playbooks.template import TemplateError


def filled(query: str, **labels: str) -> str:
    return PromqlTemplate.parse(query).render(labels=labels, vars={"v": 1})


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ('up{a="{{ labels.a }}"}', r'up{a="x\"}) or vector(1) # \\ \n.*"}'),
        ('up{b="c", "a b" != "{{ labels.a }}" }', r'up{b="c", "a b" != "x\"}) or vector(1) # \\ \n.*" }'),
        ('up{a=~"p-{{ labels.a }}.*"}', r'up{a=~"p-x\"\\}\\) or vector\\(1\\) # \\\\ \n\\.\\*.*"}'),
        ('up{a!~"{{ labels.a }}|b"}', r'up{a!~"x\"\\}\\) or vector\\(1\\) # \\\\ \n\\.\\*|b"}'),
    ],
)
def test_a_hostile_value_is_escaped_where_it_stands(query: str, expected: str) -> None:
    """S27: see also tests/properties/test_promql.py."""
    assert filled(query, a='x"}) or vector(1) # \\ \n.*') == expected


@pytest.mark.parametrize(
    "query",
    [
        'sum(rate(e{n="{{ labels["x y"] }}"}[5m])) / 2 # {comment} "',
        'label_replace(up{a=\'b\'}, "d", "$1", "s", `(.*)`)',
        'up{a="{{ label("b", "c") }}",}',
        'up{a=~"[a-z]+{{ labels.a }}"}',
        "up",
    ],
)
def test_ordinary_queries_pass(query: str) -> None:
    PromqlTemplate.parse(query)


@pytest.mark.parametrize(
    "query",
    [
        "{{ labels.metric }} > 1",
        "up[{{ labels.range }}]",
        "up{{{ labels.a }}}",
        "up{a={{ labels.a }}}",
        "up{a='{{ labels.a }}'}",
        "up{a=`{{ labels.a }}`}",
        'up{"{{ labels.a }}"}',
        'up="{{ labels.a }}", x',
        'up{a="{{ labels.a }}"b}',
        'up{"{{ labels.a }}"="b"}',
        'up{a="b" "{{ labels.a }}"}',
        'label_replace(up, "x", "{{ labels.a }}", "y", "z")',
        'up # {a="{{ labels.a }}"}',
        r'up{a="\{{ labels.a }}"}',
        r'up{a=~"\\{{ labels.a }}"}',
        'up{a=~"[{{ labels.a }}]"}',
        r'up{a=~"\\Q{{ labels.a }}"}',
        'up{a="{{ labels.a"}',
        'up{a="{{ labels.a }}',
        'up{a="{{ labels.a | safe }}"}',
        'up{a="{{ annotations.a }}"}',
        "up{",
        "up}",
        'up{a="b\n"}',
    ],
)
def test_an_expression_anywhere_else_is_a_load_error_with_a_remedy(query: str) -> None:
    with pytest.raises(PromqlError, match=r"column .*accepted"):
        PromqlTemplate.parse(query)


def test_a_missing_label_is_named() -> None:
    with pytest.raises(TemplateError, match="'a'"):
        filled('up{a="{{ labels.a }}"}')


def test_a_lone_surrogate_is_refused_not_mangled() -> None:
    with pytest.raises(PromqlError, match="surrogate"):
        filled('up{a="{{ labels.a }}"}', a="\ud800")


def test_a_query_knows_what_it_reads() -> None:
    template = PromqlTemplate.parse('a{x="{{ label("l", "m") }}"} / b{y="{{ vars.v }}"}')
    assert template.label_names == {"l", "m"}
    assert template.variable_names == {"v"}


@pytest.mark.parametrize("comparison", [{}, {"below": 1, "above": 0}, {"equals": 1, "is_empty": True}])
def test_exactly_one_comparison_is_needed(comparison: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="exactly one comparison"):
        PromqlParams.model_validate({"query": "up", **comparison})


@pytest.mark.parametrize("params", [{"below": float("nan")}, {"below": float("inf")}, {"below": 1, "series": "all"}])
def test_values_that_cannot_be_compared_are_refused(params: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        PromqlParams.model_validate({"query": "up", **params})


def test_one_series_is_the_default() -> None:
    assert PromqlParams(query="up", is_empty=False).series == "one"
