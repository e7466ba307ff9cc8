"""Column types that mean the same on SQLite and PostgreSQL."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, overload

import msgspec
from sqlalchemy import BigInteger, ColumnElement, Text, literal_column
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator


def word(constant: str) -> ColumnElement[str]:
    """A word of ours, written into the statement itself: a bound parameter would hide it from partial indexes."""
    return literal_column(f"'{constant}'", Text)


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ENCODE = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode


@overload
def microseconds(instant: datetime) -> int: ...
@overload
def microseconds(instant: datetime | None) -> int | None: ...
def microseconds(instant: datetime | None) -> int | None:
    """What ``Instant`` stores.

    Raises:
        ValueError: a naive datetime; a guess at its zone would be a guess at when to act.
    """
    if instant is None:
        return None
    if instant.tzinfo is None:
        raise ValueError(f"naive datetime {instant!r}")
    return (instant - _EPOCH) // _MICROSECOND


@overload
def instant(stored: int) -> datetime: ...
@overload
def instant(stored: int | None) -> datetime | None: ...
def instant(stored: int | None) -> datetime | None:
    """What ``Instant`` gives back."""
    return None if stored is None else _EPOCH + stored * _MICROSECOND


def names_and_values(value: dict[str, str]) -> str:
    """What ``Json`` stores for labels and annotations. msgspec is ten times faster, but knows no lone surrogates and no ``\\u``."""
    try:
        fast = msgspec.json.encode(value)
    except UnicodeEncodeError:
        return _ENCODE(value)
    return fast.decode("ascii") if fast.isascii() else _ENCODE(value)


def plain_text(text: str) -> str:
    """The text with NUL and lone surrogates, which PostgreSQL's text refuses, spelled out as ``\\u0000`` (S3)."""
    if "\x00" in text:
        text = text.replace("\x00", "\\u0000")
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


class PlainText(TypeDecorator[str]):
    """Text as ``plain_text`` gives it, also where it is only compared with: whatever a label, a name in a path or a person's reason has
    in it, no database refuses it."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Most text has nothing to spell out."""
        return None if value is None else plain_text(value)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime, stored as whole microseconds since 1970: exact, sortable, the same on every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """Refuses naive datetimes (ValueError)."""
        return microseconds(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Always UTC."""
        return instant(value)


class Json(TypeDecorator[Any]):
    """JSON as ASCII text. NUL and lone surrogates, legal in JSON and refused by PostgreSQL's text, stay escaped (S3)."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: Any, dialect: Dialect) -> str | None:
        """None is SQL NULL."""
        return None if value is None else _ENCODE(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> Any:
        """The value as it was stored."""
        return None if value is None else json.loads(value)
