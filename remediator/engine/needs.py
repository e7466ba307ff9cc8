"""What a set of playbooks needs of the clusters that settings name: every permission, where, and for which playbook.

Pure. The one place that collects what finding, conditions and actions declare beside their code.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from remediator.actions import action_named
from remediator.actions.evidence import collect
from remediator.clients.kubernetes.certificates import list_certificates
from remediator.clients.kubernetes.events import PERMISSION as TO_TELL
from remediator.clients.kubernetes.events import namespace_for_events
from remediator.clients.kubernetes.ingresses import list_ingresses
from remediator.clients.kubernetes.tls_secrets import list_tls_secrets
from remediator.clients.permissions import Permission, Right, in_cluster
from remediator.conditions import condition_named
from remediator.engine.evidence import named
from remediator.engine.finding import permissions_to_find
from remediator.engine.named_target import AWS_KINDS, is_built, kinds_of
from remediator.playbooks.model import Condition, Playbook, Remedy, TargetSpec
from remediator.settings import CertificateSettings, Cluster


@dataclass(frozen=True, order=True, slots=True)
class Need:
    """One permission in one place."""

    cluster: str
    namespace: str
    """Empty: in all of them, or of what stands in none."""
    permission: Permission
    optional: bool
    """Only for what is told about a run, such as evidence: without it the run goes on."""
    playbooks: tuple[str, ...]
    """Empty: for the watcher of certificates."""

    @property
    def to_act(self) -> bool:
        """Is it needed only where a playbook acts, by itself or after a yes? To propose, reading is enough."""
        return self.permission.writes or self.optional

    def __str__(self) -> str:
        where = f"in {self.namespace}" if self.namespace else "in the whole cluster"
        group = f"API group {self.permission.group}; " if self.permission.group else ""
        which = f"playbook{'s' if len(self.playbooks) > 1 else ''} {', '.join(self.playbooks)}"
        which = which if self.playbooks else "the watcher of certificates"
        return (
            f"needs {self.permission.verb} on {self.permission.resource} {where} "
            f"({group}cluster {self.cluster}; for {'what is told of ' if self.optional else ''}{which})"
        )


def needs(playbooks: Iterable[Playbook], clusters: Mapping[str, Cluster]) -> tuple[Need, ...]:
    """Sorted, each place and permission once. Nothing where settings let nothing be changed."""
    found: dict[tuple[str, str, Permission, bool], set[str]] = {}
    for playbook in playbooks:
        for name, cluster in clusters.items():
            if playbook.only.admits(cluster=name):
                for namespace, permission, optional in _in_cluster(playbook, cluster):
                    found.setdefault((name, namespace, permission, optional), set()).add(playbook.name)
    return tuple(sorted(Need(*place, tuple(sorted(names))) for place, names in found.items()))


def needs_of_watcher(watched: CertificateSettings, clusters: Mapping[str, Cluster]) -> tuple[Need, ...]:
    """What looking at certificates needs, in the same namespaces. Nothing while it is switched off."""
    if not watched.watch:
        return ()
    wanted = (
        *list_certificates(),
        *(list_tls_secrets() if watched.secrets else ()),
        *(list_ingresses() if watched.ingresses else ()),
    )
    places = [(name, namespace) for name, cluster in clusters.items() for namespace in cluster.namespaces]
    return tuple(sorted(Need(*place, permission, False, ()) for place in places for permission in wanted))


def _in_cluster(playbook: Playbook, cluster: Cluster) -> Iterator[tuple[str, Permission, bool]]:
    for key, spec in playbook.target_specs.items():
        places = _places(playbook, spec, cluster)
        if not places or not is_built(spec.type):
            continue
        required = set(in_cluster(rights_of(playbook, key, spec)))
        for permission in required | _for_evidence(playbook, spec):
            if permission.runs_commands and not cluster.commands:
                continue  # the step that needs it is refused
            for place in ("",) if permission.everywhere else places:
                yield place, permission, permission not in required
        if playbook.writes and spec.type not in AWS_KINDS:
            for place in {namespace_for_events(kind, place) for kind in kinds_of(spec) for place in places}:
                yield place, TO_TELL, True


def _places(playbook: Playbook, spec: TargetSpec, cluster: Cluster) -> tuple[str, ...]:
    """Namespaces in which such a target may be changed, those of settings at most. Work on a node concerns all of them."""
    if spec.type in AWS_KINDS:
        # What is asked of the cluster about it stands where a step says, or may stand in any of them.
        said = {
            step.params["namespace"] for one in playbook.remedies for step in one.steps if "namespace" in step.params
        }
        return tuple(one for one in cluster.namespaces if not said or one in said)
    if spec.type == "node":
        return ("",) if cluster.nodes else ()
    named = spec.always("name" if spec.type == "namespace" else "namespace", playbook.vars)
    return tuple(one for one in cluster.namespaces if named in (None, one))


def rights_of(playbook: Playbook, key: str, spec: TargetSpec) -> set[Right]:
    """What finding this target, the conditions and the steps about it need, of clusters and of AWS, and no more."""
    found: set[Right] = set(permissions_to_find(spec.type, spec.workload.kind if spec.workload is not None else "any"))
    for kind in kinds_of(spec):
        for remedy in playbook.remedies:
            found |= _of_conditions(remedy, key, kind) | _of_steps(remedy, key, kind)
    return found


def _for_evidence(playbook: Playbook, spec: TargetSpec) -> set[Permission]:
    """Collected before every first change, and where the playbook names it."""
    if not (playbook.writes or playbook.evidence) or spec.type in AWS_KINDS:
        return set()
    return {one for kind in kinds_of(spec) for one in collect.permissions(kind, named(playbook))}


def _of_conditions(remedy: Remedy, key: str, kind: str) -> set[Right]:
    asked: list[Condition] = [*remedy.when, *((remedy.verify.condition,) if remedy.verify is not None else ())]
    found: set[Right] = set()
    for leaf in (leaf for condition in asked for leaf in condition.leaves()):
        if leaf.on in (None, key):
            condition = condition_named(leaf.name)
            found |= set(condition.permissions(kind, condition.params.model_validate(leaf.params)))
    return found


def _of_steps(remedy: Remedy, key: str, kind: str) -> set[Right]:
    found: set[Right] = set()
    for step in remedy.steps:
        if step.on in (None, key):
            action = action_named(step.action)
            if kind in action.target_kinds:
                found |= set(action.permissions(kind, action.params.model_validate(step.params)))
    return found
