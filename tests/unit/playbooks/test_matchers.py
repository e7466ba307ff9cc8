import pytest

from remediator.playbooks.matchers import Matcher, MatcherError, MatcherSet, Op, parse_matchers


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('a="b"', [("a", "=", "b")]),
        ("a=b", [("a", "=", "b")]),
        (' a != "b" ', [("a", "!=", "b")]),
        ('{a="b", c=~"d|e",}', [("a", "=", "b"), ("c", "=~", "d|e")]),
        ('a="b",c!~"d"', [("a", "=", "b"), ("c", "!~", "d")]),
        ('"foo bar"="x"', [("foo bar", "=", "x")]),
        ('größe="ä"', [("größe", "=", "ä")]),
        (r'a=~"\\d+"', [("a", "=~", r"\d+")]),
        (r'a="\"\n\t\x41\u00e9\U0001F600\101"', [("a", "=", '"\n\tAé😀A')]),
        (r'a="\xc3\xa9"', [("a", "=", "é")]),
        ('a=""', [("a", "=", "")]),
        ('a="{x}, y=z"', [("a", "=", "{x}, y=z")]),
        ("exported-job=x", [("exported-job", "=", "x")]),
    ],
)
def test_alertmanagers_syntax_is_read(text: str, expected: list[tuple[str, str, str]]) -> None:
    assert [(matcher.name, matcher.op.value, matcher.value) for matcher in parse_matchers(text)] == expected


@pytest.mark.parametrize(
    ("text", "column"),
    [
        ("", 1),
        ("{}", 3),
        ("a", 2),
        ("a=", 3),
        ('a="b', 3),
        ('{a="b"', 7),
        ('a="b"}', 6),
        ('a="b" c="d"', 7),
        ('a="b",,', 7),
        ('a b="c"', 3),
        (r'a="\d"', 4),
        (r'a="\ud800"', 4),
        (r'a="\xff"', 3),
        ('a=~"("', 4),
        ('a=~"(?=b)"', 4),
        (r'a=~"(b)\\1"', 4),
        ("a=b{c", 4),
        ('""="b"', 3),
        ('a=="b"', 3),
        ('a="x\ny"', 3),
    ],
)
def test_what_is_no_matcher_is_refused_at_its_column(text: str, column: int) -> None:
    with pytest.raises(MatcherError) as refused:
        parse_matchers(text)
    assert refused.value.column == column
    assert f"column {column}: " in str(refused.value)


@pytest.mark.parametrize(
    ("text", "labels", "holds"),
    [
        ('a="b"', {"a": "b"}, True),
        ('a="b"', {}, False),
        ('a=""', {}, True),
        ('a=""', {"a": "x"}, False),
        ('a!=""', {}, False),
        ('a!="b"', {}, True),
        ('a=~"b|c"', {"a": "c"}, True),
        ('a=~"b"', {"a": "abc"}, False),
        ('a=~"b|cd"', {"a": "cdx"}, False),
        ('a=~".*"', {}, True),
        ('a=~".+"', {}, False),
        ('a!~"b.*"', {"a": "bc"}, False),
        ('a!~"b.*"', {}, True),
        ('a=~"b$"', {"a": "b\n"}, False),
        ('a=~"(?i)B"', {"a": "b"}, True),
        ('a=~"a.b"', {"a": "a\nb"}, False),
        ('a=~".*"', {"a": "\ud800"}, True),
        ('a="b",c="d"', {"a": "b"}, False),
    ],
)
def test_matching_is_alertmanagers(text: str, labels: dict[str, str], holds: bool) -> None:
    assert MatcherSet.parse([text]).matches(labels) is holds


def test_a_pattern_that_would_backtrack_for_ever_answers() -> None:
    assert not Matcher("a", Op.REGEX, "(a+)+$").matches({"a": "a" * 100_000 + "b"})


def test_a_matcher_is_written_with_its_value_quoted() -> None:
    assert [str(matcher) for matcher in parse_matchers('a=b, "x y"=~"\\"\\\\d"')] == ['a="b"', r'"x y"=~"\"\\d"']
    assert str(MatcherSet.parse(["a=b", "c=d"])) == '{a="b", c="d"}'


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('a="b"', {"b"}),
        ('a=~"b|c"', {"b", "c"}),
        ('a=~"b"', {"b"}),
        ('a=~"b|c.d"', None),
        ('a=~"b|"', None),
        ('a=~"(b|c)"', None),
        ('a=""', None),
        ('a!="b"', None),
        ('a!~"b|c"', None),
    ],
)
def test_plain_values_are_known_for_the_index(text: str, values: set[str] | None) -> None:
    (matcher,) = parse_matchers(text)
    assert matcher.values == values


def test_a_set_that_needs_no_label_at_all_is_recognised() -> None:
    assert MatcherSet.parse(['a!="b"', 'c=~".*"']).matches_everything
    assert not MatcherSet.parse(['a!="b"', 'c="d"']).matches_everything
