"""Many Alertmanagers at once, in a process of their own: connections that post webhooks as fast as they are answered.

What was answered 200 is written down by its fingerprints, so that a test can look for each of them in the store afterwards.
A 503 is sent again as Alertmanager does it (0.5 s, then half as long again, half of it by chance), unless the storm says not to.
"""

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

_STARTS_AT = "2026-11-22T10:00:00Z"
_PADDING = {f"label_{number}": f"value of label {number}" for number in range(8)}


@dataclass(frozen=True)
class Storm:
    """``bodies`` webhooks of ``alerts`` alerts each over ``connections``; every alert has a fingerprint of its own, or all the same."""

    port: int
    token: str
    name: str
    connections: int
    bodies: int
    alerts: int = 1
    same: bool = False
    again: bool = True
    """Send what was refused once more."""
    labels: dict[str, str] = field(default_factory=dict)
    patience_s: float = 60.0
    """An answer that takes longer is a hang."""


@dataclass(frozen=True)
class Blown:
    """What came of it."""

    answers: dict[str, int]
    """By status; ``lost`` stands for a connection that ended without an answer, ``hang`` for none at all."""
    without_retry_after: int
    slowest_s: dict[str, float]
    """By status."""
    seconds: float
    stored: list[str]
    """The fingerprints of every alert that was answered 200."""


@asynccontextmanager
async def blowing(storm: Storm, folder: Path) -> AsyncIterator["asyncio.Task[Blown]"]:
    """Start it; the task ends with it. A storm that still blows at the end of the block is stopped."""
    target = folder / f"{storm.name}.json"
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.storm", json.dumps(asdict(storm)), str(target)
    )

    async def over() -> Blown:
        assert await process.wait() == 0
        return Blown(**json.loads(target.read_text()))

    task = asyncio.get_running_loop().create_task(over())
    try:
        yield task
    finally:
        if process.returncode is None:
            process.kill()
        await asyncio.gather(task, return_exceptions=True)


async def blow(storm: Storm) -> Blown:
    """In this process."""
    weather = _Weather(storm)
    began = time.monotonic()
    await asyncio.gather(*(weather.sender() for _ in range(storm.connections)))
    return Blown(
        answers=dict(weather.answers),
        without_retry_after=weather.without_retry_after,
        slowest_s={status: round(slowest, 3) for status, slowest in weather.slowest.items()},
        seconds=round(time.monotonic() - began, 3),
        stored=sorted(weather.stored),
    )


class _Weather:
    def __init__(self, storm: Storm) -> None:
        self._storm = storm
        self._left = iter(range(storm.bodies))
        self.answers: Counter[str] = Counter()
        self.slowest: dict[str, float] = {}
        self.without_retry_after = 0
        self.stored: set[str] = set()

    async def sender(self) -> None:
        """One connection after the other, one body after the other."""
        reader: asyncio.StreamReader | None = None
        writer: asyncio.StreamWriter | None = None
        for number in self._left:
            fingerprints = list(self._fingerprints(number))
            request = self._request(number, fingerprints)
            pause_s = 0.5
            while True:
                began = time.monotonic()
                try:
                    async with asyncio.timeout(self._storm.patience_s):
                        if writer is None or reader is None:
                            reader, writer = await asyncio.open_connection("127.0.0.1", self._storm.port)
                        writer.write(request)
                        status, head = await _answer(reader)
                except TimeoutError:
                    status, head = "hang", b""
                except (OSError, EOFError):
                    status, head = "lost", b""
                self.answers[status] += 1
                self.slowest[status] = max(self.slowest.get(status, 0.0), time.monotonic() - began)
                self.without_retry_after += status == "503" and b"retry-after:" not in head
                if writer is not None and (status in ("lost", "hang") or b"connection: close" in head):
                    writer.close()
                    reader = writer = None
                if status == "200":
                    self.stored.update(fingerprints)
                if status in ("200", "hang") or not self._storm.again:
                    break
                await asyncio.sleep(pause_s * random.uniform(0.5, 1.5))
                pause_s = min(pause_s * 1.5, 60.0)
        if writer is not None:
            writer.close()

    def _fingerprints(self, number: int) -> Iterator[str]:
        if self._storm.same:
            yield f"{self._storm.name}-same"
            return
        for alert in range(self._storm.alerts):
            yield f"{self._storm.name}-{number}-{alert}"

    def _request(self, number: int, fingerprints: list[str]) -> bytes:
        alerts = [
            {
                "status": "firing",
                "labels": {"alertname": "Noise", "severity": "info", "pod": one, **_PADDING, **self._storm.labels},
                "annotations": {"summary": "one of very many alerts of the same kind, as a storm brings them"},
                "startsAt": _STARTS_AT,
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus.example/graph",
                "fingerprint": one,
            }
            for one in fingerprints
        ]
        body = json.dumps(
            {"receiver": "remediator", "status": "firing", "alerts": alerts, "groupKey": f"{{}}:{{{number}}}"}
        ).encode()
        return (
            f"POST /webhook/alertmanager HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {self._storm.token}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode() + body


async def _answer(reader: asyncio.StreamReader) -> tuple[str, bytes]:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(head.partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
    await reader.readexactly(length)
    return head.split(b" ", 2)[1].decode(), head


def _main() -> None:
    given: dict[str, Any] = json.loads(sys.argv[1])
    Path(sys.argv[2]).write_text(json.dumps(asdict(asyncio.run(blow(Storm(**given))))))


if __name__ == "__main__":
    _main()
