"""A PostgreSQL cluster of the operator CloudNativePG as it was read, and whether and to what it can switch over now. Pure.

The words are the operator's: https://cloudnative-pg.io/documentation/current/cloudnative-pg.v1/#clusterstatus
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from remediator.clients.kubernetes.managers import Manager, managers_of
from remediator.clients.kubernetes.workload import Pod
from remediator.targets import Target

HEALTHY = "Cluster in healthy state"
SWITCHOVER = "Switchover in progress"
_FENCED = "cnpg.io/fencedInstances"
_HIBERNATION = "cnpg.io/hibernation"
_RECONCILIATION = "cnpg.io/reconciliationLoop"


@dataclass(frozen=True, slots=True)
class PostgresCluster:
    """One read of one cluster, its instances' pods included."""

    target: Target
    uid: str
    resource_version: str
    wanted: int
    ready: int
    phase: str
    primary: str
    """The instance that is the primary now."""
    target_primary: str
    """The one that is to be; another one in the middle of a switchover, ``pending`` while a failover looks for one."""
    named_at: str
    """When ``target_primary`` was named last, as it is written: every naming writes it anew."""
    promoted_at: datetime | None
    """When the primary became it; None if the operator did not say."""
    healthy: frozenset[str]
    """Instances that the operator calls healthy, the primary among them."""
    held: str
    """Why nobody but people may touch it now, empty if nothing holds it."""
    conditions: tuple[Mapping[str, Any], ...]
    managers: tuple[Manager, ...]
    pods: tuple[Pod, ...]

    @property
    def is_healthy(self) -> bool:
        return self.phase == HEALTHY and self.primary == self.target_primary and self.ready >= self.wanted

    @property
    def standby(self) -> str | None:
        """The one to switch over to: healthy for the operator and ready as a pod; rather not on the primary's node."""
        nodes = {pod.name: pod.node for pod in self.pods if pod.ready and not pod.terminating}
        fit = [name for name in self.healthy if name != self.primary and name in nodes]
        away_from = next((pod.node for pod in self.pods if pod.name == self.primary), None)
        return min(fit, key=lambda name: (nodes[name] == away_from, name), default=None)


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why it cannot switch over now. ``passes``: it may go by itself."""

    code: str
    text: str
    passes: bool = False


def hindrance_to_switchover(cluster: PostgresCluster, *, now: datetime, quiet_for: timedelta) -> Hindrance | None:
    """None: ``cluster.standby`` can take over."""
    name = f"PostgreSQL cluster {cluster.target.short}"
    if cluster.held:
        return Hindrance("held", f"{name}: {cluster.held}; that is for people to end first")
    if cluster.primary != cluster.target_primary:
        to = cluster.target_primary or "nobody"
        return Hindrance(
            "switchover_under_way", f"{name} goes over from {cluster.primary or 'nobody'} to {to}", passes=True
        )
    if cluster.phase != HEALTHY:
        return Hindrance("operator_at_work", f"{name}: its operator says {cluster.phase[:100]!r}", passes=True)
    if not cluster.primary:
        return Hindrance("no_primary", f"{name} has no primary yet")
    if quiet_for and (cluster.promoted_at is None or now < cluster.promoted_at + quiet_for):
        when = "at a time unknown" if cluster.promoted_at is None else f"at {cluster.promoted_at:%H:%M:%S}Z"
        return Hindrance(
            "primary_changed_lately", f"{name} got its primary {cluster.primary} {when}; another change needs a person"
        )
    if cluster.standby is None:
        return Hindrance(
            "no_healthy_standby",
            f"{name} has no healthy standby that is ready ({cluster.ready} of {cluster.wanted} are)",
        )
    return None


def switchover_body(cluster: PostgresCluster, standby: str, at: str) -> dict[str, Any]:
    """The merge patch of the status with which ``kubectl cnpg promote`` asks the operator to switch over."""
    not_ready = {
        "type": "Ready",
        "status": "False",
        "reason": "ClusterIsNotReady",
        "message": "Cluster Is Not Ready",
        "lastTransitionTime": at,
    }
    # A merge patch replaces the whole list.
    others = [dict(one) for one in cluster.conditions if one.get("type") != "Ready"]
    return {
        "metadata": {"resourceVersion": cluster.resource_version},
        "status": {
            "targetPrimary": standby,
            "targetPrimaryTimestamp": at,
            "phase": SWITCHOVER,
            "phaseReason": f"Switching over to {standby}",
            "conditions": [*others, not_ready],
        },
    }


def cluster_from(target: Target, document: Mapping[str, Any], pods: Sequence[Pod]) -> PostgresCluster:
    """Read a Cluster of ``postgresql.cnpg.io``."""
    metadata, spec, status = document["metadata"], document["spec"], document.get("status") or {}
    promoted = status.get("currentPrimaryTimestamp")
    return PostgresCluster(
        target=target,
        uid=str(metadata["uid"]),
        resource_version=str(metadata["resourceVersion"]),
        wanted=int(spec["instances"]),
        ready=int(status.get("readyInstances") or 0),
        phase=str(status.get("phase") or ""),
        primary=str(status.get("currentPrimary") or ""),
        target_primary=str(status.get("targetPrimary") or ""),
        named_at=str(status.get("targetPrimaryTimestamp") or ""),
        promoted_at=datetime.fromisoformat(promoted) if promoted else None,
        healthy=frozenset(map(str, (status.get("instancesStatus") or {}).get("healthy") or ())),
        held=_held(metadata, spec),
        conditions=tuple(status.get("conditions") or ()),
        managers=managers_of(metadata),
        pods=tuple(pods),
    )


def _held(metadata: Mapping[str, Any], spec: Mapping[str, Any]) -> str:
    annotations = metadata.get("annotations") or {}
    replica = spec.get("replica") or {}
    reasons = (
        ("deletionTimestamp" in metadata, "it is being deleted"),
        (_is_fenced(annotations.get(_FENCED)), f"instances of it are fenced ({_FENCED})"),
        (annotations.get(_HIBERNATION) == "on", f"it is hibernated ({_HIBERNATION})"),
        (annotations.get(_RECONCILIATION) == "disabled", f"its operator is told to leave it alone ({_RECONCILIATION})"),
        (
            bool((spec.get("nodeMaintenanceWindow") or {}).get("inProgress")),
            "a maintenance window of its nodes is open",
        ),
        (
            _is_replica(replica, str(metadata["name"])),
            "it is a replica of another cluster, so none of its instances is written to",
        ),
    )
    return next((text for holds, text in reasons if holds), "")


def _is_fenced(listed: str | None) -> bool:
    """Whichever instance it is. What cannot be read counts as fenced."""
    try:
        return listed is not None and json.loads(listed) != []
    except (ValueError, RecursionError):
        return True


def _is_replica(replica: Mapping[str, Any], name: str) -> bool:
    """By ``enabled``, or in a distributed topology by another one being its primary."""
    if replica.get("enabled") is not None:
        return bool(replica["enabled"])
    return bool(replica.get("primary")) and replica["primary"] != (replica.get("self") or name)
