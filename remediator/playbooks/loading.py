"""Texts of playbook files to one set of playbooks, or to every mistake in them. Pure: library.py has read the files."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from remediator import marked_yaml
from remediator.errors import ConfigError, RemediatorError
from remediator.playbooks import checks, variables
from remediator.playbooks.checks import ParamsByName
from remediator.playbooks.fields import Misplaced
from remediator.playbooks.index import PlaybookIndex
from remediator.playbooks.model import Playbook
from remediator.validation_words import near, problem

Overrides = Mapping[str, Mapping[str, Any]]
"""Playbook name to its variables, as in ``settings.vars``."""

NO_OVERRIDES: Overrides = {}


class PlaybookErrors(RemediatorError):  # noqa: N818 - it carries many errors
    """Everything that is wrong with a directory of playbooks; nothing of it was loaded."""

    def __init__(self, problems: Iterable[ConfigError]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))


@dataclass(frozen=True)
class LoadedSet:
    """A set of playbooks that hang together."""

    playbooks: tuple[Playbook, ...] = ()
    """By name."""
    index: PlaybookIndex = field(default_factory=lambda: PlaybookIndex(()))
    set_hash: str = ""
    """Of all revisions: a replica without this set decides nothing (S22)."""
    files: Mapping[str, str] = field(default_factory=dict)
    """Playbook name to its file."""
    warnings: tuple[ConfigError, ...] = ()
    fingerprint: str = ""
    """Of the files as they were read; compare with ``fingerprint_of_directory``."""

    def get(self, name: str) -> Playbook | None:
        """The playbook of this name."""
        return next((playbook for playbook in self.playbooks if playbook.name == name), None)


class Loading:
    """One pass over the texts of a directory. Use once."""

    def __init__(
        self,
        action_params: ParamsByName,
        condition_params: ParamsByName,
        drafts: bool,
        overrides: Overrides,
        previous: LoadedSet | None,
        running: str,
    ) -> None:
        self.action_params = action_params
        self.condition_params = condition_params
        self.drafts = drafts
        self.overrides = overrides
        self.previous = previous
        self.running = running
        self.problems: list[ConfigError] = []
        self.warnings: list[ConfigError] = []
        self.found: dict[str, tuple[Playbook, str, marked_yaml.MarkedDocument | None]] = {}

    def load(self, texts: Mapping[str, str | ConfigError], directory: str, fingerprint: str) -> LoadedSet:
        """Make a set of file names and their texts (or why they could not be read).

        Raises:
            PlaybookErrors: all mistakes.
        """
        for shown, text in texts.items():
            if isinstance(text, ConfigError):
                self.problems.append(text)
                continue
            try:
                documents = marked_yaml.load_all(text, shown)
            except ConfigError as error:
                self.problems.append(error)
                continue
            for document in documents:
                if document.value is not None:
                    self._take(document)
        if self.problems:
            raise PlaybookErrors(self.problems)
        playbooks = tuple(playbook for _, (playbook, _, _) in sorted(self.found.items()))
        self._warn(playbooks, directory)
        revisions = "\n".join(f"{playbook.name} {playbook.revision}" for playbook in playbooks)
        return LoadedSet(
            playbooks=playbooks,
            index=PlaybookIndex(playbooks),
            set_hash=hashlib.sha256(revisions.encode()).hexdigest()[:16],
            files={name: shown for name, (_, shown, _) in sorted(self.found.items())},
            warnings=tuple(self.warnings),
            fingerprint=fingerprint,
        )

    def _take(self, document: marked_yaml.MarkedDocument) -> None:
        if not isinstance(document.value, dict):
            self.problems.append(
                document.error((), "not a mapping", "accepted: a playbook, which begins with apiVersion:")
            )
            return
        if self._too_new(document):
            return
        variables_in_force = self._variables(document)
        value, problems = variables.resolve(
            {**document.value, "vars": variables_in_force}, _mapping(variables_in_force)
        )
        if "vars" not in document.value and not variables_in_force:
            del value["vars"]
        if problems:
            self._refuse(document, problems)
            return
        resolved = document.with_value(value)
        try:
            playbook = marked_yaml.validate(Playbook, resolved)
        except marked_yaml.InvalidDocumentError as error:
            self.problems += error.problems
            return
        self._refuse(resolved, self._objections(playbook))
        if playbook.name in self.found:
            _, other, theirs = self.found[playbook.name]
            line = theirs.line_of(("metadata", "name")) if theirs else None
            message = f"a playbook named {playbook.name!r} is already in {other}:{line}"
            self.problems.append(document.error(("metadata", "name"), message, "give one of them another name"))
            return
        self.found[playbook.name] = (playbook, document.source, document)

    def _objections(self, playbook: Playbook) -> list[Misplaced]:
        found = [
            *checks.unknown_names(playbook, self.action_params, self.condition_params),
            *checks.parameters(playbook, self.action_params, self.condition_params),
            *checks.temporary(playbook),
            *checks.own_alerts(playbook),
        ]
        if not self.drafts:
            found += checks.not_built(playbook, self.action_params, self.condition_params)
        return found

    def _refuse(self, document: marked_yaml.MarkedDocument, problems: Iterable[Misplaced]) -> None:
        self.problems += marked_yaml.problems_at(document, [problem(path, text) for path, text in problems])

    def _variables(self, document: marked_yaml.MarkedDocument) -> Any:
        metadata = document.value.get("metadata")
        name = str(metadata.get("name", "")) if isinstance(metadata, dict) else ""
        own = document.value.get("vars", {})
        overrides = self.overrides.get(name, {})
        if not isinstance(own, dict):
            return own  # the model says what is wrong with it
        for variable in overrides.keys() - own.keys():
            message = f"settings override the variable {variable!r}, which playbook {name} does not have"
            self.problems.append(document.error(("vars",), message, near(variable, sorted(own))))
        return {**own, **overrides}

    def _too_new(self, document: marked_yaml.MarkedDocument) -> bool:
        """Decided before anything else is read: a newer language may use keys that this program does not know (S38)."""
        needed = document.value.get("requires")
        if not isinstance(needed, str) or not needed.startswith(">="):
            return False
        wanted = _version(needed.removeprefix(">=").strip())
        if wanted is None or (mine := _version(self.running)) is None or mine >= wanted:
            return False
        metadata = document.value.get("metadata")
        name = metadata.get("name") if isinstance(metadata, dict) else None
        kept = self.previous.get(name) if self.previous and isinstance(name, str) else None
        done = "its last good copy stays in use" if kept else "it is left out"
        self.warnings.append(
            document.error(
                ("requires",), f"needs remediator {needed}, this is {self.running}: {done}", "update remediator"
            )
        )
        if kept is not None:
            self.found[kept.name] = (kept, document.source, document)
        return True

    def _warn(self, playbooks: tuple[Playbook, ...], directory: str) -> None:
        if not playbooks:
            self.warnings.append(ConfigError(directory, None, "there is no playbook", "no alert will be acted upon"))
        for name in sorted(self.overrides.keys() - self.found.keys()):
            self.warnings.append(ConfigError(directory, None, f"settings override vars of {name!r}, which is not here"))
        for one, two in checks.overlaps(playbooks):
            _, shown, document = self.found[two.name]
            message = (
                f"{two.name} and {one.name} ({self.found[one.name][1]}) can match one alert with equal priority "
                f"{one.priority}; when both would act, neither does (S6)"
            )
            line = document.line_of(("match",)) if document else None
            self.warnings.append(ConfigError(shown, line, message, "give one a higher priority, or narrow match"))


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _version(text: str) -> tuple[int, ...] | None:
    parts = text.split(".")[:3]
    if not all(part.isascii() and part.isdigit() for part in parts):
        return None
    return tuple(int(part) for part in parts) + (0,) * (3 - len(parts))
