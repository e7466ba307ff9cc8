"""Which operation of a REST service a request is, and what its path, query and headers say."""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any
from urllib.parse import parse_qsl, unquote

from remediator.sandbox.aws.models import model_of
from remediator.sandbox.aws.protocol.values import scalar_in
from remediator.sandbox.journal import Received

_LABEL = re.compile(r"{([^}+]+)(\+?)}")


class _Route:
    def __init__(self, operation: str, method: str, uri: str) -> None:
        path, _, query = uri.partition("?")
        self.operation = operation
        self.method = method
        self.wanted = dict(parse_qsl(query, keep_blank_values=True))
        literal = _LABEL.sub("", path)
        self.rank = (len(self.wanted), len(literal), path.count("{"))
        pattern, last = "", 0
        self.labels: list[str] = []
        for found in _LABEL.finditer(path):
            pattern += re.escape(path[last : found.start()]) + ("(.+)" if found[2] else "([^/]+)")
            self.labels.append(found[1])
            last = found.end()
        self._path = re.compile(pattern + re.escape(path[last:]).removesuffix("/") + "/?")

    def match(self, received: Received) -> dict[str, str] | None:
        if received.method != self.method:
            return None
        query = received.query
        if any(key not in query or (value and query[key] != value) for key, value in self.wanted.items()):
            return None
        found = self._path.fullmatch(received.raw_path or received.path)
        return None if found is None else dict(zip(self.labels, map(unquote, found.groups()), strict=True))


@cache
def _routes(service: str) -> list[_Route]:
    model = model_of(service)
    made = []
    for name in model.operation_names:
        http = model.operation_model(name).http
        made.append(_Route(name, http["method"], http["requestUri"]))
    return sorted(made, key=lambda one: one.rank, reverse=True)


def find(service: str, received: Received) -> tuple[str, dict[str, str]] | None:
    """The operation and what stands for the labels of its path."""
    for route in _routes(service):
        labels = route.match(received)
        if labels is not None:
            return route.operation, labels
    return None


def located(shape: Any, received: Received, labels: Mapping[str, str]) -> dict[str, Any]:
    """The parameters outside the body."""
    found: dict[str, Any] = {}
    taken = set()
    for name, member in shape.members.items():
        key = member.serialization.get("name", name)
        match member.serialization.get("location"):
            case "uri":
                found[name] = scalar_in(member, labels[key])
            case "querystring" if member.type_name == "list":
                if values := received.repeated(key):
                    found[name] = [scalar_in(member.member, one) for one in values]
            case "querystring" if member.type_name != "map":
                taken.add(key)
                if key in received.query:
                    found[name] = scalar_in(member, received.query[key])
            case "header" if member.type_name != "list" and key in received.headers:
                found[name] = scalar_in(member, received.headers[key])
            case "headers":
                begin = key.lower()
                pairs = {
                    one[len(key) :]: value for one, value in received.headers.items() if one.lower().startswith(begin)
                }
                if pairs:
                    found[name] = pairs
    return found
