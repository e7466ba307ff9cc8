"""Values in JSON, both ways."""

import base64
from typing import Any

from remediator.sandbox.aws.protocol.values import known, scalar_out, time_in, time_out

_LOCATED = ("header", "headers", "statusCode", "uri", "querystring")


def value_in(shape: Any, value: Any) -> Any:
    """What came as JSON, typed; members that the model does not know are left out, as AWS does."""
    if value is None:
        return None
    match shape.type_name:
        case "structure":
            if getattr(shape, "is_document_type", False):
                return value
            named = {name: shape.members[name].serialization.get("name", name) for name in shape.members}
            return {
                name: value_in(shape.members[name], value[key])
                for name, key in named.items()
                if value.get(key) is not None
            }
        case "list":
            return [value_in(shape.member, one) for one in value]
        case "map":
            return {key: value_in(shape.value, one) for key, one in value.items()}
        case "timestamp":
            return time_in(value)
        case "blob":
            return base64.b64decode(value)
        case _:
            return value


def value_out(shape: Any, value: Any) -> Any:
    """A value as JSON has it."""
    match shape.type_name:
        case "structure":
            if getattr(shape, "is_document_type", False):
                return value
            return {
                shape.members[name].serialization.get("name", name): value_out(shape.members[name], one)
                for name, one in known(shape, value).items()
                if shape.members[name].serialization.get("location") not in _LOCATED
            }
        case "list":
            if not isinstance(value, (list, tuple)):
                raise TypeError(f"{shape.name} is a list, not {value!r}")
            return [value_out(shape.member, one) for one in value]
        case "map":
            return {str(key): value_out(shape.value, one) for key, one in value.items()}
        case "timestamp":
            return time_out(value, shape.serialization.get("timestampFormat", "unixtimestamp"))
        case "boolean":
            return bool(value)
        case "integer" | "long":
            return int(value)
        case "float" | "double":
            return float(value)
        case _:
            return scalar_out(shape, value, "iso8601")
