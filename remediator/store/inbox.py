"""What intake writes: episodes, the deliveries that changed them, dead letters, and what is owed after a body that was too large."""

import zlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from datetime import datetime

from remediator.alerts.episode import State, Timeline
from remediator.alerts.payload import Alert, Rejected
from remediator.alerts.severity import Severity
from remediator.ids import new_id
from remediator.store import fold
from remediator.store.columns import instant, microseconds, plain_text
from remediator.store.fold import Arrival, Episode, Fold, Key, Rows, Taken
from remediator.store.lean import Execute, LeanWriter

SIZE_LIMIT = -1
"""``deliveries.truncated`` of a body that was over the size limit and not read: everything in it is owed (S3)."""

_WORTH_COMPRESSING = 4 * 1024


def pack(body: bytes) -> bytes:
    """A body as the column keeps it. A small one is only framed: compressing it costs more than the rest of its storing."""
    if len(body) >= _WORTH_COMPRESSING:
        return zlib.compress(body, 1)
    size = len(body).to_bytes(2, "little")
    inverse = (len(body) ^ 0xFFFF).to_bytes(2, "little")
    # One stored block of deflate (RFC 1951, 3.2.4) in zlib's frame: setting up a compressor alone costs five times as much.
    return b"\x78\x01\x01" + size + inverse + body + zlib.adler32(body).to_bytes(4, "big")


async def take_in(
    writer: LeanWriter,
    arrivals: Sequence[Arrival],
    severity_of: Callable[[Mapping[str, str]], Severity],
    breathe: Callable[[], Awaitable[None]],
) -> list[Taken]:
    """Fold these arrivals into the store, in order; the answers are in the same order. Safe to repeat after a rollback.

    ``breathe`` is awaited after every ``_A_TURN`` alerts, so that others have their turn on the loop.
    """
    answers = [Taken() for _ in arrivals]
    for number, turn in enumerate(_turns(arrivals)):
        if number:
            await breathe()
        parts = [part._replace(packed=None) if answers[place].stored else part for place, part in turn]

        def work(execute: Execute, parts: Sequence[Arrival] = parts) -> list[Taken]:
            folding = Fold(_latest(execute, parts), severity_of)
            taken = [folding.arrival(part) for part in parts]
            _write(execute, folding.rows())
            return taken

        for (place, _), taken in zip(turn, await writer.run(work), strict=True):
            answers[place].add(taken)
    return answers


def _turns(arrivals: Sequence[Arrival]) -> Iterator[list[tuple[int, Arrival]]]:
    """The arrivals, each with its place, in pieces of so many alerts."""
    turn: list[tuple[int, Arrival]] = []
    room = _A_TURN
    for place, arrival in enumerate(arrivals):
        for at in range(0, max(1, len(arrival.alerts)), _A_TURN):
            few = len(arrival.alerts) <= _A_TURN
            part = arrival if few else arrival._replace(alerts=arrival.alerts[at : at + _A_TURN])
            if turn and len(part.alerts) > room:
                yield turn
                turn, room = [], _A_TURN
            turn.append((place, part))
            room -= len(part.alerts)
    if turn:
        yield turn


async def owe(writer: LeanWriter, source: str, now: datetime, receiver: str, error: str) -> None:
    """Remember that a body was too large to read: a dead letter for people, and a debt for the reconciler (one at a time, as of the
    last such body: what began before that one is owed)."""
    letter = fold.dead_letter(source, now, Rejected(b"", error))
    debt = (new_id("dlv"), source, microseconds(now), plain_text(receiver), "", SIZE_LIMIT, 0, pack(b""))

    def work(execute: Execute) -> None:
        execute.insert_rows("dead_letters", fold.DEAD_LETTER, [letter])
        if not execute(_OWED_SINCE, (microseconds(now), SIZE_LIMIT, source, plain_text(receiver))):
            execute.insert_rows("deliveries", fold.DELIVERY, [debt])

    await writer.run(work)


async def touch(writer: LeanWriter, now: datetime) -> None:
    """Write something small, to see whether the store takes writes."""
    await writer.run(lambda execute: execute(_TOUCH, (f'"{now.isoformat()}"',)))


_OWED_SINCE = """
    UPDATE deliveries SET received_at = ?
    WHERE truncated = ? AND truncated != 0 AND fetched_at IS NULL AND source = ? AND receiver = ? RETURNING id
"""
_TOUCH = """
    INSERT INTO meta (key, value) VALUES ('intake_checked_at', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value
"""
_LOOK = "UPDATE incidents SET look_again_at = ? WHERE id = ? AND (look_again_at IS NULL OR look_again_at > ?)"

_LATEST = (
    *("id", "fingerprint", "state", "starts_at", "last_starts_at", "ended_at", "flaps", "repeats"),
    *("closed_at", "last_received_at", "confirmed_at", "incident_id", "decide_again_at"),
)
_A_TURN = 64
"""Alerts that are folded and written in one go: some 5 ms of the loop."""


def _latest(execute: Execute, arrivals: Sequence[Arrival]) -> dict[Key, Episode]:
    """The newest episode of every source and fingerprint in these arrivals, as far as there is one."""
    wanted: dict[str, set[str]] = {}
    for arrival in arrivals:
        of_source = wanted.setdefault(arrival.source, set())
        of_source.update(alert.fingerprint for alert in arrival.alerts if isinstance(alert, Alert))
    found: dict[Key, Episode] = {}
    for source, fingerprints in wanted.items():
        keys = sorted(fingerprints)
        if not keys:
            continue
        latest = execute.select_in(
            _LATEST, "episodes", flag="latest", where=("source", source), member="fingerprint", of=keys
        )
        for row in latest:
            found[source, row[1]] = _episode(*row)
    return found


def _episode(
    id_: str,
    _fingerprint: str,
    state: str,
    starts_at: int,
    last_starts_at: int,
    ended_at: int | None,
    flaps: int,
    repeats: int,
    closed_at: int | None,
    last_received_at: int,
    confirmed_at: int | None,
    incident_id: str | None,
    decide_again_at: int | None,
) -> Episode:
    return Episode(
        id=id_,
        timeline=Timeline(
            State(state), instant(starts_at), instant(last_starts_at), instant(ended_at), flaps=flaps, repeats=repeats
        ),
        last_received_at=instant(last_received_at),
        closed_at=instant(closed_at),
        confirmed_at=instant(confirmed_at),
        incident_id=incident_id,
        decide_again_at=instant(decide_again_at),
    )


def _write(execute: Execute, rows: Rows) -> None:
    """Deliveries first (episodes point at them); rows that give up ``latest`` before the ones that take it."""
    execute.insert_rows("deliveries", fold.DELIVERY, rows.deliveries)
    execute.update_rows("episodes", fold.CHANGE, rows.changes)
    execute.update_rows("episodes", fold.REPEAT, rows.repeats)
    execute.update_rows("episodes", fold.POINT, rows.points)
    execute.insert_rows("episodes", fold.NEW, rows.new)
    execute.insert_rows("dead_letters", fold.DEAD_LETTER, rows.dead_letters)
    for incident, since in rows.looks.items():
        execute(_LOOK, (microseconds(since), incident, microseconds(since)))
