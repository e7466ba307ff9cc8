"""A playbook: which alerts, which target, which guards, which remedies in order, whom to tell.

The whole language (design "A playbook", S39) is here, also what this release cannot carry out yet; the library refuses
that by name outside drafts. Every other part of a playbook lives in the file named for it and is re-exported here.
"""

import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from remediator.playbooks.fields import DnsLabel, Frozen, Identifier, Misplaced, StrictBool, StrictInt, Text, relocated
from remediator.playbooks.matchers import MatcherError, MatcherSet
from remediator.playbooks.remedy import Condition, Evidence, Remedy, Step, Verify
from remediator.playbooks.rules import OUTCOMES, BlastRadius, Budget, EscalateOn, Escalation, Guards
from remediator.playbooks.target_spec import RenderedTarget, TargetSpec, TargetUndeterminedError

__all__ = [
    "API_VERSION",
    "OUTCOMES",
    "SNAPSHOT_FORMAT",
    "Autonomy",
    "BlastRadius",
    "Budget",
    "Condition",
    "EscalateOn",
    "Escalation",
    "Evidence",
    "Guards",
    "Metadata",
    "Only",
    "Playbook",
    "Remedy",
    "RenderedTarget",
    "SnapshotFormatError",
    "Step",
    "TargetSpec",
    "TargetUndeterminedError",
    "Verify",
]

API_VERSION = "remediator.dev/v1beta1"
SNAPSHOT_FORMAT = 1


class SnapshotFormatError(ValueError):
    """A stored playbook was written by a program whose format this one does not know (S22)."""


class Autonomy(StrEnum):
    """How much a playbook may do by itself, from least to most."""

    OBSERVE = "observe"
    PROPOSE = "propose"
    APPROVE = "approve"
    ACT = "act"

    @property
    def rank(self) -> int:
        """0 for ``observe`` to 3 for ``act``; the lowest of several levels is in force (S14)."""
        return list(type(self)).index(self)


class Metadata(Frozen):
    """What people need to know about a playbook."""

    name: DnsLabel
    description: str = ""
    owner: str = ""
    runbook: str = ""
    rows: tuple[StrictInt, ...] = ()
    """Rows of the runbook coverage that this playbook keeps; documentation only."""


class Only(Frozen):
    """Narrows where the playbook applies; it can never widen what the alert's source allows (S1)."""

    cluster: tuple[Text, ...] | None = Field(None, min_length=1)
    account: tuple[Text, ...] | None = Field(None, min_length=1)
    region: tuple[Text, ...] | None = Field(None, min_length=1)

    def admits(self, *, cluster: str | None = None, account: str | None = None, region: str | None = None) -> bool:
        """Is this place among those listed? A place that is not known is not admitted where one is listed."""
        pairs = ((self.cluster, cluster), (self.account, account), (self.region, region))
        return all(listed is None or place in listed for listed, place in pairs)


