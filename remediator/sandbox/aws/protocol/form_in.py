"""Parameters of the protocols `query` and `ec2`: a form with dotted names."""

from collections.abc import Mapping
from typing import Any

from remediator.sandbox.aws.protocol.values import scalar_in


def params(form: Mapping[str, str], shape: Any, ec2: bool) -> dict[str, Any]:
    """What the form says in the shape of the operation's input."""
    return _structure(form, shape, "", ec2) or {}


def _structure(form: Mapping[str, str], shape: Any, prefix: str, ec2: bool) -> dict[str, Any] | None:
    found = {}
    for name, member in shape.members.items():
        value = _value(form, member, f"{prefix}{_name(member, name, ec2)}", ec2)
        if value is not None:
            found[name] = value
    return found or None


def _value(form: Mapping[str, str], shape: Any, key: str, ec2: bool) -> Any:
    match shape.type_name:
        case "structure":
            return _structure(form, shape, f"{key}.", ec2)
        case "list":
            return _list(form, shape, key, ec2)
        case "map":
            return _map(form, shape, key)
        case _:
            return scalar_in(shape, form[key]) if key in form else None


def _list(form: Mapping[str, str], shape: Any, key: str, ec2: bool) -> list[Any] | None:
    if form.get(key) == "":
        return []
    if ec2:
        prefix = key
    elif shape.serialization.get("flattened"):
        named = shape.member.serialization.get("name")
        prefix = ".".join([*key.split(".")[:-1], named]) if named else key
    else:
        prefix = f"{key}.{shape.member.serialization.get('name', 'member')}"
    found: list[Any] = []
    while _begins(form, f"{prefix}.{len(found) + 1}"):
        found.append(_value(form, shape.member, f"{prefix}.{len(found) + 1}", ec2))
    return found or None


def _map(form: Mapping[str, str], shape: Any, key: str) -> dict[str, Any] | None:
    prefix = key if shape.serialization.get("flattened") else f"{key}.entry"
    key_name, value_name = (
        one.serialization.get("name", word) for one, word in ((shape.key, "key"), (shape.value, "value"))
    )
    found = {}
    number = 1
    while f"{prefix}.{number}.{key_name}" in form:
        name = form[f"{prefix}.{number}.{key_name}"]
        found[name] = _value(form, shape.value, f"{prefix}.{number}.{value_name}", False)
        number += 1
    return found or None


def _begins(form: Mapping[str, str], prefix: str) -> bool:
    return any(key == prefix or key.startswith(f"{prefix}.") for key in form)


def _name(shape: Any, name: str, ec2: bool) -> str:
    said = shape.serialization
    if ec2 and "queryName" in said:
        return str(said["queryName"])
    if "name" in said:
        found = str(said["name"])
        return found[0].upper() + found[1:] if ec2 else found
    return name
