"""What an alert names, before any cluster or account is asked: the place, the kind, the filled and checked fields."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from remediator.decision.facts import Problem
from remediator.playbooks.model import Playbook, TargetSpec, TargetUndeterminedError
from remediator.targets import WORKLOAD_KINDS, InvalidTargetError, Target

KINDS = {
    "pod": "pod",
    "node": "node",
    "namespace": "namespace",
    "persistent_volume_claim": "persistentvolumeclaim",
    "cronjob": "cronjob",
    "horizontal_pod_autoscaler": "horizontalpodautoscaler",
    "postgres_cluster": "postgrescluster",
    "certificate": "certificate",
}
"""Of the playbook's words for a target, those that name the thing itself: the word that targets use."""

AWS_KINDS = {
    "rds_instance": "rds-instance",
    "rds_cluster": "rds-cluster",
    "rds_global_cluster": "rds-global-cluster",
    "elasticache": "elasticache-group",
    "asg": "asg",
    "nodegroup": "eks-nodegroup",
    "ecs_service": "ecs-service",
    "ec2_instance": "ec2-instance",
    "load_balancer": "load-balancer",
    "route53_record": "route53-record",
    "waf_address": "waf-address",
    "acm_certificate": "acm-certificate",
}
"""Of those at AWS."""

_POD_SUFFIX = {
    # Kubernetes makes these parts of names without vowels and without 0, 1 and 3, so that they form no words.
    "deployment": r"-[bcdfghjklmnpqrstvwxz2456789]{1,10}-[bcdfghjklmnpqrstvwxz2456789]{5}",
    "statefulset": r"-[0-9]+",
    "daemonset": r"-[bcdfghjklmnpqrstvwxz2456789]{5}",
}


_CERTIFICATE_ARN = re.compile(r"arn:[a-z-]+:acm:(?P<region>[^:]+):(?P<account>\d{12}):certificate/(?P<id>[^/]+)")

_NEEDS_NO_ESCAPE = re.compile(r"[-.a-z0-9]+")


def is_built(type_: str) -> bool:
    """Can this release find a target of this type (its key in the playbook)?"""
    return type_ in KINDS or type_ in AWS_KINDS or type_ in ("workload", "workload_of_pod")


