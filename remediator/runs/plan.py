"""A plan: what one step would change, exactly, and what it depends on.

Made by an action's reads alone, shown to people, hashed into approvals, stored in the journal. ``apply`` does what the plan
says or raises; it never decides anew.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any, Self

from remediator.targets import Target


class Fidelity(StrEnum):
    """How much a dry-run of this plan proves."""

    SERVER = "server"
    """The real API validated the very call."""
    SIMULATED = "simulated"
    """The difference was computed from real reads."""
    RECORDED = "recorded"
    """The call could only be written down."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request that apply would send, in the words of its API."""

    verb: str
    resource: str
    """Path of the thing, for instance ``apis/apps/v1/namespaces/shop/deployments/checkout``."""
    body: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.verb} {self.resource} {json.dumps(self.body, sort_keys=True)}"


@dataclass(frozen=True, slots=True)
class Change:
    """One field, before and after. ``before`` is what the reads showed."""

    field: str
    before: Any
    after: Any

    def __str__(self) -> str:
        return f"{self.field}: {self.before!r} -> {self.after!r}"


@dataclass(frozen=True, slots=True)
class Plan:
    """One step's plan. Values are JSON (str, int, float, bool, None, list, dict), so that a plan survives the store unchanged."""

    action: str
    version: int
    """The action's format; only a program that knows it may carry the plan out (S22)."""
    target: Target
    uid: str
    depends_on: Mapping[str, Any]
    """What apply compares before it writes, and what an approval is bound to (S16). ``uid`` is always part of it."""
    changes: tuple[Change, ...]
    calls: tuple[Call, ...]
    fidelity: Fidelity
    summary: str
    """One line for people."""
    params: Mapping[str, Any] = field(default_factory=dict)
    memory: Mapping[str, Any] = field(default_factory=dict)
    """What verify and undo need to know of the world before the change."""
    owners: tuple[str, ...] = ()
    """Who keeps what this changes in shape and would put it back (S13). Empty for a change that is not meant to last."""
    moves: tuple[str, ...] = ()
    """What beside its target it takes pods from, as ``<namespace>/<name>`` of workloads: own ground among them denies it (S12)."""

    @property
    def approval_hash(self) -> str:
        """What a yes is bound to: the action, the target, what it depends on and what it changes to. Not the summary."""
        bound = {
            "action": self.action,
            "target": str(self.target),
            "uid": self.uid,
            "depends_on": dict(self.depends_on),
            "changes": [[change.field, change.before, change.after] for change in self.changes],
            "params": dict(self.params),
        }
        return hashlib.sha256(json.dumps(bound, sort_keys=True).encode()).hexdigest()[:16]

    def to_json(self) -> dict[str, Any]:
        """For the store; ``from_json`` gives an equal plan."""
        document = asdict(self)
        document["target"] = str(self.target)
        document["fidelity"] = self.fidelity.value
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """Read back what ``to_json`` made."""
        return cls(
            action=document["action"],
            version=document["version"],
            target=Target.parse(document["target"]),
            uid=document["uid"],
            depends_on=document["depends_on"],
            changes=tuple(Change(**change) for change in document["changes"]),
            calls=tuple(Call(**call) for call in document["calls"]),
            fidelity=Fidelity(document["fidelity"]),
            summary=document["summary"],
            params=document["params"],
            memory=document["memory"],
            owners=tuple(document.get("owners", ())),
            moves=tuple(document.get("moves", ())),
        )


def plans_hash(plans: tuple[Plan, ...]) -> str:
    """One hash for all steps of a remedy: what ``approve`` names."""
    return hashlib.sha256(":".join(plan.approval_hash for plan in plans).encode()).hexdigest()[:16]
