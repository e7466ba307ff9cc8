"""S27: whatever a label holds, it stays inside the text of the matcher where it was put."""

import re2
from hypothesis import given
from hypothesis import strategies as st

from remediator.playbooks.matchers import parse_matchers
from remediator.playbooks.promql import PromqlTemplate

hostile = st.text(st.characters(codec="utf-8"), max_size=20) | st.text('"\\\n{}()|.*+?[]^$`#, ab', max_size=12)
PLAIN = PromqlTemplate.parse('sum(errors{ns="{{ labels.a }}", code!="x-{{ labels.b }}-y"}) / 2')
REGEX = PromqlTemplate.parse('up{pod=~"{{ labels.a }}-[a-z]+", job!~"x{{ labels.b }}|y"}')


def written(query: str) -> list[tuple[str, str, str]]:
    """The matchers of the one selector in a query, read by the parser of matchers (PromQL has the same escapes)."""
    inner = query[query.index("{") : query.rindex("}") + 1]
    return [(matcher.name, matcher.op.value, matcher.value) for matcher in parse_matchers(inner)]


@given(hostile, hostile)
def test_a_value_is_read_back_as_itself(a: str, b: str) -> None:
    query = PLAIN.render(labels={"a": a or "-", "b": b or "-"}, vars={})
    assert query.startswith('sum(errors{ns="')
    assert query.endswith('-y"}) / 2')
    assert "\n" not in query
    assert written(query) == [("ns", "=", a or "-"), ("code", "!=", f"x-{b or '-'}-y")]


@given(hostile, hostile)
def test_in_a_regex_a_value_matches_only_itself(a: str, b: str) -> None:
    a, b = a or "-", b or "-"
    (_, _, pod), (_, _, job) = written(REGEX.render(labels={"a": a, "b": b}, vars={}))
    assert re2.fullmatch(pod.encode(), f"{a}-web".encode())
    assert re2.fullmatch(job.encode(), f"x{b}".encode())
    assert not re2.fullmatch(pod.encode(), f"{a}{a}-web".encode())
    assert not re2.fullmatch(job.encode(), f"x{b}{b}".encode())
