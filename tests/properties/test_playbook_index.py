from hypothesis import given
from hypothesis import strategies as st

from remediator.playbooks.index import PlaybookIndex
from remediator.playbooks.model import Playbook
from tests.support.playbooks import playbook

NAMES = st.sampled_from(["alertname", "severity", "team"])
VALUES = st.sampled_from(["", "a", "b", "c", "Remediator", "RemediatorDown"])
MATCHERS = st.one_of(
    st.builds('{}="{}"'.format, NAMES, VALUES),
    st.builds('{}!="{}"'.format, NAMES, VALUES),
    st.builds('{}=~"{}"'.format, NAMES, st.sampled_from(["a|b", "a", "[ab]", ".*", "a|", "Remediator.*", "(a|c)"])),
    st.builds('{}!~"{}"'.format, NAMES, st.sampled_from(["a|b", ".+", "Remediator.*"])),
)
# The first matcher needs a label, since the model refuses sets that need none.
SETS = st.lists(MATCHERS, max_size=2).map(lambda rest: [*rest, 'severity=~"a|b|c"'])


@st.composite
def playbooks(draw: st.DrawFn) -> list[Playbook]:
    count = draw(st.integers(0, 6))
    return [
        playbook(f"playbook-{number}", match=draw(st.lists(SETS, max_size=3)), priority=draw(st.integers(-1, 1)))
        for number in range(count)
    ]


@given(playbooks(), st.dictionaries(NAMES, VALUES))
def test_the_index_finds_what_asking_everyone_finds(several: list[Playbook], labels: dict[str, str]) -> None:
    expected = [] if labels.get("alertname", "").startswith("Remediator") else [p for p in several if p.matches(labels)]
    expected.sort(key=lambda found: (-found.priority, found.name))
    assert PlaybookIndex(several).candidates(labels) == expected
