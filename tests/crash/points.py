"""Every point at which the process may be killed, read from the code: a new transaction or channel is a new point by itself."""

import re
from pathlib import Path

import remediator
from remediator.store.database import Tx

_SEND = re.compile(r'probe\(f?"(send\.[a-z_.{}]+)"\)')
_OF_A_WIRE = "{wire.name}"
_WIRE = re.compile(r'^    name = "([a-z]+)"$', re.MULTILINE)
_PLAYED_ELSEWHERE = {"aws"}
"""By ``tests/contract/aws/test_every_aws_action.py``, for one action of each service; both wires are sent at the same two lines."""


def enumerated() -> tuple[str, ...]:
    """Before and after each kind of commit, then before and after each transport's send."""
    commits = [f"commit.{tx.label}.{when}" for tx in Tx for when in ("before", "after")]
    code = Path(remediator.__file__).parent
    wires = {name for wire in code.rglob("wire.py") for name in _WIRE.findall(wire.read_text())} - _PLAYED_ELSEWHERE
    named = {name for source in sorted(code.rglob("*.py")) for name in _SEND.findall(source.read_text())}
    sends = sorted(
        {name.replace(_OF_A_WIRE, wire) for name in named for wire in (sorted(wires) if _OF_A_WIRE in name else [""])}
    )
    return (*commits, *sends)
