"""What a set of playbooks needs of the clusters that settings name: every permission, where, and for which playbook.

Pure. The one place that collects what finding, conditions and actions declare beside their code.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from remediator.actions import action_named
from remediator.actions.evidence.collect import permissions as permissions_for_evidence
from remediator.clients.permissions import Permission
from remediator.conditions import condition_named
from remediator.engine.evidence import named
from remediator.engine.finding import permissions_to_find
from remediator.engine.named_target import NamedTarget, is_built
from remediator.playbooks.model import Condition, Playbook, Remedy, TargetSpec
from remediator.settings import Cluster


@dataclass(frozen=True, order=True, slots=True)
class Need:
    """One permission in one place."""

    cluster: str
    namespace: str
    """Empty: in all of them, or of what stands in none."""
    permission: Permission
    playbooks: tuple[str, ...]

    def __str__(self) -> str:
        where = f"in {self.namespace}" if self.namespace else "in the whole cluster"
        group = f"API group {self.permission.group}; " if self.permission.group else ""
        which = f"playbook{'s' if len(self.playbooks) > 1 else ''} {', '.join(self.playbooks)}"
        return (
            f"needs {self.permission.verb} on {self.permission.resource} {where} "
            f"({group}cluster {self.cluster}; for {which})"
        )


def needs(
    playbooks: Iterable[Playbook], clusters: Mapping[str, Cluster], *, evidence: bool = False
) -> tuple[Need, ...]:
    """Sorted, each place and permission once. Nothing where settings let nothing be changed.

    ``evidence``: also what is collected before a change, which is granted with the rest and whose want keeps no run from acting.
    """
    found: dict[tuple[str, str, Permission], set[str]] = {}
    for playbook in playbooks:
        for name, cluster in clusters.items():
            if playbook.only.admits(cluster=name):
                for namespace, permission in _in_cluster(playbook, cluster, evidence=evidence):
                    found.setdefault((name, namespace, permission), set()).add(playbook.name)
    return tuple(sorted(Need(*place, tuple(sorted(names))) for place, names in found.items()))


def _in_cluster(playbook: Playbook, cluster: Cluster, *, evidence: bool) -> Iterator[tuple[str, Permission]]:
    for key, spec in playbook.target_specs.items():
        places = _places(playbook, spec, cluster)
        if places:
            for permission in _for_target(playbook, key, spec, evidence=evidence):
                for place in ("",) if permission.everywhere else places:
                    yield place, permission


def _places(playbook: Playbook, spec: TargetSpec, cluster: Cluster) -> tuple[str, ...]:
    """Namespaces in which such a target may be changed, those of settings at most. Work on a node concerns all of them."""
    if spec.type == "node":
        return ("",) if cluster.nodes else ()
    named = spec.always("name" if spec.type == "namespace" else "namespace", playbook.vars)
    return tuple(one for one in cluster.namespaces if named in (None, one))


def _for_target(playbook: Playbook, key: str, spec: TargetSpec, *, evidence: bool) -> set[Permission]:
    if not is_built(spec.type):
        return set()
    chosen = spec.workload.kind if spec.workload is not None else "any"
    found = set(permissions_to_find(spec.type, chosen))
    for kind in NamedTarget("", spec.type, {}, chosen).kinds:
        if evidence and (playbook.writes or playbook.evidence):
            found |= set(permissions_for_evidence(kind, named(playbook)))
        for remedy in playbook.remedies:
            found |= _of_conditions(remedy, key, kind) | _of_steps(remedy, key, kind)
    return found


def _of_conditions(remedy: Remedy, key: str, kind: str) -> set[Permission]:
    asked: list[Condition] = [*remedy.when, *((remedy.verify.condition,) if remedy.verify is not None else ())]
    found: set[Permission] = set()
    for leaf in (leaf for condition in asked for leaf in condition.leaves()):
        if leaf.on in (None, key):
            condition = condition_named(leaf.name)
            found |= set(condition.permissions(kind, condition.params.model_validate(leaf.params)))
    return found


def _of_steps(remedy: Remedy, key: str, kind: str) -> set[Permission]:
    found: set[Permission] = set()
    for step in remedy.steps:
        if step.on in (None, key):
            action = action_named(step.action)
            if kind in action.target_kinds:
                found |= set(action.permissions(kind, action.params.model_validate(step.params)))
    return found