@dataclass(frozen=True, slots=True)
class NamedTarget:
    """One alert and one playbook's target. Nothing is known yet of whether it exists."""

    place: str
    """The cluster, or ``<account>/<region>``."""
    type: str
    """The key in the playbook, such as ``workload_of_pod``."""
    fields: Mapping[str, str]
    workload_kind: str = "any"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of target that it may lead to."""
        if self.type in ("workload", "workload_of_pod"):
            return WORKLOAD_KINDS if self.workload_kind == "any" else (self.workload_kind,)
        return (AWS_KINDS.get(self.type) or KINDS[self.type],)

    @property
    def at_aws(self) -> bool:
        return self.type in AWS_KINDS

    @property
    def name(self) -> str:
        """At AWS as targets have it: a record with its type, a certificate without the ARN around it."""
        if self.type == "route53_record":
            return f"{self.fields['name'].rstrip('.')}:{self.fields['type']}"
        if self.type == "waf_address":
            return self.fields["address"]
        name = self.fields["pod"] if "pod" in self.fields else self.fields["name"]
        if self.type == "acm_certificate" and (arn := _CERTIFICATE_ARN.fullmatch(name)) is not None:
            # That of another place keeps its slash, and so is no name of a target here.
            return arn["id"] if f"{arn['account']}/{arn['region']}" == self.place else name
        return name

    @property
    def within(self) -> str:
        """At AWS: the cluster, the zone, or the set of addresses."""
        if self.type == "waf_address":
            return f"{self.fields['scope']}:{self.fields['ip_set']}"
        return self.fields.get("cluster", self.fields.get("zone", "")).rstrip(".")

    @property
    def namespace(self) -> str:
        return self.fields.get("namespace", "")

    def __str__(self) -> str:
        """For people, before it was looked up."""
        if self.at_aws:
            return f"aws/{self.place}/{self.kinds[0]}/{f'{self.within}/' if self.within else ''}{self.name}"
        kind = (
            "pod"
            if self.type == "workload_of_pod"
            else self.workload_kind
            if self.type == "workload"
            else self.kinds[0]
        )
        within = f"{self.namespace}/" if self.namespace else ""
        return f"kubernetes/{self.place}/{within}{kind}/{self.name}"

    def sketch(self) -> Target | Problem:
        """A target that stands in the same place, for guards that look at the place only."""
        kind = "pod" if self.type == "workload_of_pod" else self.kinds[0]
        try:
            if self.at_aws:
                account, _, region = self.place.partition("/")
                return Target.aws(account, region, kind, self.name, self.within)
            return Target.kubernetes(self.place, self.namespace, kind, self.name)
        except InvalidTargetError as error:
            return Problem("target_undetermined", str(error))

    def could_be(self, target: Target) -> bool:
        """Could it lead to this target? Without asking the cluster, so that alerts of pods that are long gone can be judged too."""
        if self.at_aws:
            return self.sketch() == target
        if self.place != target.place or target.kind not in self.kinds:
            return False
        if self.type == "workload_of_pod":
            pattern = re.escape(target.name) + _POD_SUFFIX[target.kind]
            return self.namespace == target.namespace and re.fullmatch(pattern, self.name) is not None
        within = target.namespace if self.namespace else ""
        return (self.namespace, self.name) == (within, target.name)


def kinds_of(spec: TargetSpec) -> tuple[str, ...]:
    """Kinds of target that such a target of a playbook may lead to."""
    return NamedTarget("", spec.type, {}, spec.workload.kind if spec.workload is not None else "any").kinds


def traces(playbook: Playbook, target: Target) -> tuple[str, ...]:
    """Texts that stand in the stored labels of every alert that could name this target (``names_and_values``), so that the store
    can be asked for few. Others may have them too: ``could_be`` decides."""
    spec = playbook.target
    if spec is None:
        return ()
    if target.provider == "aws":
        # AWS tells no case apart in some names and alerts may write any, so nothing stands in every such alert's labels.
        return ()
    whole = {"namespace": target.namespace, "name": target.name, "pod": target.name}
    found = []
    for field in sorted(spec.copied & whole.keys()):
        begins = field == "pod" and spec.type == "workload_of_pod"
        if _NEEDS_NO_ESCAPE.fullmatch(whole[field]):
            found.append(f'"{whole[field]}-' if begins else f'"{whole[field]}"')
    return tuple(found)


def at_aws(playbook: Playbook) -> bool:
    """Is what the playbook is about at AWS?"""
    return playbook.target is not None and playbook.target.type in AWS_KINDS


def named_target(playbook: Playbook, place: str, labels: Mapping[str, str]) -> NamedTarget | Problem:
    """What the playbook's target is for an alert with these labels."""
    spec = playbook.target
    if spec is None or not is_built(spec.type):
        return Problem("target_not_built", "this release only acts on single targets")
    if (exporter := _exporters_own(spec.label_names, labels)) is not None:
        return exporter
    try:
        rendered = spec.render(labels, playbook.vars)
    except TargetUndeterminedError as error:
        return Problem("target_undetermined", str(error))
    kind = spec.workload.kind if spec.workload is not None else "any"
    return NamedTarget(place, rendered.type, rendered.fields, kind)


def _exporters_own(used: frozenset[str], labels: Mapping[str, str]) -> Problem | None:
    """An alert with ``exported_pod`` says in ``pod`` which exporter saw it: that must never be acted on."""
    for name in sorted(used):
        exported = f"exported_{name}"
        if labels.get(exported) and exported not in used:
            text = (
                f"the alert has {exported}, so its label {name} names the exporter that saw it, not the sick object; "
                f'the playbook must say label("{exported}", "{name}")'
            )
            return Problem("exporters_labels", text)
    return None
