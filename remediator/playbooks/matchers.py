"""Alertmanager's matcher syntax (its UTF-8 parser): ``alertname="HighCPU"``, ``{severity=~"high|page", "foo bar"!=""}``.

As there: all matchers of a list must hold, a missing label equals the empty string, regexes are RE2 and match whole values.
RE2 runs in time linear in the value, so no pattern and no hostile label can stall matching.
"""

import string
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Self

import re2

_RESERVED = frozenset("{}!=~,\\\"'`")
_REGEX_SPECIAL = frozenset("\\.+*?()[]{}^$")
_SIMPLE_ESCAPES = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\", '"': '"'}
_WRITTEN_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_CODE_LENGTHS = {"x": 2, "u": 4, "U": 8}
_OPERATORS = "accepted: = (equal), != (not equal), =~ (regex matches), !~ (regex does not match)"


class MatcherError(ValueError):
    """Text that is no matcher; ``column`` counts from 1."""

    def __init__(self, text: str, column: int, message: str) -> None:
        self.column = column
        super().__init__(f"matcher {text[:120]!r}, column {column}: {message}")


class Op(StrEnum):
    """How a matcher compares."""

    EQUAL = "="
    NOT_EQUAL = "!="
    REGEX = "=~"
    NOT_REGEX = "!~"


@dataclass(frozen=True)
class Matcher:
    """One comparison of one label.

    Raises:
        ValueError: the value of a regex operator is not valid RE2.
    """

    name: str
    op: Op
    value: str

    def __post_init__(self) -> None:
        if self.op in (Op.REGEX, Op.NOT_REGEX):
            object.__setattr__(self, "_pattern", _compile(self.value))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Does this matcher hold? A label that is missing is taken for empty."""
        value = labels.get(self.name, "")
        match self.op:
            case Op.EQUAL:
                return value == self.value
            case Op.NOT_EQUAL:
                return value != self.value
            case Op.REGEX:
                return self._found(value)
            case Op.NOT_REGEX:
                return not self._found(value)

    def _found(self, value: str) -> bool:
        pattern: Any = self.__dict__["_pattern"]
        # RE2 works on UTF-8; a lone surrogate (legal in JSON) has no encoding and must not raise here.
        return pattern.fullmatch(value.encode("utf-8", "replace")) is not None

    @cached_property
    def values(self) -> frozenset[str] | None:
        """The only values that can match, none of them empty; None where they are no plain list such as ``a`` or ``a|b``."""
        if self.op is Op.EQUAL:
            found = {self.value}
        elif self.op is Op.REGEX and not _REGEX_SPECIAL & set(self.value):
            found = set(self.value.split("|"))
        else:
            return None
        return None if "" in found else frozenset(found)

    def __str__(self) -> str:
        return f"{_written_name(self.name)}{self.op}{quote(self.value)}"


@dataclass(frozen=True)
class MatcherSet:
    """Matchers that must all hold."""

    matchers: tuple[Matcher, ...]

    @classmethod
    def parse(cls, texts: Iterable[str]) -> Self:
        """Read a list of texts, each holding one matcher or several.

        Raises:
            MatcherError: a text is no matcher.
        """
        return cls(tuple(matcher for text in texts for matcher in parse_matchers(text)))

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Do all hold?"""
        return all(matcher.matches(labels) for matcher in self.matchers)

    @property
    def matches_everything(self) -> bool:
        """Would an alert without any of the named labels match? Such a set can catch alerts that nobody thought of."""
        return self.matches({})

    def __str__(self) -> str:
        return "{" + ", ".join(map(str, self.matchers)) + "}"


def parse_matchers(text: str) -> tuple[Matcher, ...]:
    """Read ``a="b"``, ``a="b", c=~"d"`` or ``{a="b", c=~"d",}``.

    Raises:
        MatcherError: names the column and what is accepted there.
    """
    return _Parser(text).matchers()


def quote(value: str) -> str:
    """The value in double quotes, with the escapes that Go and PromQL read back."""
    return '"' + "".join(_WRITTEN_ESCAPES.get(char, char) for char in value) + '"'


def _written_name(name: str) -> str:
    plain = name.isascii() and name.replace("_", "a").replace(":", "a").isalnum() and not name[0].isdigit()
    return name if plain else quote(name)


