"""The little PromQL that the sandbox evaluates by itself: one selector, `time()`, a number."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from remediator.sandbox.matchers import MatcherError, all_match, parse_matchers

Labels = Mapping[str, str]
Sample = tuple[Labels, float]

_SELECTOR = re.compile(r"(?P<name>[a-zA-Z_:][a-zA-Z0-9_:]*)\s*(?P<matchers>\{.*\})?", re.DOTALL)


class UnknownQueryError(Exception):
    """Neither scripted nor simple enough."""


@dataclass(frozen=True, slots=True)
class Scalar:
    """A query result of type scalar."""

    value: float


def evaluate(query: str, series: Mapping[str, Sequence[Sample]], now_s: float) -> Scalar | list[Sample]:
    """The value of a query over these series; raises UnknownQueryError, also for a metric that nobody has set."""
    text = query.strip()
    if text == "time()":
        return Scalar(now_s)
    if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", text):
        return Scalar(float(text))
    found = _SELECTOR.fullmatch(text)
    if found is None or found["name"] not in series:
        raise UnknownQueryError(text)
    try:
        matchers = parse_matchers(found["matchers"] or "{}")
    except MatcherError as error:
        raise UnknownQueryError(str(error)) from error
    return [
        ({"__name__": found["name"], **labels}, value)
        for labels, value in series[found["name"]]
        if all_match(matchers, labels)
    ]


def number(value: float) -> str:
    """A sample value as the API writes it."""
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    return str(int(value)) if value == int(value) else repr(value)
