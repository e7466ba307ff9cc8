"""Whatever stands in a file: it loads, or is refused as a mistake in the file; nothing else is raised."""

import contextlib
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from remediator.errors import ConfigError
from remediator.marked_yaml import load, validate
from remediator.playbooks.model import Playbook
from tests.support.playbooks import document

anything = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, item in pairs for found in places(item, (*path, key)))]


WHOLE = document(vars={"a": 1}, guards={"cooldown": "1m"}, escalate=[{"on": ["failed"], "policy": "p"}])


@given(st.sampled_from(places(WHOLE)[1:]), anything)
def test_any_value_anywhere_is_taken_and_kept_or_refused(path: tuple[Any, ...], value: Any) -> None:
    changed = document(vars={"a": 1}, guards={"cooldown": "1m"}, escalate=[{"on": ["failed"], "policy": "p"}])
    holder: Any = changed
    for part in path[:-1]:
        holder = holder[part]
    holder[path[-1]] = value
    with contextlib.suppress(ConfigError):
        playbook = validate(Playbook, load(json.dumps(changed, indent=1), "f.yaml"))
        assert Playbook.from_snapshot(json.loads(json.dumps(playbook.to_snapshot()))) == playbook


@given(st.text(max_size=60) | st.text("{}[]&*!|>-:,\"'# \n\tab", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ConfigError):
        load(text, "f.yaml")
