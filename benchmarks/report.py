"""The results as one table for people and one JSON document for programs."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.frame import Machine, Row, Scale

_HEADINGS = ("benchmark", "case", "measured", "of the floor", "aim")


def show(rows: Sequence[Row], machine: Machine) -> None:
    """Print the table."""
    table = Table(title=_where(machine), title_justify="left")
    for heading in _HEADINGS:
        table.add_column(heading, overflow="fold")
    former = ""
    for row in rows:
        if former not in ("", row.benchmark):
            table.add_section()
        former = row.benchmark
        table.add_row(*_cells(row))
    Console(width=160).print(table)


def markdown(rows: Sequence[Row], machine: Machine) -> str:
    """The same for README, which says when it was."""
    lines = [f"`python -m benchmarks`, {datetime.now(UTC):%Y-%m-%d}, {_where(machine)}:", ""]
    lines += [f"| {' | '.join(_HEADINGS)} |", f"|{'---|' * len(_HEADINGS)}"]
    lines += [f"| {' | '.join(_cells(row))} |" for row in rows]
    return "\n".join(lines) + "\n"


def _where(machine: Machine) -> str:
    return f"{machine.cores} cores, Python {machine.python}, {machine.system}, load before {machine.load_before}"


def _cells(row: Row) -> tuple[str, ...]:
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} of {row.floor}"
    aim = "" if row.aim is None else f"{row.aim.text}: {'met' if row.aim.met else 'NOT MET'}"
    measured = "; ".join(f"{name} {_number(value)}" for name, value in row.figures.items())
    case = ", ".join(f"{name} {value}" for name, value in row.case.items())
    return (row.benchmark, case, measured or row.note, ratio, aim)


def write(path: Path, rows: Sequence[Row], machine: Machine, scale: Scale) -> None:
    """Write everything there."""
    path.write_text(json.dumps(document(rows, machine, scale), indent=2) + "\n")


def document(rows: Sequence[Row], machine: Machine, scale: Scale) -> Mapping[str, Any]:
    """Everything that was measured."""
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "scale": scale.name,
        "machine": asdict(machine),
        "results": [asdict(row) for row in rows],
    }


def _number(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
