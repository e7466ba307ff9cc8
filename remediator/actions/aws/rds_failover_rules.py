"""What a failover of one database would be now, and what speaks against it: the same look for the plan and just before the call."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.rds import DbCluster, DbInstance, is_stuck, read_cluster, read_instance
from remediator.clients.aws.rds_events import FAILOVER, DbEvent, events_of, newest
from remediator.clients.aws.rds_lag import Lag, lags_of
from remediator.targets import Target

REMEMBERED: Final = timedelta(days=1)
"""How far back the last failover is looked for, to tell it from ours."""
SAME: Final = timedelta(seconds=1)
"""Readers that differ by less count as equally far behind: else the choice, and with it the plan that was approved, would change with
every look."""
RDS_CHOOSES: Final = "the reader that RDS chooses"


@dataclass(frozen=True, slots=True)
class Hindrance:
    """Why it must not be failed over now. ``passes``: it may go by itself."""

    code: str
    text: str
    passes: bool = False


@dataclass(frozen=True, slots=True)
class Failover:
    """One look."""

    uid: str
    writer: str
    """The zone of an instance; the member of a cluster."""
    successor: str
    """The standby's zone; the reader; ``RDS_CHOOSES``. Empty: there is none, or it was not looked for."""
    pending: tuple[str, ...]
    last: DbEvent | None
    """The newest failover that RDS tells of."""
    hindrance: Hindrance | None
    seen: str
    available: bool

    @property
    def told(self) -> str:
        """What RDS told last, for people."""
        return "RDS tells of no failover" if self.last is None else f"RDS tells: {self.last}"

    def newer_than(self, planned: str) -> bool:
        """Does RDS tell of a failover after that of the plan? An event that is only too old to be listed is none."""
        return self.last is not None and (not planned or self.last.at > datetime.fromisoformat(planned))


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a playbook allows."""

    quiet_for: timedelta
    max_lag: timedelta
    pending: bool
    """Also when a restart would bring other changes into effect."""


async def look(api: AwsApi, target: Target, bounds: Bounds | None, *, planned: str = "") -> Failover:
    """``bounds`` None: only how it is, whatever speaks against doing it. ``planned``: the successor of the plan, which must be fit
    still; another one may be better by now.

    Raises:
        TargetNotFoundError: there is no such database.
        FactsMissingError: something could not be read.
    """
    quiet_for = timedelta(0) if bounds is None else bounds.quiet_for
    events = await events_of(api, target, since=api.now() - max(REMEMBERED, quiet_for))
    last = newest(events, FAILOVER)
    if target.kind == "rds-instance":
        return _of_instance(api, await read_instance(api, target.name), bounds, last)
    cluster = await read_cluster(api, target.name)
    fit = [reader.name for reader in cluster.readers if reader.available]
    lags = await lags_of(api, fit, aurora=cluster.aurora) if fit and bounds is not None else ()
    return _of_cluster(api, cluster, bounds, last, {lag.name: lag for lag in lags}, planned)


def _of_instance(api: AwsApi, instance: DbInstance, bounds: Bounds | None, last: DbEvent | None) -> Failover:
    hindrance = None
    if bounds is not None:
        hindrance = _alone(instance) or _state(str(instance), instance.status) or _others(api, instance, bounds, last)
    return Failover(
        uid=instance.resource_id,
        writer=instance.zone,
        successor=instance.standby_zone,
        pending=instance.pending,
        last=last,
        hindrance=hindrance,
        seen=str(instance),
        available=instance.available,
    )


def _alone(instance: DbInstance) -> Hindrance | None:
    if instance.cluster:
        text = f"{instance} is a member of cluster {instance.cluster}: let the playbook's target be that rds_cluster"
        return Hindrance("member_of_cluster", text)
    if not instance.multi_az:
        return Hindrance("no_standby", f"{instance}: it is not Multi-AZ, so nothing can take over")
    if not instance.standby_zone:
        text = f"{instance}: its standby is not ready (no SecondaryAvailabilityZone); a person must look why"
        return Hindrance("standby_not_ready", text)
    return None


def _of_cluster(
    api: AwsApi, cluster: DbCluster, bounds: Bounds | None, last: DbEvent | None, lags: dict[str, Lag], planned: str
) -> Failover:
    successor, hindrance = "", None
    if bounds is not None:
        successor, behind = _successor(cluster, lags, bounds.max_lag, planned)
        hindrance = (
            _state(str(cluster), cluster.status)
            or (None if lags else _no_reader(cluster))
            or behind
            or _others(api, cluster, bounds, last)
        )
    return Failover(
        uid=cluster.resource_id,
        writer=cluster.writer,
        successor=successor,
        pending=cluster.pending,
        last=last,
        hindrance=hindrance,
        seen=str(cluster),
        available=cluster.available,
    )


def _no_reader(cluster: DbCluster) -> Hindrance:
    text = f"{cluster}: no reader is available, so nothing can take over; Aurora would make the writer anew, which takes minutes"
    return Hindrance("no_reader", text, passes=bool(cluster.readers))


def _successor(
    cluster: DbCluster, lags: dict[str, Lag], max_lag: timedelta, planned: str
) -> tuple[str, Hindrance | None]:
    """The least-lagging; among those as good as it, the one that RDS would rather take."""
    bound = f"at most {max_lag.total_seconds():g} s are allowed"
    if not cluster.takes_a_wish:
        late = [lag for lag in lags.values() if not lag.at_most(max_lag)]
        if late:
            return RDS_CHOOSES, Hindrance(_code(late[0]), f"{cluster}: RDS chooses the reader, and {late[0]}; {bound}")
        return RDS_CHOOSES, None
    fit = {name: lag.behind for name, lag in lags.items() if lag.behind is not None and lag.at_most(max_lag)}
    if planned in lags:
        fit = {name: behind for name, behind in fit.items() if name == planned}
    if not fit:
        told = [lag for name, lag in lags.items() if not planned or name == planned] or list(lags.values())
        code = _code(told[0]) if told else "no_reader"
        return "", Hindrance(code, f"{cluster}: {'; '.join(map(str, told)) or 'no reader'}; {bound}")
    least = min(fit.values())
    tiers = {reader.name: reader.tier for reader in cluster.readers}
    return min(
        (name for name, behind in fit.items() if behind < least + SAME), key=lambda name: (tiers[name], name)
    ), None


def _code(lag: Lag) -> str:
    return "not_replicating" if lag.broken else "lag_unknown" if lag.behind is None else "lag_too_large"


def _state(seen: str, status: str) -> Hindrance | None:
    if status == "available":
        return None
    if status == "storage-full":
        return Hindrance(
            "storage_full", f"{seen}: a failover does not cure it, the standby has the same storage; add storage"
        )
    if is_stuck(status):
        return Hindrance("not_available", f"{seen}: RDS fails over only what is available; a person must look")
    return Hindrance("busy", f"{seen}: RDS fails over only what is available", passes=True)


def _others(api: AwsApi, found: DbInstance | DbCluster, bounds: Bounds, last: DbEvent | None) -> Hindrance | None:
    if last is not None and bounds.quiet_for and api.now() < last.at + bounds.quiet_for:
        if last.begins:
            return Hindrance("failover_under_way", f"{found}: {last}", passes=True)
        return Hindrance("failover_lately", f"{found}: {last}; another one so soon needs a person")
    if found.pending and not bounds.pending:
        text = (
            f"{found}: {', '.join(found.pending)} would come into effect with it; apply that first, or let the playbook say "
            "pending: accept"
        )
        return Hindrance("changes_pending", text)
    return None


def dependencies(found: Failover) -> dict[str, Any]:
    """What the plan rests on. Not the successor: that one is fit still is asked by ``hindrance``."""
    return {
        "uid": found.uid,
        "writer": found.writer,
        "pending": list(found.pending),
        "last_failover": last_of(found),
        "hindrance": None if found.hindrance is None else found.hindrance.text,
    }


def last_of(found: Failover) -> str:
    """When the newest failover was, as a plan keeps it."""
    return "" if found.last is None else found.last.at.isoformat()
