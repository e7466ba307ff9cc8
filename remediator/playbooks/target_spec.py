"""Which thing a playbook is about, as templates over the alert's labels.

The place (cluster, account, region) is never here: the alert's source fixes it (S1). Filling a target checks every name,
because labels are hostile.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal, NoReturn, Self

from pydantic import model_validator
from pydantic_core import PydanticCustomError

from remediator.playbooks.fields import Frozen, TemplateText
from remediator.playbooks.template import Template, TemplateError

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_IP_SET = re.compile(r"[-_A-Za-z0-9]{1,128}")
_FOREIGN = re.compile(r"[A-Za-z0-9_*]([-._:/A-Za-z0-9 ]{0,253}[A-Za-z0-9.])?")
_LABEL_KINDS = frozenset({"namespace"})


_template = lru_cache(maxsize=4096)(Template.parse)
"""Texts come from playbooks only, so that no alert can fill the cache."""


class TargetUndeterminedError(ValueError):
    """The alert does not say which target is meant, or says it in a name that cannot exist. Means: do not act."""


class Workload(Frozen):
    """A Deployment, StatefulSet or DaemonSet. ``any`` takes the one of this name; several of one name are a denial."""

    kind: Literal["deployment", "statefulset", "daemonset", "any"] = "any"
    namespace: TemplateText
    name: TemplateText


class PodRef(Frozen):
    """A pod by its name."""

    namespace: TemplateText
    pod: TemplateText


class Namespaced(Frozen):
    """A namespaced object by its name."""

    namespace: TemplateText
    name: TemplateText


class Named(Frozen):
    """A thing whose name alone says which one it is within its place."""

    name: TemplateText


class EksNodegroup(Frozen):
    """A managed node group of an EKS cluster in the source's account and region; ``cluster`` is EKS's name of it."""

    cluster: TemplateText
    name: TemplateText


class EcsService(Frozen):
    """A service of an ECS cluster."""

    cluster: TemplateText
    name: TemplateText


class DnsRecord(Frozen):
    """A record of a Route 53 hosted zone."""

    zone: TemplateText
    name: TemplateText
    type: Literal["A", "AAAA", "CNAME"] = "A"
    """An alias record is of the type that it answers with."""


class WafAddress(Frozen):
    """One address, within an address set of AWS WAF. Each is a target of its own, so that each can be blocked for its own time."""

    ip_set: TemplateText
    address: TemplateText
    scope: Literal["regional", "cloudfront"] = "regional"


@dataclass(frozen=True, slots=True)
class RenderedTarget:
    """A target, filled and checked. ``type`` is its key in the YAML, such as ``workload``."""

    type: str
    fields: Mapping[str, str]


class TargetSpec(Frozen):
    """Exactly one kind of target."""

    workload: Workload | None = None
    workload_of_pod: PodRef | None = None
    pod: PodRef | None = None
    node: Named | None = None
    namespace: Named | None = None
    persistent_volume_claim: Namespaced | None = None
    cronjob: Namespaced | None = None
    horizontal_pod_autoscaler: Namespaced | None = None
    certificate: Namespaced | None = None
    postgres_cluster: Namespaced | None = None
    rds_instance: Named | None = None
    rds_cluster: Named | None = None
    rds_global_cluster: Named | None = None
    elasticache: Named | None = None
    asg: Named | None = None
    nodegroup: EksNodegroup | None = None
    ecs_service: EcsService | None = None
    ec2_instance: Named | None = None
    ec2_instance_of_node: Named | None = None
    route53_record: DnsRecord | None = None
    load_balancer: Named | None = None
    waf_address: WafAddress | None = None
    acm_certificate: Named | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        given = [name for name in type(self).model_fields if getattr(self, name) is not None]
        if len(given) != 1:
            found = ", ".join(given) or "none"
            raise PydanticCustomError(
                "target",
                f"a target has exactly one kind, found {found} (for several use targets); "
                f"accepted: {', '.join(type(self).model_fields)}",
            )
        return self

    @property
    def type(self) -> str:
        """The key that is given, such as ``workload``."""
        return next(name for name in type(self).model_fields if getattr(self, name) is not None)

    @property
    def label_names(self) -> frozenset[str]:
        """Every label that may fill this target."""
        return frozenset().union(*(_template(text).label_names for text in self._texts().values()))

    @property
    def variable_names(self) -> frozenset[str]:
        """Every variable that fills this target."""
        return frozenset().union(*(_template(text).variable_names for text in self._texts().values()))

    def render(self, labels: Mapping[str, str], vars: Mapping[str, Any]) -> RenderedTarget:
        """Fill every field once and check it.

        Raises:
            TargetUndeterminedError: a label is missing or its value is no valid name; the message names the field.
        """
        fields: dict[str, str] = {}
        for field, text in self._texts().items():
            try:
                value = _template(text).render(labels=labels, vars=vars)
                fields[field] = _valid(self.type, field, value)
            except TemplateError as error:
                raise TargetUndeterminedError(f"target {self.type}.{field}: {error}") from None
        return RenderedTarget(self.type, fields)

    def always(self, field: str, vars: Mapping[str, Any]) -> str | None:
        """What this field is for every alert; None where a label fills it, or where there is no such field."""
        text = self._texts().get(field)
        if text is None or _template(text).label_names:
            return None
        return _template(text).render(labels={}, vars=vars)

    @property
    def copied(self) -> frozenset[str]:
        """The fields that are the whole value of some label, just as the alert gave it."""
        return frozenset(field for field, text in self._texts().items() if _template(text).copies_a_label)

    def _texts(self) -> dict[str, str]:
        chosen: Frozen = getattr(self, self.type)
        return {field: getattr(chosen, field) for field in type(chosen).model_fields}


_KUBERNETES = frozenset(
    {
        "workload",
        "workload_of_pod",
        "pod",
        "node",
        "namespace",
        "persistent_volume_claim",
        "cronjob",
        "horizontal_pod_autoscaler",
        "certificate",
        "postgres_cluster",
        "ec2_instance_of_node",
    }
)


def _valid(target: str, field: str, value: str) -> str:
    if target in _KUBERNETES:
        return kubernetes_name(value, "namespace" if "namespace" in (target, field) else field)
    if (target, field) == ("waf_address", "address"):
        return _address(value)
    if (target, field) == ("waf_address", "ip_set") and not _IP_SET.fullmatch(value):
        raise TargetUndeterminedError(f"target {target}.{field}: {value[:80]!r} cannot be the name of an IP set")
    if not _FOREIGN.fullmatch(value):
        raise TargetUndeterminedError(f"target {target}.{field}: {value[:80]!r} cannot be the name of one")
    return value


def _address(value: str) -> str:
    """In its one spelling. No network, no zone, no port: a label says one address and nothing about how much around it."""
    try:
        return str(ipaddress.ip_address(value)) if "%" not in value else _no_address(value)
    except ValueError:
        return _no_address(value)


def _no_address(value: str) -> NoReturn:
    raise TargetUndeterminedError(f"{value[:80]!r} is not one IP address")


def kubernetes_name(value: str, what: str) -> str:
    """The value, if the API server would take it as the name of ``what``: an RFC 1123 label for a namespace, else a subdomain.

    Raises:
        TargetUndeterminedError: it would not.
    """
    if what in _LABEL_KINDS:
        valid = _DNS_LABEL.fullmatch(value) is not None
        rule = "at most 63 lower-case letters, digits and hyphens"
    else:
        valid = len(value) <= 253 and _DNS_SUBDOMAIN.fullmatch(value) is not None
        rule = "at most 253 lower-case letters, digits, hyphens and dots"
    if not valid:
        raise TargetUndeterminedError(f"{what} {value[:80]!r} is no Kubernetes name ({rule})")
    return value
