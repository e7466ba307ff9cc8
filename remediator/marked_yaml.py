"""YAML that remembers where everything stands, so that every mistake can be told with file and line.

YAML 1.2's plain types only: ``true`` and ``false`` are the booleans (``on`` and ``yes`` are text), dates stay text, and a number
with a leading zero stays text (account numbers have them). Duplicate keys, keys that are no text, tags, and documents that are
too deep or too large, also by way of aliases, are refused.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Self, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from remediator.errors import ConfigError
from remediator.validation_words import Problem, explain

MAX_CHARACTERS = 512 * 1024
MAX_NODES = 20_000
MAX_DEPTH = 40

Path = tuple[str | int, ...]
_Model = TypeVar("_Model", bound=BaseModel)
_STR, _INT, _FLOAT, _BOOL, _NULL = (f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "null"))


class InvalidDocumentError(ConfigError):
    """Everything that is wrong with one document, each with its own place in ``problems``."""

    def __init__(self, problems: tuple[ConfigError, ...]) -> None:
        first = problems[0]
        super().__init__(first.path, first.line, first.message, first.remedy)
        self.problems = problems

    def __str__(self) -> str:
        return "\n".join(map(str, self.problems))


@dataclass(frozen=True, slots=True)
class MarkedDocument:
    """One YAML document as plain Python (dict, list, str, int, float, bool, None), and the line of each part of it."""

    value: Any
    source: str
    lines: Mapping[Path, int]
    elsewhere: Mapping[Path, str] = field(default_factory=dict)

    def line_of(self, path: Path) -> int | None:
        """The line, from 1, of the part at ``path`` or of the nearest part around it that is written. None: written nowhere."""
        return next((self.lines[path[:end]] for end in range(len(path), -1, -1) if path[:end] in self.lines), None)

    def with_value(self, value: Any, elsewhere: Mapping[Path, str] | None = None) -> Self:
        """The same places with a value that was changed since; ``elsewhere`` names what gave the parts that are not the file's."""
        return replace(self, value=value, elsewhere=elsewhere or {})

    def error(self, path: Path, message: str, remedy: str = "") -> ConfigError:
        """An error at ``path``."""
        shown = written_path(path)
        told = f"{shown}: {message}" if shown else message
        for end in range(len(path), 0, -1):
            if (place := self.elsewhere.get(path[:end])) is not None:
                return ConfigError(place, None, told, remedy)
        return ConfigError(self.source, self.line_of(path), told, remedy)


def load(text: str, source: str) -> MarkedDocument:
    """Read a file of one document; an empty one has the value None.

    Raises:
        ConfigError: not such YAML, or more than one document.
    """
    documents = load_all(text, source)
    if len(documents) > 1:
        raise ConfigError(
            source, documents[1].line_of(()), "a second document begins", "accepted: one document, no ---"
        )
    return documents[0] if documents else MarkedDocument(None, source, {})


def load_all(text: str, source: str) -> tuple[MarkedDocument, ...]:
    """Read a file of documents separated by ``---``.

    Raises:
        ConfigError: not such YAML; names the line.
    """
    if len(text) > MAX_CHARACTERS:
        raise ConfigError(source, None, f"the file has {len(text)} characters", f"accepted: at most {MAX_CHARACTERS}")
    try:
        loader = _Loader(text)
        try:
            found = []
            while loader.check_node() and (node := loader.get_node()) is not None:
                builder = _Builder(source)
                found.append(MarkedDocument(builder.build(node, (), 0), source, builder.lines))
            return tuple(found)
        finally:
            loader.dispose()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise ConfigError(
            source, line, f"not valid YAML: {error.problem or error.context}", _yaml_remedy(error)
        ) from None
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1 if isinstance(error.position, int) else None
        raise ConfigError(
            source,
            line,
            f"not valid YAML: a character that is not allowed ({error.reason})",
            "accepted: printable UTF-8",
        ) from None


def validate(model: type[_Model], document: MarkedDocument) -> _Model:
    """Make a model of the document.

    Raises:
        InvalidDocumentError: every mistake with its place and what is accepted there. Values are never repeated in it.
    """
    try:
        return model.model_validate(document.value)
    except ValidationError as error:
        raise InvalidDocumentError(tuple(problems_at(document, explain(error, model, document.value)))) from None


