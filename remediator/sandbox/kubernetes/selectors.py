"""Label and field selectors of list requests."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from remediator.sandbox.kubernetes.errors import bad_request
from remediator.sandbox.kubernetes.resources import Object, Resource

Test = Callable[[Object], bool]

_KEY = r"[A-Za-z0-9./_-]+"
_REQUIREMENT = re.compile(
    rf"\s*(?:(?P<absent>!\s*(?P<absent_key>{_KEY}))"
    rf"|(?P<set_key>{_KEY})\s+(?P<set_op>in|notin)\s*\((?P<values>[^()]*)\)"
    rf"|(?P<key>{_KEY})\s*(?P<op>==|=|!=)\s*(?P<value>[A-Za-z0-9._-]*)"
    rf"|(?P<exists>{_KEY}))\s*(?:,|$)"
)

_COMMON_FIELDS = {"metadata.name", "metadata.namespace"}
_EVENT_FIELDS = {"reason", "type", "reportingComponent", "source"} | {
    f"involvedObject.{part}"
    for part in ("kind", "name", "namespace", "uid", "apiVersion", "resourceVersion", "fieldPath")
}
_FIELDS = {
    "pods": {
        "spec.nodeName",
        "spec.restartPolicy",
        "spec.schedulerName",
        "spec.serviceAccountName",
        "status.phase",
        "status.podIP",
        "status.nominatedNodeName",
    },
    "nodes": {"spec.unschedulable"},
    "namespaces": {"status.phase"},
    "jobs": {"status.successful"},
    "replicasets": {"status.replicas"},
    "secrets": {"type"},
    "events": _EVENT_FIELDS,
}


def label_selector(text: str) -> Test:
    """A test over objects; raises 400 for what cannot be parsed."""
    tests: list[Callable[[Mapping[str, str]], bool]] = []
    at = 0
    while at < len(text):
        found = _REQUIREMENT.match(text, at)
        if found is None:
            raise bad_request(f'unable to parse requirement: found a problem at "{text[at:]}" in labelSelector')
        tests.append(_requirement(found))
        at = found.end()
    return lambda obj: all(test(obj["metadata"].get("labels") or {}) for test in tests)


def _requirement(found: re.Match[str]) -> Callable[[Mapping[str, str]], bool]:
    if (key := found["absent_key"]) is not None:
        return lambda labels: key not in labels
    if (key := found["set_key"]) is not None:
        values = {value.strip() for value in found["values"].split(",")}
        if found["set_op"] == "in":
            return lambda labels: labels.get(key) in values
        return lambda labels: labels.get(key) not in values
    if (key := found["key"]) is not None:
        value, wanted = found["value"], found["op"] != "!="
        return lambda labels: (labels.get(key) == value) is wanted
    key = found["exists"]
    return lambda labels: key in labels


def field_selector(text: str, resource: Resource) -> Test:
    """A test over objects as they are stored; raises 400 for a field that the real server does not index either.

    Events of events.k8s.io are selected by `regarding.*`, those of core/v1 by `involvedObject.*`.
    """
    fields = _COMMON_FIELDS | _FIELDS.get(resource.plural, set())
    tests: list[Test] = []
    for part in filter(None, text.split(",")):
        found = re.fullmatch(r"\s*([A-Za-z.]+)\s*(==|=|!=)\s*(.*?)\s*", part)
        if found is None:
            raise bad_request(f'invalid selector: "{part}"; can\'t understand it')
        named, op, value = found.groups()
        field = named
        if resource.group == "events.k8s.io":
            field = _renamed(named)
        if field not in fields:
            raise bad_request(f"field label not supported: {named}")
        tests.append(_field_test(field.split("."), value, op != "!="))
    return lambda obj: all(test(obj) for test in tests)


def _renamed(named: str) -> str:
    """A field of a new event as it is stored; the old names are not known there."""
    if named.startswith("involvedObject."):
        return ""
    return named.replace("regarding.", "involvedObject.", 1).replace("reportingController", "reportingComponent")


def _field_test(path: list[str], value: str, wanted: bool) -> Test:
    return lambda obj: (_text_at(obj, path) == value) is wanted


def _text_at(obj: Any, path: list[str]) -> str:
    for part in path:
        obj = obj.get(part, "") if isinstance(obj, dict) else ""
    return str(obj).lower() if isinstance(obj, bool) else str(obj)


def matches_selector(selector: Object, labels: Mapping[str, str]) -> bool:
    """Whether a LabelSelector object (matchLabels, matchExpressions) takes these labels."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions") or []:
        present, values = labels.get(expression["key"]), expression.get("values") or []
        holds = {
            "In": present in values,
            "NotIn": present not in values,
            "Exists": present is not None,
            "DoesNotExist": present is None,
        }[expression["operator"]]
        if not holds:
            return False
    return True


def selector_text(selector: Object) -> str:
    """A LabelSelector in the query-parameter form, as `Scale.status.selector` has it."""
    parts = [f"{key}={value}" for key, value in sorted((selector.get("matchLabels") or {}).items())]
    for expression in selector.get("matchExpressions") or []:
        key, operator = expression["key"], expression["operator"]
        values = ",".join(sorted(expression.get("values") or []))
        parts.append(
            {
                "In": f"{key} in ({values})",
                "NotIn": f"{key} notin ({values})",
                "Exists": key,
                "DoesNotExist": f"!{key}",
            }[operator]
        )
    return ",".join(parts)