class Playbook(Frozen):
    """One YAML document, checked. ``match`` is empty for playbooks that only people start."""

    api_version: Literal["remediator.dev/v1beta1"] = Field(alias="apiVersion")
    kind: Literal["Playbook"]
    metadata: Metadata
    requires: Annotated[str, StringConstraints(pattern=r"^>=\s*[0-9]+(\.[0-9]+){0,2}$")] | None = None
    match: tuple[tuple[str, ...], ...] = ()
    only: Only = Only()
    target: TargetSpec | None = None
    targets: dict[Identifier, TargetSpec] = Field(default_factory=dict)
    priority: StrictInt = 0
    autonomy: Autonomy = Autonomy.PROPOSE
    approval: Literal["run", "step"] = "run"
    guards: Guards = Guards()
    vars: dict[Identifier, StrictBool | StrictInt | float | str] = Field(default_factory=dict)
    evidence: tuple[Evidence, ...] = ()
    remedies: tuple[Remedy, ...] = Field(min_length=1)
    escalate: tuple[Escalation, ...] = ()

    @field_validator("match")
    @classmethod
    def _match_is_readable(cls, sets: tuple[tuple[str, ...], ...]) -> tuple[tuple[str, ...], ...]:
        problems: list[Misplaced] = []
        for number, texts in enumerate(sets):
            before = len(problems)
            for position, text in enumerate(texts):
                try:
                    MatcherSet.parse([text])
                except MatcherError as error:
                    problems.append(((number, position), str(error)))
            if len(problems) == before and MatcherSet.parse(texts).matches_everything:
                problems.append(
                    (
                        (number,),
                        'this set matches alerts without any of its labels; add a matcher that needs one, such as alertname="X"',
                    )
                )
        if problems:
            raise relocated("match", problems)
        return sets

    @model_validator(mode="after")
    def _hangs_together(self) -> Self:
        problems: list[Misplaced] = []
        if (self.target is None) == (not self.targets):
            problems.append(((), "a playbook needs exactly one of target or targets"))
        names = [remedy.name for remedy in self.remedies]
        for number, name in enumerate(names):
            if name in names[:number]:
                problems.append(
                    (
                        ("remedies", number, "name"),
                        f"a remedy named {name!r} comes before; names are unique in a playbook",
                    )
                )
        problems += self._misdirected()
        for key, spec in self.target_specs.items():
            place = ("target",) if self.target is not None else ("targets", key)
            for missing in sorted(spec.variable_names - self.vars.keys()):
                problems.append((place, f"vars has no {missing!r}; defined: {', '.join(self.vars) or 'none'}"))
        if problems:
            raise relocated("Playbook", problems)
        return self

    def _misdirected(self) -> list[Misplaced]:
        accepted = (
            f"accepted: {', '.join(self.targets)}"
            if self.targets
            else "this playbook has a single target: leave on out"
        )
        problems: list[Misplaced] = []
        for number, remedy in enumerate(self.remedies):
            for position, step in enumerate(remedy.steps):
                place = ("remedies", number, "steps", position)
                if step.on is not None and step.on not in self.targets:
                    problems.append((place, f"no target is named {step.on!r}; {accepted}"))
                elif step.on is None and self.targets:
                    problems.append((place, f"with several targets a step says which: add on; {accepted}"))
            asked = [("when", remedy.when), ("verify", (remedy.verify.condition,) if remedy.verify else ())]
            for part, conditions in asked:
                named = {leaf.on for condition in conditions for leaf in condition.leaves() if leaf.on is not None}
                problems += [
                    (("remedies", number, part), f"no target is named {name!r}; {accepted}")
                    for name in sorted(named - self.targets.keys())
                ]
        return problems

    @property
    def name(self) -> str:
        """``metadata.name``, unique in a set."""
        return self.metadata.name

    @property
    def target_specs(self) -> Mapping[str, TargetSpec]:
        """Every target by its name; a single one is called ``target``."""
        return {"target": self.target} if self.target is not None else self.targets

    @cached_property
    def match_sets(self) -> tuple[MatcherSet, ...]:
        """``match``, read. An alert matches when any of them does."""
        return tuple(MatcherSet.parse(texts) for texts in self.match)

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Is this playbook meant for an alert with these labels? Never for a playbook without ``match``."""
        return any(matchers.matches(labels) for matchers in self.match_sets)

    @cached_property
    def alertnames(self) -> frozenset[str] | None:
        """The only names that alerts of this playbook can have; None where ``match`` leaves that open."""
        names: frozenset[str] = frozenset()
        for matchers in self.match_sets:
            listed = [one.values for one in matchers.matchers if one.name == "alertname" and one.values is not None]
            if not listed:
                return None
            names |= listed[0]
        return names

    @property
    def writes(self) -> bool:
        """Can any remedy change the world? Otherwise its run ends ``informed``."""
        return any(remedy.writes for remedy in self.remedies)

    @property
    def asks_always(self) -> tuple[str, ...]:
        """Its actions that are done only after a person's yes: the autonomy in force is never above ``approve`` with one (S14)."""
        steps = (step for remedy in self.remedies for step in remedy.steps)
        return tuple(sorted({step.action for step in steps if step.asks_always}))

    @cached_property
    def preconditions(self) -> tuple[Condition, ...]:
        """What all its remedies ask before they are taken."""
        return tuple(condition for remedy in self.remedies for condition in remedy.when)

    @cached_property
    def content_hash(self) -> str:
        """Of what earned trust: match, target and remedies. When it changes, raised autonomy is void (S14)."""
        document = self._document()
        return _hash({key: document.get(key) for key in ("match", "target", "targets", "remedies")})

    @cached_property
    def revision(self) -> str:
        """Of everything in the playbook; runs and decisions carry it."""
        return _hash(self._document())

    def to_snapshot(self) -> dict[str, Any]:
        """JSON for the store, from which ``from_snapshot`` makes an equal playbook (S22)."""
        return {"format": SNAPSHOT_FORMAT, "playbook": self._document()}

    @classmethod
    def from_snapshot(cls, snapshot: Mapping[str, Any]) -> Self:
        """Read back a snapshot.

        Raises:
            SnapshotFormatError: written in a format that this program does not know.
        """
        if snapshot.get("format") != SNAPSHOT_FORMAT:
            raise SnapshotFormatError(
                f"playbook snapshot has format {snapshot.get('format')!r}; this program reads {SNAPSHOT_FORMAT}"
            )
        return cls.model_validate(snapshot["playbook"])

    def _document(self) -> dict[str, Any]:
        # Without None, so that a key added to the language later does not change the hash of those who do not use it.
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def _hash(document: Mapping[str, Any]) -> str:
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]
