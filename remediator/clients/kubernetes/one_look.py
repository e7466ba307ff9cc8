"""One look at a cluster: within it every object and list is asked for once, however many questions need it.

Finding a target, planning its steps, judging its conditions and keeping evidence read the same objects within milliseconds; asked once,
they also see one and the same object. Only what looks stands in it: every write reads anew what it compares with (S16).
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Seen = dict[tuple[int, str, tuple[tuple[str, str], ...]], bytes]
"""Answers by client, path and query. Bytes, so that whoever asks has a document of his own."""

_SEEN: ContextVar[Seen | None] = ContextVar("one_look", default=None)


@contextmanager
def one_look() -> Iterator[None]:
    """Everything that this task, and tasks started within, read until the end is read once. Failures are not kept."""
    token = _SEEN.set({})
    try:
        yield
    finally:
        _SEEN.reset(token)


def seen() -> Seen | None:
    """What was read in the look that is under way; None outside of one."""
    return _SEEN.get()