def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    try:
        return re2.compile(pattern.encode("utf-8"), options)
    except re2.error as error:
        reason = error.args[0] if error.args else "invalid"
        reason = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else str(reason)
        raise ValueError(
            f"regex {pattern[:80]!r} is not valid RE2: {reason}; accepted: RE2, without look-around and references"
        ) from None
    except UnicodeEncodeError:
        raise ValueError("the regex holds a lone surrogate, which no label value can be compared with") from None


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0

    def matchers(self) -> tuple[Matcher, ...]:
        self._space()
        braced = self._take("{")
        found: list[Matcher] = []
        while True:
            self._space()
            if self.at == len(self.text) or self.text[self.at] == "}":
                break
            found.append(self._matcher())
            self._space()
            if not self._take(","):
                break
        self._space()
        if braced and not self._take("}"):
            raise self._error("the opening { has no closing }")
        self._space()
        if self.at < len(self.text):
            expected = "end of text" if braced else "a comma between matchers"
            raise self._error(
                f"unexpected {self.text[self.at]!r}; accepted here: {expected}; quote values that hold it"
            )
        if not found:
            raise self._error('no matcher here; accepted: name="value"')
        return tuple(found)

    def _matcher(self) -> Matcher:
        name = self._token("a label name")
        if not name:
            raise self._error("a label name cannot be empty")
        self._space()
        op = self._op()
        self._space()
        start = self.at
        value = self._token('a value in double quotes (the empty one is "")')
        try:
            return Matcher(name, op, value)
        except ValueError as error:
            raise MatcherError(self.text, start + 1, str(error)) from None

    def _op(self) -> Op:
        for op in (Op.REGEX, Op.NOT_REGEX, Op.NOT_EQUAL, Op.EQUAL):
            if self._take(op.value):
                return op
        raise self._error(f"an operator is missing; {_OPERATORS}")

    def _token(self, what: str) -> str:
        if self.at < len(self.text) and self.text[self.at] == '"':
            return self._quoted()
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in _RESERVED and not self.text[self.at].isspace():
            self.at += 1
        if self.at == start:
            raise self._error(f"expected {what}")
        return self.text[start : self.at]

    def _quoted(self) -> str:
        start = self.at
        self.at += 1
        written = bytearray()
        while self.at < len(self.text):
            char = self.text[self.at]
            self.at += 1
            if char == '"':
                try:
                    return written.decode("utf-8")
                except UnicodeDecodeError:
                    raise MatcherError(self.text, start + 1, r"the \x escapes do not make valid UTF-8") from None
            if char == "\n":
                break
            written += self._escape() if char == "\\" else char.encode("utf-8", "replace")
        raise MatcherError(self.text, start + 1, 'the opening " has no closing "')

    def _escape(self) -> bytes:
        start = self.at
        code = self.text[self.at : self.at + 1]
        self.at += 1
        if code in _SIMPLE_ESCAPES:
            return _SIMPLE_ESCAPES[code].encode()
        digits, base = "", 16
        if code in _CODE_LENGTHS:
            digits = self.text[self.at : self.at + _CODE_LENGTHS[code]]
            self.at += _CODE_LENGTHS[code]
            complete = len(digits) == _CODE_LENGTHS[code] and set(digits) <= set(string.hexdigits)
        else:
            digits, base = self.text[start : start + 3], 8
            self.at = start + 3
            complete = len(digits) == 3 and set(digits) <= set(string.octdigits)
        number = int(digits, base) if complete else -1
        one_byte = code not in ("u", "U")
        if not complete or (one_byte and number > 0xFF) or number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:
            raise MatcherError(
                self.text,
                start,
                'unknown escape; accepted: \\\\ \\" \\n \\t \\r \\xNN \\uNNNN (write the regex \\d+ as "\\\\d+")',
            )
        return bytes([number]) if one_byte else chr(number).encode("utf-8")

    def _space(self) -> None:
        while self.at < len(self.text) and self.text[self.at].isspace():
            self.at += 1

    def _take(self, what: str) -> bool:
        if self.text.startswith(what, self.at):
            self.at += len(what)
            return True
        return False

    def _error(self, message: str) -> MatcherError:
        return MatcherError(self.text, self.at + 1, message)
