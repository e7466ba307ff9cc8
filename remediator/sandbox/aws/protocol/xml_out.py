"""Values as XML."""

from typing import Any
from xml.etree.ElementTree import Element, SubElement, tostring

from remediator.sandbox.aws.protocol.values import known, scalar_out

_LOCATED = ("header", "headers", "statusCode")


def text(root: Element) -> bytes:
    written: bytes = tostring(root, encoding="utf-8", xml_declaration=True)
    return written


def fill(node: Element, shape: Any, value: Any) -> None:
    """Put the members of a structure that belong in a body under `node`."""
    for name, one in known(shape, value).items():
        member = shape.members[name]
        if member.serialization.get("location") in _LOCATED:
            continue
        if member.serialization.get("xmlAttribute"):
            node.set(member.serialization["name"].split(":")[-1], str(one))
            continue
        _add(node, member, one, member.serialization.get("name", name))


def _add(parent: Element, shape: Any, value: Any, name: str) -> None:
    match shape.type_name:
        case "structure":
            fill(SubElement(parent, name), shape, value)
        case "list":
            _add_list(parent, shape, value, name)
        case "map":
            _add_map(parent, shape, value, name)
        case _:
            SubElement(parent, name).text = scalar_out(shape, value, "iso8601")


def _add_list(parent: Element, shape: Any, values: Any, name: str) -> None:
    if not isinstance(values, (list, tuple)):
        raise TypeError(f"{shape.name} is a list, not {values!r}")
    member_name = shape.member.serialization.get("name")
    if shape.serialization.get("flattened"):
        for one in values:
            _add(parent, shape.member, one, member_name or name)
        return
    node = SubElement(parent, name)
    for one in values:
        _add(node, shape.member, one, member_name or "member")


def _add_map(parent: Element, shape: Any, values: Any, name: str) -> None:
    flat = shape.serialization.get("flattened")
    outer = parent if flat else SubElement(parent, name)
    for key, one in values.items():
        entry = SubElement(outer, name if flat else "entry")
        SubElement(entry, shape.key.serialization.get("name", "key")).text = str(key)
        _add(entry, shape.value, one, shape.value.serialization.get("name", "value"))
