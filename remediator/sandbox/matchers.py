"""Label matchers as Alertmanager's `filter` parameter and PromQL selectors write them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""\s*(?P<name>"(?:[^"\\]|\\.)*"|[^\s{}!=~,\\"'`]+)\s*(?P<op>=~|!~|!=|=)\s*"""
    r"""(?P<value>"(?:[^"\\]|\\.)*"|[^\s{}!=~,\\"'`]*)\s*"""
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}


class MatcherError(ValueError):
    """The text is no list of matchers."""


@dataclass(frozen=True, slots=True)
class Matcher:
    """One matcher; a label that is missing equals the empty string, regular expressions are anchored."""

    name: str
    op: str
    value: str

    def matches(self, labels: Mapping[str, str]) -> bool:
        present = labels.get(self.name, "")
        if self.op in ("=", "!="):
            return (present == self.value) is (self.op == "=")
        return (re.fullmatch(self.value, present, re.DOTALL) is not None) is (self.op == "=~")


def parse_matchers(text: str) -> list[Matcher]:
    """`{a="b",c=~"d"}`, with or without braces; raises MatcherError."""
    inner = text.strip()
    if inner.startswith("{") != inner.endswith("}"):
        raise MatcherError(f"unpaired brace in {text!r}")
    inner = inner.removeprefix("{").removesuffix("}")
    matchers: list[Matcher] = []
    at = 0
    while at < len(inner.rstrip()):
        found = _TOKEN.match(inner, at)
        if found is None:
            raise MatcherError(f"bad matcher format: {text!r} near {inner[at:]!r}")
        matcher = Matcher(_unquoted(found["name"]), found["op"], _unquoted(found["value"]))
        if matcher.op in ("=~", "!~"):
            try:
                re.compile(matcher.value)
            except re.error as error:
                raise MatcherError(f"bad regular expression in {text!r}: {error}") from error
        matchers.append(matcher)
        at = found.end()
        if at < len(inner):
            if inner[at] != ",":
                raise MatcherError(f"bad matcher format: {text!r} near {inner[at:]!r}")
            at += 1
    return matchers


def all_match(matchers: list[Matcher], labels: Mapping[str, str]) -> bool:
    return all(matcher.matches(labels) for matcher in matchers)


def _unquoted(token: str) -> str:
    if not token.startswith('"'):
        return token
    return re.sub(r"\\(.)", lambda found: _ESCAPES.get(found[1], found[0]), token[1:-1], flags=re.DOTALL)
