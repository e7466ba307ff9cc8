"""How many alerts a second the door makes durable, and what that costs beside two floors measured in the same run.

    python -m benchmarks.intake [--quick] [--uvloop] [--json FILE]

The floors are an aiohttp handler that reads the body and answers 200, and (where the aim is) one that also inserts a row per request
in its own SQLite transaction (``benchmarks/servers.py``). The door runs on SQLite and, where a server can be had, on PostgreSQL, both
with commits that are on the disk. Each server has a process of its own and the load another; rounds of all servers are interleaved,
so that whatever else the machine does meets all alike. A machine's rates prove little, their ratios more: given are medians over the
rounds and, for ratios, the range. The aim, at 64 connections and 1 alert a body: 0.5 of the bare handler, 3 times a row per request.
"""

import argparse
import asyncio
import json
import platform
import statistics
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.databases import fresh_database, postgresql
from benchmarks.frame import Aim, Row, Scale
from benchmarks.load import load
from benchmarks.servers import FLOORS, Served, serving
from tests.support.database_server import DatabaseServer

SHAPES = tuple(
    (connections, alerts)
    for alerts in (1, 50, 1_000)
    for connections in (1, 16, 64, 256)
    if connections * alerts < 100_000  # 200 MB of bodies at once: more than the door holds, it answers 503 then
)
AIM = (64, 1)
_AIM = 0.5
"""Of the bare handler's rate, in that shape."""
SQLITE, POSTGRESQL = "remediator", "remediator on PostgreSQL"


@dataclass
class Series:
    """The rounds of one server under one shape of load."""

    rates: list[float] = field(default_factory=list)
    p50_ms: list[float] = field(default_factory=list)
    p99_ms: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)

    def medians(self, alerts: int) -> dict[str, float]:
        """What stands in the table."""
        return {
            "requests_per_s": round(statistics.median(self.rates), 1),
            "alerts_per_s": round(statistics.median(self.rates) * alerts, 1),
            "p50_ms": round(statistics.median(self.p50_ms), 2),
            "p99_ms": round(statistics.median(self.p99_ms), 2),
            "cpu_us_per_request": round(statistics.median(self.cpu_us), 1),
        }


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.intake", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument(
        "--quick", action="store_true", help="fewer and shorter rounds, 64 connections with 1 alert only"
    )
    parser.add_argument("--uvloop", action="store_true", help="all servers on uvloop")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every figure there")
    arguments = parser.parse_args()
    rounds, seconds = (3, 1.0) if arguments.quick else (5, 1.5)
    shapes = (AIM,) if arguments.quick else SHAPES
    results = measure_all(shapes, rounds=rounds, seconds=seconds, uvloop=arguments.uvloop)
    show(results)
    if arguments.json is not None:
        machine = {"python": platform.python_version(), "machine": platform.machine(), "uvloop": arguments.uvloop}
        arguments.json.write_text(
            json.dumps({**machine, "rounds": rounds, "seconds": seconds, "results": results}, indent=2)
        )


def rows(scale: Scale) -> Iterator[Row]:
    """Ours on SQLite and PostgreSQL beside the bare handler, one a shape of load."""
    shapes, rounds, seconds = scale.of(quick=((AIM,), 1, 0.5), full=(SHAPES, 3, 1.0))
    for result in measure_all(shapes, rounds=rounds, seconds=seconds, uvloop=False):
        shape = (result["connections"], result["alerts_per_body"])
        for kind in (SQLITE, POSTGRESQL):
            if kind in result["servers"]:
                ratio = result["to_bare"][kind]["median"]
                aim = Aim(f"at least {_AIM}", ratio >= _AIM) if (kind, shape) == (SQLITE, AIM) else None
                case: dict[str, str | int] = {"store": "sqlite" if kind == SQLITE else "postgresql"}
                case |= {"connections": shape[0], "alerts a body": shape[1]}
                yield Row("intake", case, result["servers"][kind], "a handler that answers 200", ratio, aim)


def measure_all(
    shapes: Sequence[tuple[int, int]], *, rounds: int, seconds: float, uvloop: bool
) -> list[dict[str, Any]]:
    """Every shape of load: connections, and alerts of a body."""
    with ExitStack() as started:
        database = started.enter_context(postgresql())
        return [measure(*shape, rounds=rounds, seconds=seconds, uvloop=uvloop, database=database) for shape in shapes]


def measure(
    connections: int, alerts: int, *, rounds: int, seconds: float, uvloop: bool, database: DatabaseServer | None
) -> dict[str, Any]:
    """All servers under one shape of load, on fresh files and a fresh database."""
    stores: dict[str, str | None] = dict.fromkeys(FLOORS if (connections, alerts) == AIM else FLOORS[:1])
    stores[SQLITE] = None
    if database is not None:
        stores[POSTGRESQL] = asyncio.run(fresh_database(database))
    series = {kind: Series() for kind in stores}
    with ExitStack() as started:
        servers = {
            kind: started.enter_context(serving(kind, uvloop=uvloop, store_url=url)) for kind, url in stores.items()
        }
        for server in servers.values():
            asyncio.run(load(server.port, connections, alerts, 0.5))  # warm
        for _ in range(rounds):
            for kind, server in servers.items():
                one_round(series[kind], server, connections, alerts, seconds)
    bare = series["bare"]
    return {
        "connections": connections,
        "alerts_per_body": alerts,
        "servers": {kind: one.medians(alerts) for kind, one in series.items()},
        "to_bare": {kind: ratios(one.rates, bare.rates) for kind, one in series.items() if kind != "bare"},
        "to_bare_cpu": {kind: ratios(one.cpu_us, bare.cpu_us) for kind, one in series.items() if kind != "bare"},
    }


def one_round(series: Series, server: Served, connections: int, alerts: int, seconds: float) -> None:
    """Load one server for some seconds and note what it did."""
    cpu_s = server.cpu_s()
    measured = asyncio.run(load(server.port, connections, alerts, seconds))
    series.cpu_us.append((server.cpu_s() - cpu_s) / measured.requests * 1e6)
    series.rates.append(measured.rate)
    series.p50_ms.append(measured.percentile(0.50) * 1e3)
    series.p99_ms.append(measured.percentile(0.99) * 1e3)


def ratios(ones: list[float], others: list[float]) -> dict[str, float]:
    """Round by round, since both met the same machine then."""
    each = [one / other for one, other in zip(ones, others, strict=True)]
    return {"median": round(statistics.median(each), 3), "least": round(min(each), 3), "most": round(max(each), 3)}


def show(results: list[dict[str, Any]]) -> None:
    """The figures for people."""
    table = Table(title="durable intake: medians over interleaved rounds", title_justify="left")
    for heading in (
        "connections",
        "alerts/body",
        "server",
        "requests/s",
        "alerts/s",
        "p50 ms",
        "p99 ms",
        "CPU us/request",
    ):
        table.add_column(heading, justify="left" if heading == "server" else "right")
    table.add_column("to bare (range)", justify="right")
    for result in results:
        for kind, figures in result["servers"].items():
            table.add_row(
                str(result["connections"]),
                str(result["alerts_per_body"]),
                kind,
                *(f"{figures[name]:,.{0 if 'per_s' in name else 1}f}" for name in figures),
                times(result["to_bare"].get(kind)),
            )
        table.add_section()
    Console(width=140).print(table)


def times(ratio: Mapping[str, float] | None) -> str:
    """``0.41x (0.38 to 0.44)``."""
    return "" if ratio is None else f"{ratio['median']:.2f}x ({ratio['least']:.2f} to {ratio['most']:.2f})"


if __name__ == "__main__":
    main()
