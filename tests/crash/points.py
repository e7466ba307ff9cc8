"""Every point at which the process may be killed, read from the code: a new transaction or channel is a new point by itself."""

import re
from pathlib import Path

import remediator
from remediator.store.database import Tx

_SEND = re.compile(r'probe\("(send\.[a-z_.]+)"\)')


def enumerated() -> tuple[str, ...]:
    """Before and after each kind of commit, then before and after each transport's send."""
    commits = [f"commit.{tx.label}.{when}" for tx in Tx for when in ("before", "after")]
    sources = sorted(Path(remediator.__file__).parent.rglob("*.py"))
    sends = sorted({name for source in sources for name in _SEND.findall(source.read_text())})
    return (*commits, *sends)
