"""What evidence is: text for people, read from one target's surroundings, redacted and cut before anybody keeps it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from remediator.actions.base import ActionParams
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.pod_state import PodState
from remediator.clients.kubernetes.pod_states import WITHOUT_PODS as WITHOUT_PODS
from remediator.clients.permissions import Permission
from remediator.errors import RemediatorError
from remediator.redaction import redacted
from remediator.targets import Target


@dataclass(frozen=True, slots=True)
class Scene:
    """Where a kind of evidence looks."""

    kubernetes: KubernetesClient
    target: Target
    pods: tuple[PodState, ...]
    """Of the target, those that are sick first."""
    unread: str = ""
    """Why the pods could not be read."""

    @property
    def without_pods(self) -> str:
        """What to say where there is no pod to look at."""
        return self.unread or f"{self.target.kind} {self.target.short} has no pods"


@dataclass(frozen=True, slots=True)
class Piece:
    """One kind's text, fit to be kept and shown."""

    kind: str
    text: str
    read: bool = True
    """False: the text says why there is nothing."""

    def to_json(self) -> dict[str, Any]:
        """As an incident keeps it."""
        return {"kind": self.kind, "text": self.text, "read": self.read}


class Evidence(Protocol):
    """One kind. Instances hold no state."""

    name: ClassVar[str]
    params: ClassVar[type[ActionParams]]
    """All have defaults: what a playbook does not name is collected with them."""

    def applies(self, kind: str) -> bool:
        """Is there something to look at for a target of this kind?"""
        ...

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        """What ``read`` asks for such a target, beside what finding its pods needs."""
        ...

    async def read(self, scene: Scene, params: Any) -> str:
        """Look once. The text is as the cluster gave it, not longer than a few hundred KB.

        Raises:
            RemediatorError: nothing could be read. What is missing in part stands in the text.
        """
        ...

    def fit(self, text: str) -> str:
        """The text redacted, and cut where this kind says least."""
        ...


def in_part(found: Sequence[str | BaseException]) -> list[str]:
    """What was read of several things, and once why the rest was not.

    Raises:
        RemediatorError: nothing was read at all.
    """
    failed = [one for one in found if isinstance(one, BaseException)]
    foreign = [one for one in failed if not isinstance(one, RemediatorError)]
    if foreign or len(failed) == len(found):
        raise (foreign or failed)[0]
    told = [one for one in found if isinstance(one, str) and one]
    return [*told, f"{len(failed)} of {len(found)} could not be read: {redacted(str(failed[0]))}"] if failed else told


def as_evidence(pieces: tuple[Piece, ...]) -> Mapping[str, Any]:
    """Under the one key by which timelines and steps are known to carry evidence."""
    return {"evidence": [piece.to_json() for piece in pieces]}
