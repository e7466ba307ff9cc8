"""Values out of XML, for rest-xml's bodies."""

from typing import Any
from xml.etree.ElementTree import Element, ParseError, fromstring

from remediator.sandbox.aws.protocol.values import scalar_in


def params(body: bytes, shape: Any) -> dict[str, Any]:
    """The structure in a body; raises ValueError when it is not XML."""
    try:
        root = fromstring(body)  # noqa: S314 - the clients are tests on this machine
    except ParseError as error:
        raise ValueError(str(error)) from None
    found: dict[str, Any] = _value(root, shape)
    return found


def _value(node: Element, shape: Any) -> Any:
    match shape.type_name:
        case "structure":
            return {
                name: one for name, member in shape.members.items() if (one := _member(node, member, name)) is not None
            }
        case "list":
            return [_value(child, shape.member) for child in node]
        case "map":
            return {
                _child(entry, shape.key.serialization.get("name", "key")).text or "": _value(
                    _child(entry, shape.value.serialization.get("name", "value")), shape.value
                )
                for entry in node
            }
        case _:
            return scalar_in(shape, node.text or "")


def _member(node: Element, shape: Any, name: str) -> Any:
    if shape.serialization.get("location"):
        return None
    if shape.type_name == "list" and shape.serialization.get("flattened"):
        wanted = shape.member.serialization.get("name") or shape.serialization.get("name", name)
        return [_value(child, shape.member) for child in node if _tag(child) == wanted] or None
    wanted = shape.serialization.get("name", name)
    found = next((child for child in node if _tag(child) == wanted), None)
    return None if found is None else _value(found, shape)


def _child(node: Element, name: str) -> Element:
    return next(child for child in node if _tag(child) == name)


def _tag(node: Element) -> str:
    return node.tag.rpartition("}")[2]
