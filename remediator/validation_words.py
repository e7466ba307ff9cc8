"""What pydantic found, in words for the person who wrote the file: the place in the file, what is wrong, what is accepted.

The values themselves are never repeated: they may be secrets.
"""

import difflib
import re
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

Path = tuple[str | int, ...]
_MANY = 25


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake at one place."""

    path: Path
    message: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


def explain(error: ValidationError, model: type[BaseModel], value: Any) -> list[Problem]:
    """Every mistake, in the order in which pydantic found them; those that only follow from others are left out."""
    details = error.errors(include_url=False, include_input=False)
    paths = [_path_in(value, item["loc"], missing=item["type"] == "missing") for item in details]
    found: dict[Path, Problem] = {}
    for path, item in zip(paths, details, strict=True):
        # pydantic counts only the items that are valid: "too short" then only repeats that one of them is not
        if item["type"] == "too_short" and any(
            len(other) > len(path) and other[: len(path)] == path for other in paths
        ):
            continue
        said = _problem(path, item, model)
        if path in found and item["type"] not in ("missing", "extra_forbidden"):  # the branches of a union
            if said.message not in found[path].message:
                found[path] = Problem(path, f"{found[path].message} or {said.message}", found[path].remedy)
            continue
        found[path] = said
    return list(found.values())


def near(name: str, accepted: list[str]) -> str:
    """``did you mean x? accepted: x, y``: the remedy for a name that is not known. Of many names only the near ones."""
    close = difflib.get_close_matches(name, accepted, n=3, cutoff=0.6)
    if close and len(accepted) > _MANY:
        return f"did you mean {' or '.join(close)}?"
    listed = f"accepted: {', '.join(accepted)}" if accepted else "accepted: none"
    return f"did you mean {' or '.join(close)}? {listed}" if close else listed


def problem(path: Path, text: str) -> Problem:
    """A problem from one sentence; what follows ``; accepted: `` or ``; did you mean `` is its remedy."""
    return Problem(path, *re.split(r"; (?=accepted: |did you mean )", text, maxsplit=1))


def _problem(path: Path, item: Any, model: type[BaseModel]) -> Problem:
    context = item.get("ctx", {})
    match item["type"]:
        case "extra_forbidden":
            key = str(path[-1]) if path else ""
            return Problem(path, "unknown key", near(key, _accepted_keys(model, path[:-1])))
        case "missing":
            return Problem(path, "this key is required and missing", "add it")
        case "literal_error" | "enum":
            return Problem(path, "not an accepted value", f"accepted: {context.get('expected', '')}")
        case "string_pattern_mismatch":
            return Problem(path, "not in the accepted form", f"accepted: text like {context.get('pattern', '')}")
        case "model_type" | "dict_type" | "model_attributes_type":
            return Problem(path, "not a mapping", "accepted: key: value pairs")
        case "tuple_type" | "list_type":
            return Problem(path, "not a list", "accepted: [...] or lines that begin with -")
        case "string_type":
            return Problem(path, "not text", "accepted: text; quote numbers, true, false and null")
    text = str(item["msg"]).removeprefix("Value error, ")
    return problem(path, text.replace("Input should be", "should be").replace("Tuple should", "the list should"))


def _path_in(value: Any, loc: Path, *, missing: bool) -> Path:
    """The part of ``loc`` that stands in the file: pydantic also names the branches of unions and ``[key]``."""
    path: list[str | int] = []
    for part in loc:
        in_list = isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)
        if in_list or (isinstance(value, dict) and part in value):
            value = value[part]
            path.append(part)
    if missing and loc:
        path.append(loc[-1])
    return tuple(path)


def _accepted_keys(model: type[BaseModel], path: Path) -> list[str]:
    kind: Any = model
    for part in path:
        kind = _inside(kind, part)
    found = next((option for option in _options(kind) if _is_model(option)), None)
    return [] if found is None else [info.alias or name for name, info in found.model_fields.items()]


def _inside(kind: Any, part: str | int) -> Any:
    for option in _options(kind):
        if _is_model(option):
            for name, info in option.model_fields.items():
                if part in (name, info.alias):
                    return info.annotation
        arguments = typing.get_args(option)
        if typing.get_origin(option) in (list, tuple, set, frozenset) and isinstance(part, int):
            return arguments[0]
        if typing.get_origin(option) in (dict, Mapping) and len(arguments) == 2:
            return arguments[1]
    return None


def _options(kind: Any) -> list[Any]:
    if typing.get_origin(kind) is typing.Annotated:
        return _options(typing.get_args(kind)[0])
    if typing.get_origin(kind) in (typing.Union, types.UnionType):
        return [option for argument in typing.get_args(kind) for option in _options(argument)]
    return [kind]


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)
