"""Structured logs: a fixed event with named fields, one line of JSON each, or text for people on a terminal.

Values come from labels, bodies and other programs' errors, so each is treated as hostile on its way out: secrets are
taken out, what could forge a line or move a terminal's cursor is escaped, what is very long is cut.
"""

import logging
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import date, timedelta
from typing import Any, TextIO, cast

import orjson
import structlog
from pydantic import SecretBytes, SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

REDACTED = "[redacted]"

_MAX_VALUE = 4_096
_MAX_TRACEBACK = 32_768
_MAX_KEY = 128
_MAX_ITEMS = 50
_MAX_DEPTH = 5

# A name that ends in _file or _path says where a secret lies, not what it is.
_SECRET_NAME = re.compile(
    r"(passw(or)?d|passphrase|secret|token|authorization|cookie|credential|api_?key|private_?key|routing_?key|"
    r"integration_?key|signature)(?!.*_(file|path)$)",
    re.IGNORECASE,
)
_SECRET_IN_TEXT = (
    (re.compile(r"(?i)(\bauthorization\b['\"]?\s*[:=]\s*['\"]?)(?:[a-z]+\s+)?[^\s'\",;}]+"), rf"\1{REDACTED}"),
    (re.compile(r"(?i)\b(bearer\s+)[\w.~+/=-]{8,}"), rf"\1{REDACTED}"),
    (re.compile(r"(?i)\b([a-z][a-z0-9+.-]*://)[^\s/@'\"]+@"), rf"\1{REDACTED}@"),
)


class Unfailing:
    """A stream for logs: what cannot be written is lost. A full disk or a pipe without a reader must not end what the log tells of."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Raises nothing."""
        with suppress(OSError):
            self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Raises nothing. What the stream still holds is tried again with the next line."""
        with suppress(OSError):
            self._stream.flush()


def configure(pretty: bool, level: str, stream: TextIO) -> None:
    """Set up structlog and the standard library's logging to write to ``stream``; may be called again.

    ``level`` is a name such as ``info`` (ValueError for any other). Libraries' own loggers pass from ``warning`` on.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"unknown log level {level!r}; accepted: debug, info, warning, error, critical")
    unfailing = Unfailing(stream)
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        sanitise,
    ]
    render = _pretty_renderer(stream) if pretty else structlog.processors.JSONRenderer(_to_json)
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.WriteLoggerFactory(file=cast(TextIO, unfailing)),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(unfailing)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *shared, render],
        )
    )
    logging.basicConfig(handlers=[handler], level=max(number, logging.WARNING), force=True)


def sanitise(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The processor that makes any event safe to write (secrets, control characters, length)."""
    safe: EventDict = {}
    for key, value in event.items():
        if key == "exception" and isinstance(value, str):
            safe[key] = _traceback(value)
        else:
            name = _text(str(key), _MAX_KEY)
            safe[name] = REDACTED if _SECRET_NAME.search(name) and value is not None else _value(value, _MAX_DEPTH)
    return safe


def _value(value: object, depth: int) -> Any:
    match value:
        case str():
            return _text(value, _MAX_VALUE)
        case None | bool() | float():
            return value
        case int():
            return value if -(2**63) <= value < 2**63 else _text(f"{value:#x}", _MAX_VALUE)  # JSON's writer stops there
        case SecretStr() | SecretBytes():
            return REDACTED
        case date():
            return value.isoformat()
        case timedelta():
            return value.total_seconds()
        case Mapping() if depth > 0:
            return _mapping(value, depth)
        case Sequence() | set() | frozenset() if depth > 0 and not isinstance(value, bytes | bytearray | memoryview):
            items = [_value(item, depth - 1) for item in list(value)[:_MAX_ITEMS]]
            return [*items, f"[+{len(value) - _MAX_ITEMS} more]"] if len(value) > _MAX_ITEMS else items
        case BaseException():
            return _text(f"{type(value).__name__}: {value}", _MAX_VALUE)
        case _:
            return _text(repr(value), _MAX_VALUE)


def _mapping(value: Mapping[Any, Any], depth: int) -> dict[str, Any]:
    safe: dict[str, Any] = {}
    for key, item in list(value.items())[:_MAX_ITEMS]:
        name = _text(str(key), _MAX_KEY)
        safe[name] = REDACTED if _SECRET_NAME.search(name) and item is not None else _value(item, depth - 1)
    if len(value) > _MAX_ITEMS:
        safe["..."] = f"[+{len(value) - _MAX_ITEMS} more]"
    return safe


def _text(text: str, longest: int) -> str:
    # Secrets first, on a little more than is kept: cutting first could leave half a secret that no pattern knows.
    window = text[: longest + 1_024]
    for pattern, replacement in _SECRET_IN_TEXT:
        window = pattern.sub(replacement, window)
    kept = _escape(window[:longest])
    return kept if len(text) <= longest else f"{kept}[+{len(text) - longest} characters]"


def _escape(text: str) -> str:
    """Control, bidirectional and other invisible characters and lone surrogates as ``\\n``, ``\\x1b``, ``\\u202e``."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def _traceback(text: str) -> str:
    """Tracebacks keep their lines, but each is marked, so that no message in one can pass for a line of the log."""
    if len(text) > _MAX_TRACEBACK:
        half = _MAX_TRACEBACK // 2
        text = f"{text[:half]}\n[...]\n{text[-half:]}"
    return "\n".join("  | " + _text(line, _MAX_VALUE) for line in text.split("\n"))


def _to_json(event: object, **_: object) -> str:
    return orjson.dumps(event).decode()  # every value is plain by now


def _pretty_renderer(stream: TextIO) -> structlog.dev.ConsoleRenderer:
    return structlog.dev.ConsoleRenderer(
        colors=stream.isatty(), exception_formatter=structlog.dev.plain_traceback, sort_keys=False
    )
