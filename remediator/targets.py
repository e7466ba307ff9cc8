"""One name for each thing that a run may change, the place first: ``kubernetes/prod/shop/deployment/checkout``.

What belongs to a workload is named within it, ``kubernetes/prod/shop/deployment/checkout/pod/checkout-7f9c-x2k4d``; what belongs to
no namespace has none, ``kubernetes/prod/node/worker-1``. At AWS the place is an account and a region,
``aws/123456789012/eu-west-1/rds-instance/orders``, and what is named only within something else names that before itself,
``aws/123456789012/eu-west-1/ecs-service/main/checkout``.

The same text stands in playbooks' plans, locks, the ledger, incidents and logs. Building a target validates every part, because
the parts come from labels, which are hostile input.
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_PLACE = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")

_ACCOUNT = re.compile(r"[0-9]{12}")
_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_AWS_NAME = re.compile(r"[A-Za-z0-9_*]([-._:@+=, A-Za-z0-9]{0,253}[-._A-Za-z0-9])?")
"""Wider than any one service's rule, which its own API keeps; no '/', which would blur the text of a target."""

WORKLOAD_KINDS = ("deployment", "statefulset", "daemonset")
"""Kinds that a target of kind ``any`` may resolve to, in the order in which they are looked up."""


CLUSTER_SCOPED = ("node", "namespace")
"""Kinds that stand in no namespace."""


WITHIN = {
    "ecs-service": "ecs-cluster",
    "eks-nodegroup": "eks-cluster",
    "route53-record": "hosted-zone",
    "waf-address": "waf-ip-set",
}
"""Kinds of AWS whose names are told apart only within another thing, and the kind of that."""
AWS_KINDS = (
    "acm-certificate",
    "asg",
    "ec2-instance",
    "ecs-service",
    "eks-nodegroup",
    "elasticache-group",
    "load-balancer",
    "rds-cluster",
    "rds-global-cluster",
    "rds-instance",
    "route53-record",
    "waf-address",
)
_ANY_CASE = frozenset({"elasticache-group", "rds-cluster", "rds-global-cluster", "rds-instance", "route53-record"})
"""Kinds whose names AWS keeps in lower case, however they are asked for."""
_BY_NAME_ALONE = frozenset({"elasticache-group", "rds-cluster", "rds-global-cluster", "rds-instance"})
"""Kinds whose API takes an ARN for a name as well: one thing would have two spellings, two locks and two budgets."""
_IDENTIFIER = re.compile(r"[A-Za-z](-?[A-Za-z0-9]){0,62}")
_PLAIN = re.compile(r"[A-Za-z0-9][-_A-Za-z0-9]{0,254}")
_RULES = {
    **dict.fromkeys(_BY_NAME_ALONE, _IDENTIFIER),
    "asg": re.compile(r"[A-Za-z0-9_]([-._@+=, A-Za-z0-9]{0,253}[-._A-Za-z0-9])?"),
    "ec2-instance": re.compile(r"i-[0-9a-f]{8,17}"),
    **dict.fromkeys(("ecs-service", "ecs-cluster", "eks-nodegroup", "eks-cluster"), _PLAIN),
}
"""Where a service's own rule is narrower than ``_AWS_NAME`` in what matters."""


class InvalidTargetError(ValueError):
    """A part is no valid name for what it names. The message names the part and the rule, and quotes the value safely."""


@dataclass(frozen=True, order=True, slots=True)
class Scope:
    """A thing that can be locked: a target, or something that contains it (S17)."""

    key: str

    def __str__(self) -> str:
        return self.key


