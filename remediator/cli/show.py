"""Printing for people. Everything that is shown may hold hostile text, so what could move a terminal's cursor is spelled out."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

Cell = str | tuple[str, str]
"""Text, or text with a Rich style."""

_STYLES = {
    **dict.fromkeys(("verified", "informed", "run", "yes", "approved", "closed"), "green"),
    **dict.fromkeys(("deny", "refuse", "refuted", "failed", "no", "needs_person", "critical"), "red"),
    **dict.fromkeys(("approval", "wait", "waiting", "unknown", "propose", "approve", "high", "open"), "yellow"),
}


def plain(value: object) -> str:
    """The value as printable text: control, direction-changing and invisible characters as ``\\x1b``, ``\\u202e``, ``\\n``."""
    text = "" if value is None else str(value)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def coloured(value: object) -> Cell:
    """A word of ours (a verdict, a state, a severity) in its colour."""
    text = plain(value)
    return (text, _STYLES.get(text, ""))


def when(instant: str | None) -> str:
    """``2026-11-22 03:04:05Z`` of an instant as the API writes it."""
    return "" if not instant else plain(instant)[:19].replace("T", " ") + "Z"


def line(*cells: Cell, indent: int = 0) -> None:
    """One line, never wrapped or cut."""
    import sys

    if sys.stdout.isatty():
        _console().print(_text(" " * indent, *cells), soft_wrap=True)
        return
    # Without colours there is nothing for Rich to do, and a script need not wait for its import.
    typer.echo(" " * indent + "".join(plain(cell if isinstance(cell, str) else cell[0]) for cell in cells))


def heading(text: str) -> None:
    """A bold line with an empty one before it."""
    line()
    line((plain(text), "bold"))


def table(headers: Sequence[str], rows: Sequence[Sequence[Cell]], empty: str) -> None:
    """Columns as wide as their contents."""
    if not rows:
        line(empty)
        return
    from rich.table import Table

    shown = Table(*headers, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        shown.add_row(*(_text(cell) for cell in row))
    _console().print(shown)


def as_json(value: Any) -> None:
    """For programs: ASCII only, so that nothing in it can harm a terminal either."""
    typer.echo(json.dumps(value, indent=2, ensure_ascii=True).replace("\x7f", "\\u007f"))


def fail(message: object, code: int = 1) -> NoReturn:
    """One line on standard error, and the exit code: 1 found problems, 2 wrong usage."""
    typer.echo(f"error: {plain(message)}", err=True)
    raise typer.Exit(code)


def fail_each(error: Exception) -> NoReturn:
    """Every problem that the error carries on a line of its own."""
    problems = getattr(error, "problems", None) or (error,)
    for problem in problems[:-1]:
        typer.echo(f"error: {plain(problem)}", err=True)
    fail(problems[-1])


def _text(*cells: Cell) -> "Text":
    from rich.text import Text

    return Text.assemble(*((plain(cell), "") if isinstance(cell, str) else (plain(cell[0]), cell[1]) for cell in cells))


def _console() -> "Console":
    """Made anew each time: tests and pipes change where standard output leads. Colour only on a terminal."""
    import sys

    from rich.console import Console

    terminal = sys.stdout.isatty()
    return Console(
        width=None if terminal else 1_000, no_color=not terminal, force_terminal=terminal, highlight=False, emoji=False
    )
