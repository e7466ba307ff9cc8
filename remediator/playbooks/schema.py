"""The language as JSON Schema (2020-12), for editors that complete and check while one types.

Made from the model and from the parameters of actions and conditions, so that it cannot fall behind them. What no schema can
say (matchers, templates, names of targets) `remediator check` says.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import BaseModel

from remediator.durations import DURATION_PATTERN
from remediator.playbooks import language
from remediator.playbooks.checks import ParamsByName
from remediator.playbooks.model import Playbook
from remediator.playbooks.promql import PromqlParams
from remediator.playbooks.rules import ESCALATE_WORDS

_Schema = dict[str, Any]
_VARIABLE: _Schema = {"type": "string", "pattern": r"^\{\{-?\s*vars\.[A-Za-z_][A-Za-z0-9_]*\s*-?\}\}$"}
_NAME: _Schema = {"type": "string", "pattern": "^[a-zA-Z_][a-zA-Z0-9_]{0,62}$"}
_DURATION: _Schema = {"type": "string", "pattern": DURATION_PATTERN}
_CONDITION: _Schema = {"$ref": "#/$defs/Condition"}
_FREE: _Schema = {"type": ["object", "null"], "description": "part of the language, not built in this release"}


def playbook_json_schema(action_params: ParamsByName, condition_params: ParamsByName) -> _Schema:
    """The schema of one playbook. Names that are not built yet are accepted with any parameters, as they are in drafts."""
    schema = Playbook.model_json_schema(by_alias=True, mode="validation")
    definitions: _Schema = schema["$defs"]
    actions = _parameters(language.ACTIONS, action_params, definitions)
    conditions = _parameters(language.CONDITIONS, {"promql": PromqlParams, **condition_params}, definitions)
    step_keys = {"on": _NAME, "for": _DURATION, "remembers": _NAME, "restores": _NAME}
    several = {"type": "array", "items": _CONDITION, "minItems": 1}
    combined = {"not": _CONDITION, "any": several, "all": several}
    definitions["Step"] = {"oneOf": _single_keys(actions, step_keys)}
    definitions["Condition"] = {"oneOf": [*_single_keys(conditions, {"on": _NAME}), *_single_keys(combined, {})]}
    definitions["Evidence"] = {
        "oneOf": _single_keys(
            # The parameters of the step that only looks.
            {name: actions.get(f"evidence.{name}", _FREE) for name in sorted(language.EVIDENCE)},
            {"on": _NAME},
        ),
    }
    definitions["EscalateOn"] = {
        "oneOf": [{"enum": list(ESCALATE_WORDS)}, *_single_keys({"condition": _CONDITION}, {})]
    }
    definitions["TargetSpec"] |= {"minProperties": 1, "maxProperties": 1}
    for name, definition in definitions.items():
        if name not in ("Metadata", "TargetSpec", "Only"):
            definitions[name] = _with_variables(definition)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "remediator playbook", **schema}


def _single_keys(named: Mapping[str, _Schema], beside: Mapping[str, _Schema]) -> list[_Schema]:
    return [
        {
            "type": "object",
            "properties": {name: params, **beside},
            "required": [name],
            "additionalProperties": False,
        }
        for name, params in named.items()
    ]


def _parameters(known: Iterable[str], classes: ParamsByName, definitions: _Schema) -> dict[str, _Schema]:
    found: dict[str, _Schema] = {}
    for name in sorted({*known, *classes}):
        if name not in classes:
            found[name] = _FREE
            continue
        # Many parameter classes share a name, so their definitions are filed under the name of the action.
        params = _schema_of(classes[name], f"{name}.")
        definitions |= {f"{name}.{inner}": value for inner, value in params.pop("$defs", {}).items()}
        definitions[f"{name} parameters"] = params
        reference = {"$ref": f"#/$defs/{name} parameters".replace(" ", "%20")}
        found[name] = reference if params.get("required") else {"anyOf": [reference, {"type": "null"}]}
    return found


def _schema_of(model: type[BaseModel], prefix: str) -> _Schema:
    return model.model_json_schema(by_alias=True, mode="validation", ref_template=f"#/$defs/{prefix}{{model}}")


def _with_variables(schema: Any) -> Any:
    """Wherever a plain value is wanted, ``{{ vars.x }}`` may stand for it."""
    if isinstance(schema, list):
        return [_with_variables(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    plain = schema.get("type") in ("integer", "number", "boolean") or "enum" in schema or "const" in schema
    if plain or schema.get("pattern") == DURATION_PATTERN:
        described = {key: schema[key] for key in ("title", "description", "default") if key in schema}
        return {**described, "anyOf": [schema, _VARIABLE]}
    return {key: value if key in ("default", "examples") else _with_variables(value) for key, value in schema.items()}