@dataclass(frozen=True, order=True, slots=True)
class Target:
    """The one thing that a run may change. Canonical: two spellings of one thing are one target."""

    provider: str
    place: str
    namespace: str
    """Empty for a node; a namespace's own name for a namespace."""
    kind: str
    name: str
    owner: tuple[str, str] = ("", "")
    """Kind and name of the workload that it belongs to (a pod's, a claim's, an autoscaler's), or at AWS of what it is named within;
    empty when there is none."""

    @classmethod
    def kubernetes(cls, cluster: str, namespace: str, kind: str, name: str, owner: Self | None = None) -> Self:
        """A Kubernetes object; ``namespace`` counts for nothing where the kind is cluster-scoped.

        Raises:
            InvalidTargetError: a part is empty or not a name that the API server would accept.
        """
        _check(_PLACE, "cluster", cluster)
        _check(_DNS_LABEL, "kind", kind)
        _check(_DNS_SUBDOMAIN, f"{kind} name", name)
        if kind in CLUSTER_SCOPED:
            namespace = name if kind == "namespace" else ""
        if kind != "node":
            _check(_DNS_LABEL, "namespace", namespace)
        return cls(
            "kubernetes", cluster, namespace, kind, name, ("", "") if owner is None else (owner.kind, owner.name)
        )

    @classmethod
    def aws(cls, account: str, region: str, kind: str, name: str, within: str = "") -> Self:
        """Something at AWS. ``within`` names the cluster or zone of a kind in ``WITHIN``, and is empty for every other.

        Raises:
            InvalidTargetError: a part is no valid name, the kind is unknown, or ``within`` is missing or too much.
        """
        _check(_ACCOUNT, "account", account)
        _check(_REGION, "region", region)
        if kind not in AWS_KINDS:
            raise InvalidTargetError(f"kind {kind[:80]!r} is none of AWS: {', '.join(AWS_KINDS)}")
        _check(_RULES.get(kind, _AWS_NAME), f"{kind} name", name)
        if kind == "waf-address":
            name = _address(name)
        if kind in WITHIN:
            _check(_RULES.get(WITHIN[kind], _AWS_NAME), f"{WITHIN[kind]} name", within)
        elif within:
            raise InvalidTargetError(f"a {kind} is not named within anything, not even {within[:80]!r}")
        if kind in _ANY_CASE:
            name, _, after = name.partition(":")  # behind a record's name stands its type
            name, within = f"{name.lower()}:{after}" if after else name.lower(), within.lower()
        return cls("aws", f"{account}/{region}", "", kind, name, (WITHIN[kind], within) if within else ("", ""))

    @property
    def account(self) -> str:
        """At AWS."""
        return self.place.partition("/")[0]

    @property
    def region(self) -> str:
        """At AWS."""
        return self.place.partition("/")[2]

    @property
    def within(self) -> str:
        """At AWS: the name of the cluster or zone that it is named within; else empty."""
        return self.owner[1] if self.provider == "aws" else ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of ``str``.

        Raises:
            InvalidTargetError: of none of the forms that ``str`` makes.
        """
        match text.split("/"):
            case ["kubernetes", cluster, kind, name] if kind in CLUSTER_SCOPED:
                return cls.kubernetes(cluster, "", kind, name)
            case ["kubernetes", cluster, namespace, kind, name]:
                return cls.kubernetes(cluster, namespace, kind, name)
            case ["kubernetes", cluster, namespace, owner_kind, owner_name, kind, name]:
                owner = cls.kubernetes(cluster, namespace, owner_kind, owner_name)
                return cls.kubernetes(cluster, namespace, kind, name, owner)
            case ["aws", account, region, kind, name]:
                return cls.aws(account, region, kind, name)
            case ["aws", account, region, kind, within, name]:
                return cls.aws(account, region, kind, name, within)
            case _:
                raise InvalidTargetError(
                    f"target {text!r} is not kubernetes/<cluster>/<namespace>/<kind>/<name>, with the owner's kind and name before "
                    f"the last two where there is one, nor kubernetes/<cluster>/<{'|'.join(CLUSTER_SCOPED)}>/<name>, "
                    f"nor aws/<account>/<region>/<kind>/<name>, with the cluster or zone before the name where it has one"
                )

    def __str__(self) -> str:
        if self.provider == "aws":
            return f"aws/{self.place}/{self.kind}/{self.short}"
        if self.kind in CLUSTER_SCOPED:
            return f"{self.provider}/{self.place}/{self.kind}/{self.name}"
        within = "/".join(self.owner) + "/" if self.owner[0] else ""
        return f"{self.provider}/{self.place}/{self.namespace}/{within}{self.kind}/{self.name}"

    @property
    def short(self) -> str:
        """For people who know which cluster, or account and region, is meant: ``shop/checkout``."""
        if self.provider == "aws":
            return f"{self.within}/{self.name}" if self.within else self.name
        return self.name if self.kind in CLUSTER_SCOPED else f"{self.namespace}/{self.name}"

    @property
    def workload(self) -> Self | None:
        """The workload that this is or belongs to; None where there is none."""
        if self.kind in WORKLOAD_KINDS:
            return self
        if self.owner[0] not in WORKLOAD_KINDS:
            return None
        return type(self).kubernetes(self.place, self.namespace, *self.owner)

    @property
    def counted(self) -> str:
        """What limits are counted on (S9). Pods come and go, so theirs are their workload's: else a new name would have no past."""
        if self.kind == "pod" and self.workload is not None:
            return str(self.workload)
        return str(self)

    def scopes(self) -> Mapping[str, tuple[Scope, ...]]:
        """What a run on this target locks: itself ``exclusive``, everything above it ``shared`` (S17)."""
        cluster = f"{self.provider}/{self.place}"
        if self.provider == "aws":
            # Which group an instance is in, its name does not tell, and two of one group may be all that it has.
            slot = (f"{cluster}#ec2-instance",) if self.kind == "ec2-instance" else ()
            return _scopes(exclusive=(str(self), *slot), shared=(f"aws/{self.account}", cluster))
        if self.kind == "node":
            # One node of a cluster at a time: "#" stands in no name, so the slot is nobody's namespace.
            return _scopes(exclusive=(str(self), f"{cluster}#node"), shared=(cluster,))
        namespace = f"{cluster}/{self.namespace}"
        if self.kind == "namespace":
            return _scopes(exclusive=(namespace,), shared=(cluster,))
        above = (cluster, namespace, *([str(self.workload)] if self.owner[0] and self.workload else []))
        return _scopes(exclusive=(str(self),), shared=above)


