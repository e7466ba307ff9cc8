"""A permission that an action or condition needs, declared beside its code and printed into the shipped RBAC and IAM policies."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

_READS = ("get", "list", "watch")


@dataclass(frozen=True, order=True, slots=True)
class Permission:
    """One Kubernetes RBAC verb on one resource; ``resource`` may name a subresource (``deployments/scale``)."""

    group: str
    resource: str
    verb: str
    everywhere: bool = False
    """Of a cluster-scoped resource, or needed in all namespaces: granted by a ClusterRole and its ClusterRoleBinding."""

    @property
    def writes(self) -> bool:
        """Is it for changing something? A command run in a container may, whatever its verb says."""
        return self.verb not in _READS or self.runs_commands

    @property
    def runs_commands(self) -> bool:
        """Is it for running a command in a container?"""
        return self.resource.endswith("/exec")

    def __str__(self) -> str:
        return f"{self.verb} on {self.resource}{f'.{self.group}' if self.group else ''}"


@dataclass(frozen=True, order=True, slots=True)
class IamPermission:
    """One action of IAM on some resources."""

    action: str
    """As policies spell it: ``rds:RebootDBInstance``."""
    resource: str = "*"
    """Pattern of ARNs; ``{partition}``, ``{account}``, ``{region}``, ``{name}`` and ``{within}`` stand for the target's."""
    writes: bool = False
    """Is it for changing something?"""
    conditions: tuple[tuple[str, str, str], ...] = ()
    """What a policy asks besides, as operator, key and value: for what takes more than it needs, such as a whole hosted zone."""

    def on(self, *, partition: str, account: str, region: str, name: str = "*", within: str = "*") -> str:
        """The resource with its places filled; what is not known is any."""
        places = {"partition": partition, "account": account, "region": region, "name": name, "within": within}
        return self.resource.format_map(places)

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


Right: TypeAlias = Permission | IamPermission
"""Of either world."""


def in_cluster(rights: Iterable[Right]) -> tuple[Permission, ...]:
    """Those that a cluster grants."""
    return tuple(one for one in rights if isinstance(one, Permission))


def at_aws(rights: Iterable[Right]) -> tuple[IamPermission, ...]:
    """Those that IAM grants."""
    return tuple(one for one in rights if isinstance(one, IamPermission))


_PLURALS = {"deployment": "deployments", "statefulset": "statefulsets", "daemonset": "daemonsets"}


def read_workload(kind: str) -> tuple[Permission, ...]:
    """What reading one kind of workload needs; nothing for a kind that is none."""
    return (Permission("apps", _PLURALS[kind], "get"),) if kind in _PLURALS else ()


def read_workloads(kind: str) -> tuple[Permission, ...]:
    """What reading the workload of a target of this kind needs: its own kind, or any for what belongs to a workload."""
    return read_workload(kind) or tuple(one for each in _PLURALS for one in read_workload(each))
