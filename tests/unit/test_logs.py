import errno
import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr

from remediator.logs import REDACTED, configure, sanitise


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers.clear()  # pytest's own capture handlers must not be closed by basicConfig(force=True)
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def written(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def clean(**fields: Any) -> dict[str, Any]:
    return dict(sanitise(None, "info", fields))


def test_a_line_is_one_json_object_with_event_fields_level_and_utc_time(stream: io.StringIO) -> None:
    configure(False, "info", stream)
    structlog.get_logger().bind(run_id="run_1").info("step_applied", step="scale", attempt=1)
    [line] = written(stream)
    assert line.pop("timestamp").endswith("Z")
    assert line == {"event": "step_applied", "run_id": "run_1", "step": "scale", "attempt": 1, "level": "info"}


def test_the_level_holds_and_an_unknown_one_is_refused(stream: io.StringIO) -> None:
    configure(False, "warning", stream)
    structlog.get_logger().info("quiet")
    structlog.get_logger().warning("loud")
    assert [line["event"] for line in written(stream)] == ["loud"]
    with pytest.raises(ValueError, match=r"'chatty'; accepted: debug, info"):
        configure(False, "chatty", stream)


def test_libraries_loggers_take_the_same_path(stream: io.StringIO) -> None:
    configure(False, "debug", stream)
    logging.getLogger("aiohttp.server").info("noise")
    logging.getLogger("aiohttp.server").error("bad request from %s", "a\nb")
    [line] = written(stream)
    assert (line["event"], line["logger"], line["level"]) == ("bad request from a\\nb", "aiohttp.server", "error")


def test_configuring_again_replaces_the_stream(stream: io.StringIO) -> None:
    old = io.StringIO()
    configure(False, "info", old)
    configure(False, "info", stream)
    structlog.get_logger().info("here")
    logging.getLogger("x").warning("and here")
    assert old.getvalue() == ""
    assert len(written(stream)) == 2


@pytest.mark.parametrize(
    "name",
    [
        "password",
        "db_passwd",
        "token",
        "api_key",
        "apiKey",
        "routing_key",
        "Authorization",
        "set-cookie",
        "client_secret",
    ],
)
def test_what_is_named_like_a_secret_is_redacted_at_any_depth(name: str) -> None:
    assert clean(**{name: "hunter2"}) == {name: REDACTED}
    assert "hunter2" not in str(clean(request={"headers": [{name: ["hunter2"]}]}))


@pytest.mark.parametrize("name", ["dedup_key", "group_key", "token_file", "password_path", "fingerprint"])
def test_names_that_only_sound_like_secrets_are_kept(name: str) -> None:
    assert clean(**{name: "value"}) == {name: "value"}


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hunter2hunter2",
        "got {'Authorization': 'Basic hunter2hunter2'} back",
        "sent bearer hunter2hunter2 and failed",
        "cannot reach https://bob:hunter2hunter2@alertmanager:9093/api",
        "x" * 4_080 + "Authorization: Bearer hunter2hunter2",
    ],
)
def test_credentials_inside_text_are_redacted(text: str) -> None:
    assert "hunter2" not in str(clean(error=text))
    assert "hunter2" not in str(clean(error=ValueError(text)))


def test_pydantic_secrets_are_redacted_wherever_they_are() -> None:
    class Settings(BaseModel):
        value: SecretStr

    fields = clean(a=SecretStr("hunter2"), b=[SecretStr("hunter2")], c=Settings(value=SecretStr("hunter2")))
    assert "hunter2" not in str(fields)
    assert fields["a"] == REDACTED


def test_hostile_text_can_neither_forge_a_line_nor_steer_a_terminal(stream: io.StringIO) -> None:
    hostile = 'x\r\n{"event":"run_ended"}\x1b[2J\u202e\u2028\x00\ud800'
    configure(True, "info", stream)
    log = structlog.get_logger()
    log.info("alert_received", alertname=hostile, labels={hostile: hostile})
    log.info(hostile)
    try:
        raise ValueError(hostile)
    except ValueError:
        log.exception("failed")
    text = stream.getvalue()
    assert all(char.isprintable() or char == "\n" for char in text)
    starts = [line for line in text.splitlines() if not line.startswith("  | ")]
    assert len(starts) == 3
    assert all(line.startswith("20") for line in starts)


def test_very_long_values_are_cut_and_say_by_how_much() -> None:
    fields = clean(annotation="a" * 262_144, many=list(range(5_000)), body={str(n): n for n in range(5_000)})
    assert fields["annotation"].endswith("[+258048 characters]")
    assert fields["many"][-1] == "[+4950 more]"
    assert len(fields["body"]) == 51
    assert len(str(fields)) < 6_000


def test_values_keep_their_meaning() -> None:
    at = datetime(2026, 11, 22, 12, tzinfo=UTC)
    assert clean(at=at, wait=timedelta(minutes=2), n=3, x=0.5, ok=True, none=None, huge=2**80) == {
        "at": "2026-11-22T12:00:00+00:00",
        "wait": 120.0,
        "n": 3,
        "x": 0.5,
        "ok": True,
        "none": None,
        "huge": "0x100000000000000000000",
    }


json_like = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(exclude_categories=()))
    | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(exclude_categories=()), max_size=5), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(json_like)
def test_whatever_is_logged_becomes_exactly_one_line_of_json(value: Any) -> None:
    stream = io.StringIO()
    configure(False, "info", stream)
    structlog.get_logger().info("seen", value=value)
    [line] = stream.getvalue().splitlines()
    assert json.loads(line)["event"] == "seen"


@pytest.mark.parametrize("pretty", [True, False])
def test_a_log_that_cannot_be_written_ends_nothing_and_goes_on_later(pretty: bool) -> None:
    """Its file lies on a disk that is full for a while: what it tells of goes on."""
    kept: list[str] = []

    class Full(io.StringIO):
        full = True

        def write(self, text: str) -> int:
            if self.full:
                raise OSError(errno.ENOSPC, "No space left on device")
            kept.append(text)
            return len(text)

    stream = Full()
    configure(pretty, "info", stream)
    structlog.get_logger().info("lost", reason="full")
    logging.getLogger("asyncio").warning("lost, too")
    stream.full = False
    structlog.get_logger().info("kept", reason="free")
    assert "free" in "".join(kept) and "lost" not in "".join(kept)
