"""What the demo shows: a timeline that grows line by line, with colours and a spinner on a terminal, plain lines elsewhere.

Texts come from labels and bodies and may be hostile: they are never read as markup, and what could move a cursor is escaped.
"""

from collections.abc import Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.status import Status
from rich.table import Table
from rich.text import Text

_STYLES = {
    "cluster": "yellow",
    "alert": "bold red",
    "decides": "bold magenta",
    "waits": "magenta",
    "acts": "bold blue",
    "looks": "cyan",
    "verified": "bold green",
    "refuted": "bold red",
    "pages": "bold red",
    "resolved": "green",
    "closed": "bold green",
}
_AT, _WHO = 9, 8
"""Widths of the columns that say when and who."""
_WIDEST = 112
"""Longer lines are hard to read, however wide the terminal."""


def visible(text: str) -> str:
    """The text with everything that is not printable escaped: a label cannot move the cursor or forge a line."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


class Timeline:
    """Writes to one console. As a context manager it owns the spinner at the bottom."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._pretty = console.is_terminal and not console.is_dumb_terminal
        self._status: Status | None = None
        unicode = console.encoding.lower().startswith("utf")
        self._yes, self._no, self._dot = ("✓", "✗", "·") if unicode else ("ok", "FAILED", "-")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.idle()

    def title(self, text: str, below: str) -> None:
        """The first lines."""
        self.gap()
        self.say(text, style="bold")
        self.say(below, style="dim")

    def scene(self, number: int, of: int, text: str, told: str) -> None:
        """A new scene begins."""
        heading = f"{number}/{of}  {visible(text)}"
        self.gap()
        if self._pretty:
            rule = Rule(Text(heading, style="bold"), align="left", style="dim", characters="─")
            self._console.print(rule, width=self._width)
        else:
            self._plain(f"== {heading}")
        self.say(told, style="dim")
        self.gap()

    def happened(self, at: datetime, who: str, text: str) -> None:
        """One thing that happened, and who did or saw it (a word of ``_STYLES``)."""
        self._row(f"{at:%H:%M:%S}Z", who, visible(text), _STYLES.get(who, ""))

    def more(self, text: str) -> None:
        """Goes with the line before."""
        self._row("", "", visible(text), "", body="dim")

    def went(self, text: str) -> None:
        """A check that held."""
        self._row("", self._yes, visible(text), "bold green")

    def failed(self, step: str, expected: str, seen: str) -> None:
        """A check that did not hold."""
        self.idle()
        self._row("", self._no, visible(step), "bold red", body="bold")
        self._row("", "expected", visible(expected), "red")
        self._row("", "seen", visible(seen), "red")

    def say(self, text: str, *, style: str = "") -> None:
        """A sentence."""
        if self._pretty:
            grid = Table.grid(padding=(0, 2, 0, 2))
            grid.add_row(Text(visible(text), style=style))
            self._console.print(grid, width=self._width, highlight=False)
        else:
            self._plain(visible(text))

    def paste(self, text: str) -> None:
        """Something to copy: never wrapped, never styled inside, and nothing before it on its lines."""
        self._console.print(Text(text, style="bold" if self._pretty else ""), soft_wrap=True, highlight=False)

    def gap(self) -> None:
        """An empty line."""
        self._console.print()

    def waiting(self, text: str) -> None:
        """What everybody waits for now; shown by the spinner, on a terminal only."""
        if not self._pretty:
            return
        if self._status is None:
            self._status = self._console.status("", spinner="dots")
            self._status.start()
        shown = Text(visible(text), style="dim", overflow="ellipsis", no_wrap=True)
        self._status.update(shown)

    def stopped(self) -> None:
        """The last line after a signal."""
        self.idle()
        self.gap()
        self.say("Stopped; nothing of the demo is left behind.")

    def idle(self) -> None:
        """Take the spinner away."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def counts(self, before: dict[str, int], after: dict[str, int]) -> None:
        """A table of numbers that should not have changed."""
        if not self._pretty:
            for name, number in before.items():
                self._row("", "", f"{name}: {number} before, {after[name]} after", "")
            return
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
        table.add_column("")
        table.add_column("before", justify="right")
        table.add_column("after", justify="right")
        for name, number in before.items():
            table.add_row(name, str(number), str(after[name]))
        self._console.print(Padding(table, (0, 0, 0, _AT + _WHO + 4)), width=self._width, highlight=False)

    def page(self, title: str, summary: str, sections: Sequence[tuple[str, Sequence[str]]]) -> None:
        """A page as the engineer sees it."""
        if not self._pretty:
            self._plain(f"  | {visible(title)}")
            self._plain(f"  | {visible(summary)}")
            for name, lines in sections:
                self._plain(f"  | {name}:")
                for line in lines:
                    self._plain(f"  |   {visible(line)}")
            return
        parts: list[RenderableType] = [Text(visible(summary), style="bold")]
        for name, lines in sections:
            parts += [Text(), Text(name.upper(), style="bold cyan")]
            parts += [_bullet(self._dot, visible(line)) for line in lines]
        panel = Panel(Group(*parts), title=Text(visible(title), style="bold red"), border_style="red", padding=(1, 2))
        self._console.print(panel, width=self._width, highlight=False)

    @property
    def _width(self) -> int:
        return min(self._console.width, _WIDEST)

    def _row(self, at: str, who: str, text: str, style: str, *, body: str = "") -> None:
        if not self._pretty:
            self._plain(f"{at:<{_AT}}  {who:<{_WHO}}  {text}")
            return
        grid = Table.grid(padding=(0, 2, 0, 0))
        grid.add_column(width=_AT, style="dim")
        grid.add_column(width=_WHO)
        grid.add_column(overflow="fold")
        grid.add_row(Text(at), Text(who, style=style), Text(text, style=body))
        self._console.print(grid, width=self._width, highlight=False)

    def _plain(self, text: str) -> None:
        self._console.print(Text(text.rstrip()), soft_wrap=True, highlight=False)


def _bullet(dot: str, text: str) -> Table:
    grid = Table.grid(padding=(0, 1, 0, 0))
    grid.add_column(width=1, style="dim")
    grid.add_column(overflow="fold")
    grid.add_row(dot, Text(text))
    return grid
