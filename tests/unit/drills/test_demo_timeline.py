from datetime import UTC, datetime
from io import StringIO

import pytest
from rich.console import Console

from remediator.drills.demo_timeline import Timeline, visible

AT = datetime(2026, 3, 1, 2, 3, 4, tzinfo=UTC)
HOSTILE = "shop\x1b[2J\r\nforged [bold red]line[/] \u202e"


def written(*, terminal: bool, width: int = 80) -> tuple[Timeline, StringIO]:
    out = StringIO()
    console = Console(
        file=out,
        force_terminal=terminal,
        width=width,
        color_system=None,
        legacy_windows=False,
        _environ={"TERM": "xterm"},
    )
    return Timeline(console), out


@pytest.mark.parametrize("terminal", [True, False])
def test_a_hostile_label_can_neither_move_the_cursor_nor_forge_a_line_nor_be_markup(terminal: bool) -> None:
    timeline, out = written(terminal=terminal, width=200)
    timeline.happened(AT, "alert", HOSTILE)
    timeline.page(HOSTILE, HOSTILE, [("tried", [HOSTILE])])
    timeline.failed(HOSTILE, HOSTILE, HOSTILE)
    timeline.say(HOSTILE)
    text = out.getvalue()
    assert "\x1b" not in text
    assert "\r" not in text
    assert "\u202e" not in text
    assert not any(line.strip().startswith("forged") for line in text.splitlines())
    assert "[bold red]line[/]" in text


def test_what_is_printable_stays_as_it_is() -> None:
    assert visible("Café ✓ 日本") == "Café ✓ 日本"


def test_lone_surrogates_are_escaped() -> None:
    assert visible("a\ud800b") == "a\\ud800b"


def test_without_a_terminal_every_event_is_one_line_however_long() -> None:
    timeline, out = written(terminal=False, width=40)
    timeline.happened(AT, "looks", "word " * 50)
    assert len(out.getvalue().splitlines()) == 1


def test_on_a_terminal_long_texts_wrap_under_themselves() -> None:
    timeline, out = written(terminal=True, width=60)
    timeline.happened(AT, "verified", "word " * 30)
    first, *more = out.getvalue().splitlines()
    assert first.startswith("02:03:04Z  verified  word")
    assert more
    assert all(line.startswith(" " * 21 + "word") for line in more)


@pytest.mark.parametrize("terminal", [True, False])
def test_what_is_to_be_pasted_is_never_wrapped_or_indented(terminal: bool) -> None:
    timeline, out = written(terminal=terminal, width=40)
    command = "curl " + "x" * 100 + " [red] \\\n  -d '{}'"
    timeline.paste(command)
    assert out.getvalue() == command + "\n"


def test_a_failed_check_says_what_was_expected_and_what_was_seen() -> None:
    timeline, out = written(terminal=False)
    timeline.failed("restarted once", "1", "2")
    assert [line.split() for line in out.getvalue().splitlines()] == [
        ["✗", "restarted", "once"],
        ["expected", "1"],
        ["seen", "2"],
    ]
