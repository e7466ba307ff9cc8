"""One name for each thing that a run may change, the place first: ``kubernetes/prod/shop/deployment/checkout``.

The same text stands in playbooks' plans, locks, the ledger, incidents and logs. Building a target validates every part, because
the parts come from labels, which are hostile input.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Self

_DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_DNS_SUBDOMAIN = re.compile(r"[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?")
_PLACE = re.compile(r"[A-Za-z0-9]([-_.A-Za-z0-9]{0,61}[A-Za-z0-9])?")

WORKLOAD_KINDS = ("deployment", "statefulset", "daemonset")
"""Kinds that a target of kind ``any`` may resolve to, in the order in which they are looked up."""


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
    kind: str
    name: str

    @classmethod
    def kubernetes(cls, cluster: str, namespace: str, kind: str, name: str) -> Self:
        """A namespaced Kubernetes object.

        Raises:
            InvalidTargetError: a part is empty or not a name that the API server would accept.
        """
        _check(_PLACE, "cluster", cluster)
        _check(_DNS_LABEL, "namespace", namespace)
        _check(_DNS_LABEL, "kind", kind)
        _check(_DNS_SUBDOMAIN, f"{kind} name", name)
        return cls("kubernetes", cluster, namespace, kind, name)

    @classmethod
    def parse(cls, text: str) -> Self:
        """The inverse of ``str``.

        Raises:
            InvalidTargetError: not ``kubernetes/<cluster>/<namespace>/<kind>/<name>``.
        """
        parts = text.split("/")
        if len(parts) != 5 or parts[0] != "kubernetes":
            raise InvalidTargetError(f"target {text!r} is not kubernetes/<cluster>/<namespace>/<kind>/<name>")
        return cls.kubernetes(*parts[1:])

    def __str__(self) -> str:
        return f"{self.provider}/{self.place}/{self.namespace}/{self.kind}/{self.name}"

    @property
    def short(self) -> str:
        """For people who know which cluster is meant: ``shop/checkout``."""
        return f"{self.namespace}/{self.name}"

    def scopes(self) -> Mapping[str, tuple[Scope, ...]]:
        """What a run on this target locks: itself ``exclusive``, everything above it ``shared`` (S17)."""
        namespace = f"{self.provider}/{self.place}/{self.namespace}"
        above = (Scope(f"{self.provider}/{self.place}"), Scope(namespace))
        return MappingProxyType({"exclusive": (Scope(str(self)),), "shared": above})


def _check(pattern: re.Pattern[str], what: str, value: str) -> None:
    if not pattern.fullmatch(value):
        raise InvalidTargetError(f"{what} {value[:80]!r} is not a valid name ({pattern.pattern})")
