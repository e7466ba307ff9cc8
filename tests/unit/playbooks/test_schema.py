import importlib
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field

from remediator.durations import Duration
from remediator.marked_yaml import load_all
from remediator.playbooks import language
from remediator.playbooks.schema import playbook_json_schema
from tests.unit.playbooks.test_shipped import PLAYBOOKS


class Inner(BaseModel):
    value: int


class ScaleParams(BaseModel):
    """Add or remove replicas."""

    model_config = ConfigDict(extra="forbid")

    by: int = Field(description="replicas to add")
    lasts: Duration | None = None
    inner: Inner | None = None


SCHEMA = playbook_json_schema({"kubernetes.scale": ScaleParams}, {})


def branches(definition: str) -> dict[str, Any]:
    return {branch["required"][0]: branch for branch in SCHEMA["$defs"][definition]["oneOf"] if "required" in branch}


def test_every_action_condition_and_evidence_is_a_single_key() -> None:
    assert set(branches("Step")) == language.ACTIONS
    assert set(branches("Condition")) == language.CONDITIONS | {"not", "any", "all"}
    assert set(branches("Evidence")) == language.EVIDENCE
    assert set(branches("Step")["wait"]["properties"]) == {"wait", "on", "for", "remembers", "restores"}
    assert not branches("Step")["wait"]["additionalProperties"]


def test_parameters_of_built_actions_are_described_and_may_be_variables() -> None:
    reference = branches("Step")["kubernetes.scale"]["properties"]["kubernetes.scale"]["$ref"]
    params = SCHEMA["$defs"][reference.removeprefix("#/$defs/").replace("%20", " ")]
    assert params["description"] == "Add or remove replicas."
    plain, variable = params["properties"]["by"]["anyOf"]
    assert plain["type"] == "integer"
    assert variable["pattern"].startswith(r"^\{\{")
    assert not params["additionalProperties"]


def references(value: Any) -> list[str]:
    if isinstance(value, dict):
        own = [value["$ref"]] if isinstance(value.get("$ref"), str) else []
        return own + [found for item in value.values() for found in references(item)]
    return [found for item in value for found in references(item)] if isinstance(value, list) else []


def test_every_reference_leads_somewhere() -> None:
    found = references(SCHEMA)
    assert found
    for reference in found:
        assert reference.removeprefix("#/$defs/").replace("%20", " ") in SCHEMA["$defs"]


def test_unknown_keys_are_refused_everywhere_in_the_model() -> None:
    for name, definition in SCHEMA["$defs"].items():
        if definition.get("type") == "object" and name != "kubernetes.scale.Inner":
            assert definition["additionalProperties"] is False, name


@pytest.mark.parametrize("path", sorted(PLAYBOOKS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_every_playbook_and_draft_validates(path: Path) -> None:
    for document in load_all(path.read_text(), str(path)):
        assert set(document.value) <= set(SCHEMA["properties"])
        steps = [step for remedy in document.value["remedies"] for step in remedy["steps"]]
        assert all(len(branches("Step").keys() & step.keys()) == 1 for step in steps)
        jsonschema = _jsonschema()
        if jsonschema is not None:
            jsonschema.Draft202012Validator(playbook_json_schema({}, {})).validate(document.value)


def _jsonschema() -> Any:
    try:
        return importlib.import_module("jsonschema")
    except ImportError:
        return None
