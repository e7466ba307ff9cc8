"""A load generator that costs little: keep-alive connections that speak just enough HTTP, each one request at a time."""

import asyncio
import itertools
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

SAMPLES = Path(__file__).parent.parent / "tests" / "data" / "alertmanager"
TOKEN = "benchmark-token"
_MARK = "%FINGERPRINT%"


@dataclass(frozen=True)
class Measured:
    """One run against one server."""

    requests: int
    seconds: float
    latencies_s: tuple[float, ...]

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.requests / self.seconds

    def percentile(self, share: float) -> float:
        """Latency in seconds that this share of the requests did not exceed."""
        return sorted(self.latencies_s)[min(len(self.latencies_s) - 1, int(share * len(self.latencies_s)))]


def bodies(alerts: int) -> Iterator[bytes]:
    """Bodies of the real shape (a captured group), every alert with a fingerprint that was never sent before."""
    sample = json.loads((SAMPLES / "14-group-of-50-am0.33.1.json").read_text())
    for alert in sample["alerts"]:
        alert["fingerprint"] = _MARK
        alert["labels"]["instance"] = f"host-{_MARK}:9100"
    sample["alerts"] = sample["alerts"][:alerts]
    pieces = json.dumps(sample, ensure_ascii=False, separators=(",", ":")).split(_MARK)
    numbers = itertools.count(time.time_ns())
    while True:
        names = [f"{next(numbers):016x}" for _ in range(alerts)]
        marks = [name for name in names for _ in range(2)]
        yield "".join(itertools.chain(*zip(pieces, marks, strict=False), pieces[-1:])).encode()


async def load(port: int, connections: int, alerts: int, seconds: float) -> Measured:
    """Post for that long over that many connections. Raises when an answer is not 200."""
    loop = asyncio.get_running_loop()
    head = (
        "POST /webhook/alertmanager HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: Alertmanager/0.33.1\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: "
    ).encode()
    source = bodies(alerts)

    def request() -> bytes:
        body = next(source)
        return b"%b%d\r\n\r\n%b" % (head, len(body), body)

    latencies: list[float] = []
    began = time.perf_counter()
    clients = [_Client(request, latencies, began + seconds) for _ in range(connections)]
    for client in clients:
        await loop.create_connection(partial(_itself, client), "127.0.0.1", port)
    await asyncio.gather(*(client.ended for client in clients))
    return Measured(len(latencies), time.perf_counter() - began, tuple(latencies))


def _itself(client: "_Client") -> "_Client":
    return client


class _Client(asyncio.Protocol):
    def __init__(self, request: Callable[[], bytes], latencies: list[float], until: float) -> None:
        self._request = request
        self._latencies = latencies
        self._until = until
        self._answer = b""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, separator, body = self._answer.partition(b"\r\n\r\n")
        if not separator or len(body) < int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0]):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._fail(RuntimeError(f"answered {self._answer!r}"))
            return
        self._latencies.append(time.perf_counter() - self._sent_at)
        self._answer = b""
        if self._sent_at < self._until:
            self._send()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if not self.ended.done():
            self.ended.set_result(None)

    def _send(self) -> None:
        request = self._request()
        self._sent_at = time.perf_counter()
        self._transport.write(request)

    def _fail(self, error: Exception) -> None:
        self.ended.set_exception(error)
        self._transport.close()
