"""The templates that a workload had: which one is present, and which one a rollback takes. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remediator.clients.kubernetes.workload import Workload
from remediator.clients.kubernetes.workload_json import template_hash, template_of

NUMBER = "deployment.kubernetes.io/revision"
CHANGE_CAUSE = "kubernetes.io/change-cause"
UNDONE = "remediator.dev/undone-template"
"""Annotation: the hash of the template that our last rollback took away, so that none ever brings it back."""
_HASH_LABEL = "pod-template-hash"


@dataclass(frozen=True, slots=True)
class Revision:
    """One ReplicaSet or ControllerRevision. Coming back to a template renumbers its revision; ``created_at`` stays."""

    name: str
    number: int
    created_at: datetime
    template: Mapping[str, Any]
    """As the workload had it."""
    template_hash: str
    annotations: Mapping[str, str]

    @property
    def images(self) -> Mapping[str, str]:
        """By container, those that run first too."""
        spec = self.template.get("spec") or {}
        return {
            str(one["name"]): str(one.get("image") or "")
            for one in (*(spec.get("initContainers") or ()), *(spec.get("containers") or ()))
        }

    @property
    def change_cause(self) -> str | None:
        return self.annotations.get(CHANGE_CAUSE)


@dataclass(frozen=True, slots=True)
class Way:
    """From the present revision back to ``to``."""

    present: Revision
    to: Revision


@dataclass(frozen=True, slots=True)
class NoWay:
    """Why there is none; ``settling`` when there may be one in a moment."""

    code: str
    why: str
    settling: bool = False


def revision_from(document: Mapping[str, Any]) -> Revision:
    """Raises KeyError, TypeError, ValueError or AttributeError for what is not as expected."""
    metadata = document["metadata"]
    annotations = metadata.get("annotations") or {}
    if "revision" in document:
        number, template = int(document["revision"]), document["data"]["spec"]["template"]
    else:
        number, template = int(annotations.get(NUMBER) or 0), document["spec"]["template"]
    kept = _as_the_workload_had_it(template)
    return Revision(
        name=str(metadata["name"]),
        number=number,
        created_at=datetime.fromisoformat(metadata["creationTimestamp"]),
        template=kept,
        template_hash=template_hash(kept),
        annotations=annotations,
    )


def present_of(workload: Workload, history: Sequence[Revision]) -> Revision | None:
    """The revision of the workload's present template; None until its controller has made it."""
    newest = max(history, key=lambda one: one.number, default=None)
    if workload.observed_generation < workload.generation or newest is None:
        return None
    return newest if newest.template_hash == workload.template_hash else None


def way_back(
    workload: Workload, history: Sequence[Revision], *, to_revision: int | None = None, same_images: bool = False
) -> Way | NoWay:
    """As ``kubectl rollout undo`` chooses: the newest but one, or the one of that number. Refuses what would not help."""
    name = f"{workload.kind} {workload.target.short}"
    present = present_of(workload, history)
    if present is None:
        return NoWay(
            "history_unsettled", f"the history of {name} does not show its present template yet", settling=True
        )
    older = sorted((one for one in history if one is not present), key=lambda one: one.number, reverse=True)
    kept = ", ".join(str(one.number) for one in older) or "none"
    if to_revision == present.number:
        return NoWay("nothing_to_change", f"revision {to_revision} is the present one of {name}")
    to = next((one for one in older if to_revision in (None, one.number)), None)
    if to is None:
        wanted = "an earlier revision" if to_revision is None else f"revision {to_revision}"
        return NoWay(
            "no_previous_revision",
            f"{name} keeps no {wanted.removeprefix('an ')} (kept: {kept}; revisionHistoryLimit may be 0): deploy the earlier "
            "release by its pipeline",
        )
    if to.template_hash == workload.annotations.get(UNDONE) or to.created_at > present.created_at:
        # A template that came back keeps its old object, so a younger one below it is what somebody went back from.
        return NoWay(
            "would_flip_flop",
            f"revision {to.number} of {name} is what the last rollback took away; to_revision can name an older one (kept: {kept})",
        )
    if not same_images and to.images == present.images:
        return NoWay(
            "same_images",
            f"revision {to.number} of {name} has the same images as the present one ({_told(present.images)}), as after a "
            "restart: name a to_revision, or say same_images: accept if the rest of the template is to go back",
        )
    return Way(present, to)


def rolled_out_at(workload: Workload, history: Sequence[Revision]) -> datetime | None:
    """Since when the template is present; None if nobody says. Of one that came back it is the last write of the template."""
    present = present_of(workload, history)
    if present is None or any(one.created_at > present.created_at for one in history):
        return workload.written_at("spec", "template")
    return present.created_at


def _as_the_workload_had_it(template: Mapping[str, Any]) -> Mapping[str, Any]:
    """Without what its controller adds: ``$patch`` of a ControllerRevision, the hash label of a ReplicaSet."""
    metadata = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != _HASH_LABEL}
    if "labels" in metadata:
        metadata["labels"] = labels
    plain = {key: value for key, value in template.items() if key != "$patch"}
    return template_of({**plain, "metadata": metadata})


def _told(images: Mapping[str, str]) -> str:
    return ", ".join(f"{name} {image}" for name, image in sorted(images.items()))
