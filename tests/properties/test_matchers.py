import contextlib

from hypothesis import given
from hypothesis import strategies as st

from remediator.playbooks.matchers import Matcher, MatcherError, MatcherSet, Op, parse_matchers

# Everything that UTF-8 can say: quotes, backslashes, braces, NUL, right-to-left marks.
text = st.text(st.characters(codec="utf-8"), max_size=12)
names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
plain = st.builds(Matcher, names, st.sampled_from([Op.EQUAL, Op.NOT_EQUAL]), text)
patterns = st.from_regex(r"[a-z0-9|.]{0,8}", fullmatch=True)
regex = st.builds(Matcher, names, st.sampled_from([Op.REGEX, Op.NOT_REGEX]), patterns)
matchers = plain | regex
labels = st.dictionaries(st.sampled_from("abc") | names, text | st.sampled_from("abc"), max_size=4)


@given(st.lists(matchers, min_size=1, max_size=4).map(tuple))
def test_what_is_written_is_read_back(several: tuple[Matcher, ...]) -> None:
    assert parse_matchers(str(MatcherSet(several))) == several
    assert parse_matchers(", ".join(map(str, several))) == several


@given(st.lists(matchers, max_size=4).map(tuple), labels, names, text)
def test_a_label_that_no_matcher_names_never_changes_a_match(
    several: tuple[Matcher, ...], given_labels: dict[str, str], name: str, value: str
) -> None:
    if name not in {matcher.name for matcher in several}:
        matching = MatcherSet(several)
        assert matching.matches(given_labels) is matching.matches({**given_labels, name: value})


@given(names, text, labels)
def test_each_operator_has_its_opposite(name: str, value: str, given_labels: dict[str, str]) -> None:
    equal, unequal = Matcher(name, Op.EQUAL, value), Matcher(name, Op.NOT_EQUAL, value)
    assert equal.matches(given_labels) is not unequal.matches(given_labels)


@given(names, labels)
def test_a_missing_label_is_the_empty_one(name: str, given_labels: dict[str, str]) -> None:
    without = {key: value for key, value in given_labels.items() if key != name}
    for matcher in (Matcher(name, Op.EQUAL, ""), Matcher(name, Op.REGEX, "x*"), Matcher(name, Op.NOT_REGEX, ".+")):
        assert matcher.matches(without) is matcher.matches({**without, name: ""}) is True


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(anything: str) -> None:
    with contextlib.suppress(MatcherError):
        parse_matchers(anything)