def _address(text: str) -> str:
    """One address in its one spelling: no network, no zone."""
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise InvalidTargetError(f"{text[:80]!r} is no IP address") from None


def check_pattern(text: str) -> None:
    """Could it admit anything at AWS? ``<kind>/<name>``, with the cluster or zone before the name where the kind has one; * and ?.

    Raises:
        ValueError: no target is written so, and the pattern would silently admit nothing.
    """
    kind, slash, rest = text.partition("/")
    if not slash or kind not in (*AWS_KINDS, "*"):
        raise ValueError(f"{text!r} must be <kind>/<name>; kinds: {', '.join(AWS_KINDS)}")
    if not rest or rest.startswith("/") or rest.endswith("/"):
        raise ValueError(f"{text!r} has no name behind the kind; <kind>/* is all of it")
    if kind == "*":
        return
    *within, name = rest.split("/")
    if len(within) > (kind in WITHIN) or (kind in WITHIN and not within and "*" not in rest):
        form = f"<{WITHIN[kind]}>/<name>" if kind in WITHIN else "<name>"
        raise ValueError(f"{text!r} must be {kind}/{form}")
    if not any(one in rest for one in "*?["):
        exact = Target.aws("0" * 12, "eu-west-1", kind, name, *within).short
        if exact != rest:
            raise ValueError(f"{text!r} is never called so; write {kind}/{exact}")
    elif kind in _ANY_CASE and (lower := rest.partition(":")[0]) != lower.lower():
        raise ValueError(f"{text!r} is never called so; AWS keeps the names of {kind} in lower case")


def _scopes(*, exclusive: tuple[str, ...], shared: tuple[str, ...]) -> Mapping[str, tuple[Scope, ...]]:
    return MappingProxyType({"exclusive": tuple(map(Scope, exclusive)), "shared": tuple(map(Scope, shared))})


def _check(pattern: re.Pattern[str], what: str, value: str) -> None:
    if not pattern.fullmatch(value):
        raise InvalidTargetError(f"{what} {value[:80]!r} is not a valid name ({pattern.pattern})")
