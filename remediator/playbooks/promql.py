"""PromQL with label values in it (S27): an expression stands only inside a matcher's quoted value, and is escaped there.

``sum(rate(errors{namespace="{{ labels.namespace }}"}[5m]))`` is a template; ``{{ labels.metric }} > 1`` is refused when
the playbook is loaded. Only as much PromQL is read as proves this; whether the query means something is Prometheus' to say.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from remediator.playbooks.matchers import quote
from remediator.playbooks.template import Expression, Template, TemplateError

_REMEDY = (
    'accepted: {{ ... }} inside the double-quoted value of a matcher, as in up{namespace="{{ labels.namespace }}"}'
)
_MATCHER_BEFORE = re.compile(r'(?:[a-zA-Z_][a-zA-Z0-9_]*|"(?:[^"\\]|\\.)*")\s*(?P<op>=~|!~|!=|=)\s*$')
_REGEX_SPECIAL = frozenset("\\.+*?()|[]{}^$")


class PromqlError(TemplateError):
    """The query cannot be used as a template; the message names the column and what is accepted."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One expression inside a matcher's value."""

    expression: Expression
    regex: bool

    def fill(self, labels: Mapping[str, str], variables: Mapping[str, Any]) -> str:
        value = self.expression.evaluate(labels, variables)
        try:
            value.encode("utf-8")
        except UnicodeEncodeError:
            raise PromqlError("a label value holds a lone surrogate, which PromQL cannot say") from None
        if self.regex:
            value = "".join(f"\\{char}" if char in _REGEX_SPECIAL else char for char in value)
        return quote(value)[1:-1]


@dataclass(frozen=True, slots=True)
class PromqlTemplate:
    """A query that was proven safe to fill."""

    source: str
    parts: tuple[str | Slot, ...]

    @classmethod
    def parse(cls, query: str) -> Self:
        """Read a query.

        Raises:
            PromqlError: an expression stands elsewhere, or a string or brace is not closed.
        """
        return cls(query, tuple(_Scanner(query).parts()))

    @property
    def label_names(self) -> frozenset[str]:
        """Every label that the query may read."""
        return frozenset(name for part in self.parts if isinstance(part, Slot) for name in part.expression.labels)

    @property
    def variable_names(self) -> frozenset[str]:
        """Every variable that the query reads."""
        found = (part.expression.variable for part in self.parts if isinstance(part, Slot))
        return frozenset(name for name in found if name is not None)

    def render(self, *, labels: Mapping[str, str], vars: Mapping[str, Any]) -> str:
        """The query with every value escaped for where it stands.

        Raises:
            TemplateError: names the label or variable that is missing.
        """
        return "".join(part if isinstance(part, str) else part.fill(labels, vars) for part in self.parts)


class PromqlParams(BaseModel):
    """What ``promql`` takes: exactly one comparison; NaN, infinity, no series and warnings are unknown (S27)."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    query: str = Field(min_length=1, description="an instant query; labels may stand in the values of its matchers")
    below: float | None = Field(None, description="yes while the value is below this")
    above: float | None = Field(None, description="yes while the value is above this")
    equals: float | None = Field(None, description="yes while the value is this")
    is_empty: bool | None = Field(None, description="true: yes while no series matches; false: yes while one does")
    series: Literal["one", "each", "any"] = Field(
        "one",
        description="one: more than one series is unknown; each: all must compare; any: one that compares is enough",
    )

    @model_validator(mode="after")
    def _one_comparison(self) -> Self:
        given = [name for name in ("below", "above", "equals", "is_empty") if getattr(self, name) is not None]
        if len(given) != 1:
            found = " and ".join(given) if given else "none"
            raise ValueError(
                f"promql needs exactly one comparison, found {found}; accepted: below, above, equals or is_empty"
            )
        PromqlTemplate.parse(self.query)
        return self

    @property
    def template(self) -> PromqlTemplate:
        """The query, read."""
        return PromqlTemplate.parse(self.query)


class _Scanner:
    def __init__(self, query: str) -> None:
        self.query = query
        self.at = 0
        self.begun = 0
        self.found: list[str | Slot] = []

    def parts(self) -> list[str | Slot]:
        depth = 0
        while self.at < len(self.query):
            char = self.query[self.at]
            if self.query.startswith("{{", self.at):
                raise self._error(self.at, "an expression outside of a matcher's value")
            if char in "\"'`":
                self._string(char, in_selector=depth == 1)
                continue
            if char == "#":
                self._comment()
                continue
            depth += (char == "{") - (char == "}")
            if depth not in (0, 1):
                raise self._error(self.at, f"unexpected {char!r}")
            self.at += 1
        if depth:
            raise self._error(len(self.query), "a { is not closed")
        self._literal(self.at)
        return self.found

    def _comment(self) -> None:
        end = self.query.find("\n", self.at)
        end = len(self.query) if end < 0 else end
        if "{{" in self.query[self.at : end]:
            raise self._error(self.at, "an expression in a comment")
        self.at = end

    def _string(self, mark: str, *, in_selector: bool) -> None:
        start = self.at
        before = _MATCHER_BEFORE.search(self.query, 0, start) if in_selector and mark == '"' else None
        filled = False
        self.at += 1
        prefix = ""  # what stands in this value so far, for the rules of regexes
        while self.at < len(self.query):
            char = self.query[self.at]
            if self.query.startswith("{{", self.at):
                if before is None:
                    raise self._error(self.at, "an expression in a text that is no matcher's value")
                regex = before["op"] in ("=~", "!~")
                if regex:
                    self._check_regex_prefix(prefix)
                self._slot(regex)
                filled, prefix = True, prefix + "x"
            elif char == mark:
                self.at += 1
                if filled and not re.match(r"\s*[,}]", self.query[self.at :]):
                    raise self._error(start, "an expression in a text that is no matcher's value")
                return
            elif char == "\n" and mark != "`":
                break
            elif char == "\\" and mark != "`":
                if self.query[self.at + 1 : self.at + 2] == "{":
                    raise self._error(self.at, "a backslash before an expression")
                prefix += self.query[self.at : self.at + 2].replace("\\\\", "\\")
                self.at += 2
            else:
                prefix += char
                self.at += 1
        raise self._error(start, "a string is not closed")

    def _check_regex_prefix(self, prefix: str) -> None:
        """An escaped value is only plain text where the regex reads plain text."""
        unescaped = re.sub(r"\\[^Q]", "", prefix)
        if unescaped.endswith("\\") or "\\Q" in unescaped or unescaped.rfind("[") > unescaped.rfind("]"):
            raise self._error(self.at, "an expression after a regex backslash, inside [...] or after \\Q")

    def _slot(self, regex: bool) -> None:
        start = end = self.at
        quoted = ""
        end += 2
        while not (not quoted and self.query.startswith("}}", end)):
            if end >= len(self.query):
                raise self._error(start, "{{ is not closed")
            char = self.query[end]
            if quoted:
                quoted = "" if char == quoted else quoted
            elif char in "\"'":
                quoted = char
            end += 1
        end += 2
        try:
            expressions = Template.parse(self.query[start:end]).expressions
        except TemplateError as error:
            raise self._error(start, str(error)) from None
        self._literal(start)
        self.found.extend(Slot(expression, regex) for expression in expressions)
        self.at = self.begun = end

    def _literal(self, end: int) -> None:
        if self.begun < end:
            self.found.append(self.query[self.begun : end])

    def _error(self, at: int, message: str) -> PromqlError:
        return PromqlError(f"query, column {at + 1}: {message}; {_REMEDY}")
