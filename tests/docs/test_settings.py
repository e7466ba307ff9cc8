"""Settings: the example file has every key with its comment, tells defaults truly, and loads."""

import re
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from remediator.durations import parse_duration
from remediator.settings import Settings, load_settings
from tests.docs.markdown import ROOT

EXAMPLE = ROOT / "deploy" / "remediator.yaml"
SECRETS = "/etc/remediator/secrets"
LINES = EXAMPLE.read_text().splitlines()


def keys_of(model: type[BaseModel], seen: set[type[BaseModel]], prefix: str = "") -> Iterator[tuple[str, FieldInfo]]:
    """Every key as a path of names, ``*`` for a name or place of the operator's own; of a model used twice, at its first place."""
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        yield path, field
        for inner, stars in models_in(field.annotation):
            if inner not in seen:
                seen.add(inner)
                yield from keys_of(inner, seen, f"{path}.{'*.' * stars}")


def models_in(annotation: Any, stars: int = 0) -> Iterator[tuple[type[BaseModel], int]]:
    """Models inside a type, and how many levels of mapping or list lie above them."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, stars
        return
    origin = typing.get_origin(annotation)
    deeper = 0 if origin in (typing.Union, types.UnionType, typing.Annotated) else 1
    for argument in typing.get_args(annotation):
        yield from models_in(argument, stars + deeper)


KEYS = dict(keys_of(Settings, set()))


def documented() -> Iterator[tuple[str, int, Any, bool]]:
    """Every key of the example file: path, line, value, and whether it is in force (not behind a hash)."""
    opened = [re.sub(r"^(\s*)#(\w+:)", r"\1\2", line) for line in LINES]
    hidden = {number for number, line in enumerate(opened) if line != LINES[number]}
    root = yaml.compose("\n".join(opened))

    def walk(node: yaml.Node | None, path: str) -> Iterator[tuple[str, int, Any, bool]]:
        if isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                here = f"{path}{key.value}" if f"{path}{key.value}" in KEYS else f"{path}*"
                if here in KEYS:
                    loaded = yaml.safe_load(yaml.serialize(value))
                    yield here, key.start_mark.line, loaded, key.start_mark.line not in hidden
                yield from walk(value, f"{here}.")
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                yield from walk(value, f"{path}*.")

    yield from walk(root, "")


DOCUMENTED = list(documented())


@pytest.fixture
def loaded(tmp_path: Path) -> Settings:
    text = EXAMPLE.read_text().replace(SECRETS, str(tmp_path))
    for number, name in enumerate(sorted(set(re.findall(rf"{SECRETS}/([\w-]+)", EXAMPLE.read_text())))):
        (tmp_path / name).write_text(f"{number:032d}\n")
    path = tmp_path / "remediator.yaml"
    path.write_text(text)
    return load_settings(path, {})


def test_the_example_loads(loaded: Settings) -> None:
    assert loaded.mode == "dry-run"
    assert set(loaded.sources) == {"production", "staging"}


def test_every_key_of_the_model_is_in_the_example_and_no_other() -> None:
    assert {path for path, *_ in DOCUMENTED} == set(KEYS)


@pytest.mark.parametrize("path", sorted(KEYS))
def test_every_key_has_a_comment_where_it_is_first_named(path: str) -> None:
    line = min(line for found, line, *_ in DOCUMENTED if found == path)
    above = line > 0 and LINES[line - 1].lstrip().startswith("# ")
    beside = " # " in LINES[line]
    hidden = LINES[line].lstrip().startswith("#")
    only_a_heading = any(True for _ in models_in(KEYS[path].annotation)) and KEYS[path].default_factory is not None
    assert above or beside or hidden or only_a_heading, f"{path}: line {line + 1} has no comment"


@pytest.mark.parametrize(("path", "line", "value"), [(p, n, v) for p, n, v, in_force in DOCUMENTED if in_force])
def test_a_value_is_the_default_or_a_comment_says_the_default(path: str, line: int, value: Any) -> None:
    field = KEYS[path]
    if field.is_required() or (isinstance(value, Mapping | list) and any(True for _ in models_in(field.annotation))):
        return
    if "*" in path and field.default in (None, ()):  # an entry of the operator's own
        return
    told = said(line)
    default = field.get_default(call_default_factory=True)
    if told is not None:
        assert (told == "none" and default in (None, (), {}, "")) or told == str(plain(default)), (
            f"{path}: default: {told}"
        )
    else:
        assert as_default(value, default) == plain(default), f"{path}: the default is {plain(default)}"


def said(line: int) -> str | None:
    """What the comments right above a line say about the default."""
    above = line - 1
    while above >= 0 and LINES[above].lstrip().startswith("#"):
        if found := re.search(r"# default: (.+)$", LINES[above]):
            return found[1]
        above -= 1
    return None


def plain(default: Any) -> Any:
    """The default as YAML would give it."""
    match default:
        case Mapping():
            return {key: plain(one) for key, one in default.items()}
        case tuple():
            return list(default)
        case Path():
            return str(default)
        case _:
            return default


def as_default(value: Any, default: Any) -> Any:
    """The file's value in the default's type."""
    if isinstance(default, timedelta):
        return parse_duration(value)
    if isinstance(default, Mapping):
        return {key: as_default(one, next(iter(default.values()), None)) for key, one in value.items()}
    return value
