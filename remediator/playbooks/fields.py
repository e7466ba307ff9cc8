"""The small types that every part of the playbook model is made of."""

import re
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints
from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

from remediator.playbooks.template import Template, TemplateError
from remediator.validation_words import explain


class Frozen(BaseModel):
    """Base of the playbook model: values never change, unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, validate_by_alias=True, allow_inf_nan=False
    )


def _check_template(text: str) -> str:
    try:
        Template.parse(text)
    except TemplateError as error:
        raise PydanticCustomError("template", str(error)) from None
    return text


DnsLabel = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]
"""RFC 1123: lower-case letters, digits and hyphens, at most 63."""
Identifier = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]{0,62}$")]
TemplateText = Annotated[str, StringConstraints(min_length=1, max_length=1024), AfterValidator(_check_template)]
"""Text that may hold ``{{ labels.x }}``; checked when the playbook is loaded, filled when it is decided."""
Text = Annotated[str, StringConstraints(min_length=1)]
StrictInt = Annotated[int, Field(strict=True)]
StrictBool = Annotated[bool, Field(strict=True)]

Misplaced = tuple[tuple[str | int, ...], str]
"""A problem and the place in the YAML where it belongs."""

_NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?")


def single_key(value: Any, *, what: str, also: frozenset[str]) -> tuple[str, Any, dict[str, Any]]:
    """Take ``{name: params, ...}`` apart: the one key that is not among ``also``, its value, and the rest.

    Raises:
        PydanticCustomError: not a mapping, or not exactly one such key.
    """
    if not isinstance(value, dict):
        raise PydanticCustomError(
            "single_key", f"{what} is a mapping of its name to its parameters, such as {{name: {{}}}}"
        )
    names = [key for key in value if key not in also]
    if len(names) != 1:
        found = ", ".join(map(repr, names)) or "none"
        beside = f" (beside it: {', '.join(sorted(also))})" if also else ""
        raise PydanticCustomError("single_key", f"{what} needs exactly one name{beside}; found {found}")
    name = names[0]
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise PydanticCustomError(
            "single_key", f"{what} name {name!r} is malformed; accepted: name or group.name in lower case"
        )
    return name, value[name], {key: value[key] for key in value if key in also}


def params_of(name: str, params: Any) -> dict[str, Any]:
    """Parameters as a mapping; nothing at all counts as none.

    Raises:
        ValidationError: anything else, placed at ``name``.
    """
    if params is None:
        return {}
    if not isinstance(params, dict):
        raise relocated("params", [((name,), f"the parameters of {name} are a mapping; write {name}: {{}} for none")])
    return params


def relocated(title: str, problems: list[Misplaced]) -> ValidationError:
    """An error whose places follow the YAML, where the model's own shape differs from it."""
    return ValidationError.from_exception_data(
        title,
        [
            InitErrorDetails(type=PydanticCustomError("playbook", message), loc=loc, input=None)
            for loc, message in problems
        ],
    )


def nested(error: ValidationError, model: type[BaseModel], value: Any, *prefix: str | int) -> list[Misplaced]:
    """The problems of ``error``, found in ``value`` by ``model``, moved below ``prefix``."""
    return [((*prefix, *problem.path), str(problem)) for problem in explain(error, model, value)]
