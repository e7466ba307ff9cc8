"""Faults on demand: what a network or a server in trouble does to a request."""

import asyncio
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from remediator.sandbox.journal import Received

Match = Callable[[Received], bool] | str | None

_KIND = re.compile(r"(?P<word>status|delay|late_answer|reset|drop|hang|lose_answer)(?: (?P<number>[0-9.]+))?")
_NEEDS_NUMBER = {"status", "delay", "late_answer"}


@dataclass(slots=True)
class Fault:
    """One fault and how often it has struck. Wait for a strike with `await fault.struck.wait()`."""

    matches: Callable[[Received], bool]
    word: str
    number: float
    times: int | None
    skip: int
    headers: Mapping[str, str]
    body: bytes | None
    hits: int = 0
    struck: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def spent(self) -> bool:
        return self.times is not None and self.hits >= self.times


class Faults:
    """The faults that wait for a request; the first that matches strikes, one per request."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(
        self,
        *,
        match: Match = None,
        kind: str,
        times: int | None = 1,
        skip: int = 0,
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Fault:
        """Let matching requests fail.

        `match`: None for every request, "PATCH /apis/apps/*" (method, blank, glob over the path; `*` for any method),
        or a function of the request. `times` None: until removed; `skip`: let the first so many pass unharmed.
        `headers` and `body` go with "status". `kind`, with the number it needs:

        - "status 503": answered with that code, nothing done
        - "delay 0.5": done and answered after so many seconds, also when the client has left by then
        - "late_answer 2": done at once, answered after so many seconds
        - "drop": connection closed before anything is done; "reset": the same with a TCP reset
        - "hang": nothing is done and no answer comes
        - "lose_answer": done, then the connection is closed without an answer
        """
        parsed = _KIND.fullmatch(kind)
        if parsed is None or (parsed["word"] in _NEEDS_NUMBER) != (parsed["number"] is not None):
            raise ValueError(
                f"unknown fault {kind!r}; use 'status <code>', 'delay <s>', 'late_answer <s>', "
                "'reset', 'drop', 'hang' or 'lose_answer'"
            )
        number = float(parsed["number"] or 0)
        fault = Fault(_matcher(match), parsed["word"], number, times, skip, headers or {}, body)
        self._waiting.append(fault)
        return fault

    def remove(self, fault: Fault) -> None:
        """Let it strike no more; nothing happens if it is spent."""
        if fault in self._waiting:
            self._waiting.remove(fault)

    def clear(self) -> None:
        self._waiting.clear()

    def take(self, received: Received) -> Fault | None:
        """The fault for this request, counted as struck."""
        for fault in self._waiting:
            if not fault.matches(received):
                continue
            if fault.skip > 0:
                fault.skip -= 1
                return None
            fault.hits += 1
            fault.struck.set()
            if fault.spent:
                self._waiting.remove(fault)
            return fault
        return None


def _matcher(match: Match) -> Callable[[Received], bool]:
    if match is None:
        return lambda _: True
    if not isinstance(match, str):
        return match
    method, _, glob = match.partition(" ")
    if not glob:
        raise ValueError(f"match {match!r} must be '<method> <path glob>', such as 'PATCH /apis/apps/*'")
    return lambda received: fnmatchcase(received.method, method) and fnmatchcase(received.path, glob)
