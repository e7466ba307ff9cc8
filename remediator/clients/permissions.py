"""A permission that an action or condition needs, declared beside its code and printed into the shipped RBAC."""

from dataclasses import dataclass


@dataclass(frozen=True, order=True, slots=True)
class Permission:
    """One Kubernetes RBAC verb on one resource; ``resource`` may name a subresource (``deployments/scale``)."""

    group: str
    resource: str
    verb: str

    def __str__(self) -> str:
        return f"{self.verb} on {self.resource}{f'.{self.group}' if self.group else ''}"


READ_WORKLOADS = (
    Permission("apps", "daemonsets", "get"),
    Permission("apps", "deployments", "get"),
    Permission("apps", "statefulsets", "get"),
)
"""What finding a target needs, whatever is then done to it."""
