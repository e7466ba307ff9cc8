"""Who keeps a field in shape and would put it back (S13): GitOps tools, Helm, and operators that made the object. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from remediator.clients.kubernetes.managers import Manager


class Kept(Protocol):
    """What is asked of an object as it was read."""

    @property
    def controller(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...
    @property
    def annotations(self) -> Mapping[str, str]: ...
    @property
    def managers(self) -> Sequence[Manager]: ...


@dataclass(frozen=True, slots=True)
class _Tool:
    """``managers``: the names under which it writes."""

    name: str
    managers: tuple[str, ...]


_ARGO_CD = _Tool("Argo CD", ("argocd-controller", "argocd-application-controller"))
_FLUX = _Tool("Flux", ("kustomize-controller", "helm-controller"))
_HELM = _Tool("Helm", ("helm",))


def owners_of(thing: Kept, *field: str) -> tuple[str, ...]:
    """Who keeps the field (``"spec", "replicas"``) of this object in shape; without a field, anything of it.

    An object's controller keeps all of it. A tool that left its mark keeps the field unless managedFields show that it writes to
    this object and not this field: a chart without ``replicas`` leaves the size to others.
    """
    found = [thing.controller] if thing.controller else []
    for tool, words in _marks(thing):
        writes = [manager for manager in thing.managers if manager.name in tool.managers]
        if not field or not writes or any(manager.owns(*field) for manager in writes):
            found.append(words)
    return tuple(dict.fromkeys(found))


def _marks(thing: Kept) -> list[tuple[_Tool, str]]:
    labels, annotations = thing.labels, thing.annotations
    named = (
        (_ARGO_CD, "application", annotations.get("argocd.argoproj.io/tracking-id", "").partition(":")[0]),
        (_ARGO_CD, "application", labels.get("argocd.argoproj.io/instance", "")),
        (_FLUX, "kustomization", labels.get("kustomize.toolkit.fluxcd.io/name", "")),
        (_FLUX, "helm release", labels.get("helm.toolkit.fluxcd.io/name", "")),
        (_HELM, "release", annotations.get("meta.helm.sh/release-name", "")),
    )
    found = [(tool, f"{tool.name} {what} {name}") for tool, what, name in named if name]
    known = {tool for tool, _ in found}
    writing = {manager.name for manager in thing.managers}
    return found + [
        (tool, tool.name)
        for tool in (_ARGO_CD, _FLUX, _HELM)
        if tool not in known and not writing.isdisjoint(tool.managers)
    ]