def problems_at(document: MarkedDocument, problems: list[Problem]) -> Iterator[ConfigError]:
    """Problems found by pydantic as errors with file and line."""
    for problem in problems:
        yield document.error(problem.path, problem.message, problem.remedy)


def written_path(path: Path) -> str:
    """``remedies[0].steps[1]``."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _yaml_remedy(error: yaml.MarkedYAMLError) -> str:
    text = str(error.problem or "")
    if "\\t" in text:
        return "indent with spaces, not tabs"
    if "mapping values are not allowed" in text or "expected ',' or" in text or "could not find expected ':'" in text:
        return 'quote values that hold ": ", braces or quotes, as in query: \'up{job="a"}\''
    return "see the line and the one before it"


class _Loader(yaml.SafeLoader):
    """Composes nodes; never constructs Python objects."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.MarkedYAMLError(problem=f"nested deeper than {MAX_DEPTH}", problem_mark=mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self._depth -= 1


_Loader.yaml_implicit_resolvers = {}
for _tag, _pattern, _first in (
    (_BOOL, r"true|True|TRUE|false|False|FALSE", "tTfF"),
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (_INT, r"[-+]?(?:0|[1-9][0-9]{0,17})", "-+0123456789"),
    (_FLOAT, r"[-+]?(?:0|[1-9][0-9]*)?(?:\.[0-9]+(?:[eE][-+]?[0-9]{1,3})?|\.?[eE][-+]?[0-9]{1,3})", "-+.0123456789"),
):
    _Loader.add_implicit_resolver(_tag, re.compile(rf"^(?:{_pattern})$", re.ASCII), list(_first))


class _Builder:
    """Makes plain Python of nodes and notes their lines; an alias counts as often as it is used."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.lines: dict[Path, int] = {}
        self.count = 0

    def build(self, node: yaml.Node, path: Path, depth: int) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        self.count += 1
        if self.count > MAX_NODES:
            raise ConfigError(
                self.source, line, "the document is too large", f"accepted: {MAX_NODES} values, aliases counted"
            )
        if depth > MAX_DEPTH:
            raise ConfigError(self.source, line, "an alias leads too deep", f"accepted: {MAX_DEPTH} levels")
        if isinstance(node, yaml.MappingNode) and node.tag == "tag:yaml.org,2002:map":
            return {key: self.build(value, (*path, key), depth + 1) for key, value in self._entries(node, path)}
        if isinstance(node, yaml.SequenceNode) and node.tag == "tag:yaml.org,2002:seq":
            return [self.build(item, (*path, position), depth + 1) for position, item in enumerate(node.value)]
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        raise self._tag(node)

    def _entries(self, node: yaml.MappingNode, path: Path) -> Iterator[tuple[str, yaml.Node]]:
        seen: dict[str, int] = {}
        for key_node, value in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode) or key_node.tag != _STR:
                shown = f" {key_node.value!r}" if isinstance(key_node, yaml.ScalarNode) else ""
                raise ConfigError(self.source, line, f"the key{shown} is not text", "quote it")
            key = self._text(key_node)
            if key in seen:
                raise ConfigError(
                    self.source, line, f"the key {key!r} was already given in line {seen[key]}", "keep one of them"
                )
            seen[key] = line
            self.lines[(*path, key)] = line
            yield key, value

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        text = self._text(node)
        try:
            match node.tag:
                case "tag:yaml.org,2002:str":
                    return text
                case "tag:yaml.org,2002:int":
                    return int(text)
                case "tag:yaml.org,2002:float":
                    return float(text)
                case "tag:yaml.org,2002:bool":
                    return text.lower() == "true"
                case "tag:yaml.org,2002:null":
                    return None
        except ValueError:
            pass  # an explicit tag on a text that it does not fit
        raise self._tag(node)

    def _text(self, node: yaml.ScalarNode) -> str:
        text: str = node.value
        if not any("\ud800" <= char <= "\udfff" for char in text):
            return text
        try:  # JSON writes characters beyond \uFFFF as two escapes, which PyYAML leaves apart
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError:
            raise ConfigError(
                self.source, node.start_mark.line + 1, "half of a surrogate pair", "accepted: whole characters"
            ) from None

    def _tag(self, node: yaml.Node) -> ConfigError:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        return ConfigError(self.source, node.start_mark.line + 1, f"the tag {tag} is not allowed", "leave the tag out")
