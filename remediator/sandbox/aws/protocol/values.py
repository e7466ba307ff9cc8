"""Single values on the wire."""

import base64
import calendar
from datetime import UTC, datetime
from email.utils import formatdate, parsedate_to_datetime
from typing import Any


def time_out(value: datetime, form: str) -> Any:
    """A time as the form wants it: iso8601, unixtimestamp or rfc822."""
    utc = value.astimezone(UTC)
    match form.lower():
        case "unixtimestamp":
            return round(utc.timestamp(), 3)
        case "rfc822":
            return formatdate(calendar.timegm(utc.timetuple()), usegmt=True)
        case _:
            return utc.strftime("%Y-%m-%dT%H:%M:%S.") + f"{utc.microsecond // 1000:03d}Z"


def time_in(text: Any) -> datetime:
    """A time in whichever form it came; raises ValueError for anything else."""
    if isinstance(text, (int, float)):
        return datetime.fromtimestamp(text, UTC)
    try:
        found = datetime.fromisoformat(str(text).replace("Z", "+00:00"))
    except ValueError:
        try:
            return datetime.fromtimestamp(float(text), UTC)
        except ValueError:
            return parsedate_to_datetime(str(text)).astimezone(UTC)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def scalar_in(shape: Any, text: str) -> Any:
    """A value that came as text."""
    match shape.type_name:
        case "boolean":
            return text.lower() == "true"
        case "integer" | "long":
            return int(text)
        case "float" | "double":
            return float(text)
        case "timestamp":
            return time_in(text)
        case "blob":
            return base64.b64decode(text)
        case _:
            return text


def scalar_out(shape: Any, value: Any, form: str) -> str:
    """A value as text; `form` is the protocol's own for times."""
    match shape.type_name:
        case "boolean":
            return "true" if value else "false"
        case "timestamp":
            return str(time_out(value, shape.serialization.get("timestampFormat", form)))
        case "blob":
            return base64.b64encode(value if isinstance(value, bytes) else str(value).encode()).decode()
        case "string":
            if not isinstance(value, str):
                raise TypeError(f"{shape.name} is a string, not {value!r}")
            return value
        case "integer" | "long":
            return str(int(value))
        case "float" | "double":
            return str(float(value))
        case other:
            raise TypeError(f"{shape.name} is a {other}, not {value!r}")


def known(shape: Any, value: Any) -> dict[str, Any]:
    """A structure's members that are set. Members that the model does not have are a mistake of the simulated service."""
    if not isinstance(value, dict):
        raise TypeError(f"{shape.name} is a structure, not {value!r}")
    unknown = set(value) - set(shape.members)
    if unknown:
        raise TypeError(f"{shape.name} has no {', '.join(sorted(unknown))}; it has {', '.join(shape.members)}")
    return {name: one for name, one in value.items() if one is not None}
