"""RDS and Aurora: databases that fail over, are copied and restored in the phases, with the refusals and events, of the real one.

A failover's call is answered while the database still says "available"; the event of its beginning comes seconds later.
"""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, ClassVar

from remediator.sandbox.aws.rds_state import Cluster, Event, GlobalDatabase, Instance, Snapshot
from remediator.sandbox.aws.service import Call, Refused, Service, paged

TOLD_AFTER_S = 5.0
SWITCHED_AFTER_S = 45.0
FAILED_OVER_AFTER_S = 75.0
CLUSTER_SWITCHED_AFTER_S = 20.0
CLUSTER_FAILED_OVER_AFTER_S = 35.0
REBOOTED_AFTER_S = 60.0
SNAPSHOT_BEGUN_AFTER_S = 10.0
BACKED_UP_AFTER_S = 90.0
SNAPSHOT_DONE_AFTER_S = 240.0
PROMOTED_AFTER_S = 60.0
PROMOTION_DONE_AFTER_S = 180.0
RESTORED_AFTER_S = 900.0
MOVED_AFTER_S = 90.0
MANUAL_SNAPSHOTS = 100


class Rds(Service):
    name: ClassVar[str] = "rds"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.instances: dict[str, Instance] = {}
        self.clusters: dict[str, Cluster] = {}
        self.globals: dict[str, GlobalDatabase] = {}
        self.snapshots: dict[str, Snapshot] = {}
        self.events: list[Event] = []

    # For tests.

    def put(self, name: str, *, region: str | None = None, multi_az: bool = True, **state: Any) -> Instance:
        """Make an instance that is available; Multi-AZ unless said otherwise. A replica (`source`) has its lag in CloudWatch."""
        where = region or self.cloud.region
        made = Instance(
            name=name,
            region=where,
            account=self.account,
            resource_id=self.cloud.new_id("db-"),
            made_at=self.cloud.now(),
            zone=f"{where}a",
            standby_zone=f"{where}b" if multi_az else "",
            multi_az=multi_az,
        )
        for key, value in state.items():
            setattr(made, key, value)
        self.instances[name] = made
        if made.source:
            self._measure(made, "ReplicaLag", lambda: made.lag_s if made.replicating or made.lag_s is None else -1.0)
        return made

    def put_cluster(
        self, name: str, *, readers: int = 2, engine: str = "aurora-postgresql", region: str | None = None
    ) -> Cluster:
        """Make a cluster that is available, `<name>-1` its writer, with the lag of its readers in CloudWatch."""
        where = region or self.cloud.region
        members = [
            self.put(
                f"{name}-{number + 1}",
                region=where,
                multi_az=False,
                engine=engine,
                cluster=name,
                zone=f"{where}{'abc'[number % 3]}",
                lag_s=0.02 if engine.startswith("aurora") else 0.5,
            )
            for number in range(readers + 1)
        ]
        made = Cluster(
            name=name,
            region=where,
            account=self.account,
            resource_id=self.cloud.new_id("cluster-"),
            made_at=self.cloud.now(),
            members=members,
            writer=members[0].name,
            engine=engine,
        )
        self.clusters[name] = made
        metric = "AuroraReplicaLag" if made.aurora else "ReplicaLag"
        for member in members:
            self._measure(member, metric, _lag_of(made, member))
        return made

    def put_global(self, name: str, *clusters: Cluster) -> GlobalDatabase:
        """A global database that writes in the first of these."""
        made = GlobalDatabase(name, self.cloud.new_id("cluster-"), list(clusters), clusters[0].arn)
        self.globals[name] = made
        for other in clusters[1:]:
            other.source = clusters[0].arn
        return made

    def back_up(self, of: Instance, *, at: datetime, name: str = "") -> Snapshot:
        """An automated snapshot that is there already."""
        made = Snapshot(
            name or f"rds:{of.name}-{at:%Y-%m-%d-%H-%M}", of.name, False, of.region, at, "available", True, 100
        )
        self.snapshots[made.name] = made
        return made

    def break_host(self, name: str) -> None:
        """The host of an instance, or of a cluster's writer, is in trouble: clients do not get through, and RDS notices nothing."""
        found = self.instances[self.clusters[name].writer if name in self.clusters else name]
        found.sick, found.reachable = True, False
        self.cloud.tell()

    def tell(self, source: str, message: str, *categories: str, kind: str = "db-instance", region: str = "") -> None:
        """An event, now."""
        self.events.append(Event(source, kind, region or self.cloud.region, message, categories, self.cloud.now()))

    def fail_over(self, name: str) -> None:
        """As RDS itself or somebody else would do it."""
        self._fail_over(self.instances[name])

    def fail_cluster_over(self, name: str, to: str = "") -> None:
        cluster = self.clusters[name]
        self._fail_cluster_over(cluster, to or cluster.readers[0].name)

    # Reads.

    async def DescribeDBInstances(self, call: Call) -> dict[str, Any]:
        name = call.params.get("DBInstanceIdentifier")
        found = [self._instance(call, name)] if name else self._filtered(call)
        page, marker = paged(found, call.params, token="Marker", limit="MaxRecords")
        return {"DBInstances": [one.shown(call.at) for one in page], "Marker": marker}

    async def DescribeDBClusters(self, call: Call) -> dict[str, Any]:
        name = call.params.get("DBClusterIdentifier")
        every = sorted((one for one in self.clusters.values() if one.region == call.region), key=lambda one: one.name)
        found = [self._cluster(call, name)] if name else every
        page, marker = paged(found, call.params, token="Marker", limit="MaxRecords")
        return {"DBClusters": [one.shown(call.at) for one in page], "Marker": marker}

    async def DescribeGlobalClusters(self, call: Call) -> dict[str, Any]:
        name = call.params.get("GlobalClusterIdentifier")
        found = [self._global(name)] if name else list(self.globals.values())
        page, marker = paged(found, call.params, token="Marker", limit="MaxRecords")
        return {"GlobalClusters": [one.shown(self.account) for one in page], "Marker": marker}

    async def DescribeEvents(self, call: Call) -> dict[str, Any]:
        asked = call.params
        if asked.get("SourceIdentifier") and not asked.get("SourceType"):
            raise Refused(
                "InvalidParameterCombination", "SourceType must be specified if SourceIdentifier is specified."
            )
        end = asked.get("EndTime") or call.at
        start = asked.get("StartTime") or end - timedelta(minutes=asked.get("Duration") or 60)
        wanted = set(asked.get("EventCategories") or ())
        found = [
            one
            for one in self.events
            if one.region == call.region
            and start <= one.at <= end
            and asked.get("SourceIdentifier") in (None, one.source)
            and asked.get("SourceType") in (None, one.source_type)
            and (not wanted or wanted & set(one.categories))
        ]
        page, marker = paged(found, asked, token="Marker", limit="MaxRecords")
        return {"Events": [one.shown() for one in page], "Marker": marker}

    async def DescribeDBSnapshots(self, call: Call) -> dict[str, Any]:
        return self._snapshots(call, "DB", "DBInstanceIdentifier", of_cluster=False)

    async def DescribeDBClusterSnapshots(self, call: Call) -> dict[str, Any]:
        return self._snapshots(call, "DBCluster", "DBClusterIdentifier", of_cluster=True)

    # Failovers.

    async def RebootDBInstance(self, call: Call) -> dict[str, Any]:
        found = self._instance(call, call.params["DBInstanceIdentifier"])
        self._must_be_available(found)
        if not call.params.get("ForceFailover"):
            self._reboot(found)
        elif not found.multi_az:
            raise Refused(
                "InvalidParameterCombination", "Force failover cannot be specified if the instance is not MultiAZ"
            )
        else:
            if not found.standby_zone:
                raise Refused("InvalidDBInstanceState", "The standby of the DB instance is not ready.")
            self._fail_over(found)
        return {"DBInstance": found.shown(call.at)}

    async def FailoverDBCluster(self, call: Call) -> dict[str, Any]:
        cluster = self._cluster(call, call.params["DBClusterIdentifier"])
        self._cluster_must_be_available(cluster)
        wish = call.params.get("TargetDBInstanceIdentifier")
        if wish and cluster.engine == "mysql":
            raise Refused("InvalidParameterCombination", "TargetDBInstanceIdentifier is not supported for this engine.")
        fit = [one for one in cluster.readers if one.status == "available"]
        if not fit:
            raise Refused("InvalidDBClusterStateFault", f"DB cluster {cluster.name} has no replicas to fail over to.")
        if wish and wish not in [one.name for one in cluster.readers]:
            raise Refused("InvalidParameterValue", f"{wish} is not a reader of the DB cluster {cluster.name}.")
        if wish and wish not in [one.name for one in fit]:
            raise Refused("InvalidDBInstanceState", f"DB instance {wish} is not available.")
        self._fail_cluster_over(cluster, wish or min(fit, key=lambda one: (one.tier, one.name)).name)
        return {"DBCluster": cluster.shown(call.at)}

    async def SwitchoverGlobalCluster(self, call: Call) -> dict[str, Any]:
        return self._move(call, data_loss=False)

    async def FailoverGlobalCluster(self, call: Call) -> dict[str, Any]:
        if call.params.get("AllowDataLoss") and call.params.get("Switchover"):
            raise Refused("InvalidParameterCombination", "AllowDataLoss and Switchover cannot both be specified.")
        return self._move(call, data_loss=bool(call.params.get("AllowDataLoss")))

    # Promotions.

    async def PromoteReadReplica(self, call: Call) -> dict[str, Any]:
        found = self._instance(call, call.params["DBInstanceIdentifier"])
        if not found.source:
            raise Refused("InvalidDBInstanceState", f"DB Instance {found.name} is not a read replica.")
        self._must_be_available(found)
        keeps = call.params.get("BackupRetentionPeriod", 1)

        def promoted() -> None:
            found.status, found.source, found.retention_days, found.reachable = "rebooting", "", keeps, False
            self.tell(found.name, "Replication streaming has been terminated.", "read replica", region=found.region)

        def done() -> None:
            found.status, found.reachable = "available", True
            self.tell(found.name, "DB instance restarted", "availability", region=found.region)

        self.cloud.after(TOLD_AFTER_S, lambda: _status(found, "modifying"))
        self.cloud.after(PROMOTED_AFTER_S, promoted)
        self.cloud.after(PROMOTION_DONE_AFTER_S, done)
        return {"DBInstance": found.shown(call.at)}

    # Copies.

    async def CreateDBSnapshot(self, call: Call) -> dict[str, Any]:
        found = self._instance(call, call.params["DBInstanceIdentifier"])
        if found.cluster:
            raise Refused(
                "InvalidParameterValue", f"{found.name} is a member of a cluster; create a DB cluster snapshot."
            )
        made = self._new_snapshot(call, call.params["DBSnapshotIdentifier"], found.name, of_cluster=False)
        self._must_be_available(found)
        self.snapshots[made.name] = made
        self.cloud.after(TOLD_AFTER_S, lambda: _status(found, "backing-up"))
        self.cloud.after(BACKED_UP_AFTER_S, lambda: _status(found, "available"))
        self._grow(made)
        return {"DBSnapshot": made.shown()}

    async def CreateDBClusterSnapshot(self, call: Call) -> dict[str, Any]:
        cluster = self._cluster(call, call.params["DBClusterIdentifier"])
        made = self._new_snapshot(call, call.params["DBClusterSnapshotIdentifier"], cluster.name, of_cluster=True)
        self._cluster_must_be_available(cluster)
        self.snapshots[made.name] = made
        self._grow(made)
        return {"DBClusterSnapshot": made.shown()}

    async def RestoreDBInstanceFromDBSnapshot(self, call: Call) -> dict[str, Any]:
        name = call.params.get("DBSnapshotIdentifier") or ""
        found = self.snapshots.get(name)
        if found is None or found.of_cluster or found.region != call.region:
            raise Refused("DBSnapshotNotFound", f"DBSnapshot not found: {name}")
        if found.status != "available":
            raise Refused("InvalidDBSnapshotState", f"DB snapshot {name} is {found.status}.")
        return self._restored(call, call.params["DBInstanceIdentifier"], f"snapshot {name}")

    async def RestoreDBInstanceToPointInTime(self, call: Call) -> dict[str, Any]:
        asked = call.params
        source = self._instance(call, asked.get("SourceDBInstanceIdentifier") or "")
        until = source.restorable_until(call.at)
        if until is None:
            raise Refused("PointInTimeRestoreNotEnabled", f"Automated backups are not enabled for {source.name}.")
        if bool(asked.get("RestoreTime")) == bool(asked.get("UseLatestRestorableTime")):
            raise Refused("InvalidParameterCombination", "Specify either RestoreTime or UseLatestRestorableTime.")
        at = asked.get("RestoreTime") or until
        if not source.made_at - timedelta(days=source.retention_days) <= at <= until:
            raise Refused("InvalidParameterValue", "The specified instance cannot be restored to this time.")
        return self._restored(call, asked["TargetDBInstanceIdentifier"], f"{source.name} at {at:%Y-%m-%dT%H:%M:%SZ}")

    # How it goes on.

    def _fail_over(self, found: Instance) -> None:
        def begun() -> None:
            found.status, found.reachable = "rebooting", False
            self.tell(found.name, "Multi-AZ instance failover started.", "failover", region=found.region)

        def switched() -> None:
            found.zone, found.standby_zone = found.standby_zone, found.zone
            found.sick, found.failovers = False, found.failovers + 1
            self.tell(found.name, "DB instance restarted", "availability", region=found.region)

        def done() -> None:
            found.status, found.reachable = "available", True
            self.tell(found.name, "Multi-AZ instance failover completed", "failover", region=found.region)

        self.cloud.after(TOLD_AFTER_S, begun)
        self.cloud.after(SWITCHED_AFTER_S, switched)
        self.cloud.after(FAILED_OVER_AFTER_S, done)

    def _reboot(self, found: Instance) -> None:
        def begun() -> None:
            found.status, found.reachable = "rebooting", False

        def done() -> None:
            found.status, found.reachable = "available", not found.sick
            self.tell(found.name, "DB instance restarted", "availability", region=found.region)

        self.cloud.after(TOLD_AFTER_S, begun)
        self.cloud.after(REBOOTED_AFTER_S, done)

    def _fail_cluster_over(self, cluster: Cluster, to: str) -> None:
        def event(message: str) -> None:
            self.tell(cluster.name, message, "failover", kind="db-cluster", region=cluster.region)

        def begun() -> None:
            cluster.status = "failing-over"
            event(f"Started cross AZ failover to DB instance: {to}")

        def switched() -> None:
            former = self.instances[cluster.writer]
            former.sick, former.reachable = False, True  # Aurora starts it again, as a reader
            cluster.writer, cluster.failovers = to, cluster.failovers + 1

        def done() -> None:
            cluster.status = "available"
            event(f"Completed failover to DB instance: {to}")

        self.cloud.after(TOLD_AFTER_S, begun)
        self.cloud.after(CLUSTER_SWITCHED_AFTER_S, switched)
        self.cloud.after(CLUSTER_FAILED_OVER_AFTER_S, done)

    def _move(self, call: Call, *, data_loss: bool) -> dict[str, Any]:
        found = self._global(call.params["GlobalClusterIdentifier"])
        target = call.params["TargetDbClusterIdentifier"]
        to = next((one for one in found.clusters if target == one.arn), None)
        if to is None:
            raise Refused("DBClusterNotFoundFault", f"{target} is no member of {found.name}")
        if found.status != "available" or target == found.writer:
            raise Refused("InvalidGlobalClusterStateFault", f"Global cluster {found.name} is {found.status}.")
        former = next(one for one in found.clusters if one.arn == found.writer)
        if not data_loss and not (former.status == "available" and former.reachable and found.connected):
            raise Refused(
                "InvalidDBClusterStateFault", f"DB cluster {former.name} is not available: a switchover needs it."
            )
        verb = "failover" if data_loss else "switchover"

        def event(end: str) -> None:
            for one in (former, to):
                text = f"Global {verb} to DB cluster {to.name} in Region {to.region} {end}."
                self.tell(one.name, text, "global failover", kind="db-cluster", region=one.region)

        def begun() -> None:
            found.status = "failing-over" if data_loss else "switching-over"
            found.failover = {
                "Status": "failing-over",
                "FromDbClusterArn": former.arn,
                "ToDbClusterArn": to.arn,
                "IsDataLossAllowed": data_loss,
            }
            event("started")

        def done() -> None:
            found.status, found.failover, found.writer, found.moves = "available", None, to.arn, found.moves + 1
            found.connected = not data_loss
            event("finished")

        self.cloud.after(TOLD_AFTER_S, begun)
        self.cloud.after(MOVED_AFTER_S, done)
        return {"GlobalCluster": found.shown(self.account)}

    def _new_snapshot(self, call: Call, name: str, of: str, *, of_cluster: bool) -> Snapshot:
        code = "DBClusterSnapshotAlreadyExistsFault" if of_cluster else "DBSnapshotAlreadyExists"
        if name in self.snapshots:
            raise Refused(code, f"Cannot create the snapshot because one with the identifier {name} already exists.")
        manual = [one for one in self.snapshots.values() if not one.automated and one.region == call.region]
        if len(manual) >= MANUAL_SNAPSHOTS:
            raise Refused("SnapshotQuotaExceeded", "The quota for manual snapshots is exceeded.")
        return Snapshot(name, of, of_cluster, call.region, call.at, tags=_tags(call))

    def _grow(self, made: Snapshot) -> None:
        def begun() -> None:
            made.percent = 1

        def done() -> None:
            made.status, made.percent = "available", 100

        self.cloud.after(SNAPSHOT_BEGUN_AFTER_S, begun)
        self.cloud.after(SNAPSHOT_DONE_AFTER_S, done)

    def _restored(self, call: Call, name: str, of: str) -> dict[str, Any]:
        if name in self.instances:
            raise Refused("DBInstanceAlreadyExists", f"DB instance already exists: {name}")
        made = self.put(name, region=call.region, multi_az=bool(call.params.get("MultiAZ")), status="creating")
        made.restored_from, made.tags, made.reachable = of, _tags(call), False

        def done() -> None:
            made.status, made.reachable = "available", True

        self.cloud.after(RESTORED_AFTER_S, done)
        return {"DBInstance": made.shown(call.at)}

    # What is there.

    def _instance(self, call: Call, name: str) -> Instance:
        found = self.instances.get(name)
        if found is None or found.region != call.region:
            raise Refused("DBInstanceNotFound", f"DBInstance {name} not found.")
        return found

    def _cluster(self, call: Call, name: str) -> Cluster:
        found = self.clusters.get(name)
        if found is None or found.region != call.region:
            raise Refused("DBClusterNotFoundFault", f"DBCluster {name} not found.")
        return found

    def _global(self, name: str) -> GlobalDatabase:
        if name not in self.globals:
            raise Refused("GlobalClusterNotFoundFault", f"Global cluster {name} not found.")
        return self.globals[name]

    def _filtered(self, call: Call) -> list[Instance]:
        found = sorted((one for one in self.instances.values() if one.region == call.region), key=lambda one: one.name)
        for wanted in call.params.get("Filters") or ():
            if wanted["Name"] == "db-cluster-id":
                found = [one for one in found if one.cluster in wanted["Values"]]
            elif wanted["Name"] == "db-instance-id":
                found = [one for one in found if one.name in wanted["Values"]]
            else:
                raise Refused("InvalidParameterValue", f"Unrecognized filter name: {wanted['Name']}")
        return found

    def _snapshots(self, call: Call, kind: str, of: str, *, of_cluster: bool) -> dict[str, Any]:
        name, owner = call.params.get(f"{kind}SnapshotIdentifier"), call.params.get(of)
        if name and owner and of_cluster:
            raise Refused(
                "InvalidParameterCombination", "DBClusterIdentifier and DBClusterSnapshotIdentifier exclude each other."
            )
        found = [
            one
            for one in sorted(self.snapshots.values(), key=lambda one: one.name)
            if one.of_cluster == of_cluster
            and one.region == call.region
            and name in (None, one.name)
            and owner in (None, one.of)
        ]
        if name and not found:
            code = "DBClusterSnapshotNotFoundFault" if of_cluster else "DBSnapshotNotFound"
            raise Refused(code, f"{kind}Snapshot {name} not found.")
        page, marker = paged(found, call.params, token="Marker", limit="MaxRecords")
        return {f"{kind}Snapshots": [one.shown() for one in page], "Marker": marker}

    def _must_be_available(self, found: Instance) -> None:
        if found.status != "available":
            raise Refused("InvalidDBInstanceState", f"Instance {found.name} is not in available state.")

    def _cluster_must_be_available(self, found: Cluster) -> None:
        if found.status != "available":
            raise Refused("InvalidDBClusterStateFault", f"DB cluster {found.name} is not in available state.")

    def _measure(self, found: Instance, metric: str, value: Callable[[], float | None]) -> None:
        self.cloud.in_account(self.account).cloudwatch.put(
            "AWS/RDS", metric, {"DBInstanceIdentifier": found.name}, value, region=found.region
        )


def _lag_of(cluster: Cluster, member: Instance) -> Callable[[], float | None]:
    """Of a reader, in the unit of its metric; the writer has none."""

    def value() -> float | None:
        if member.name == cluster.writer or member.lag_s is None:
            return None
        return member.lag_s * 1000 if cluster.aurora else member.lag_s

    return value


def _tags(call: Call) -> dict[str, str]:
    return {one["Key"]: one.get("Value", "") for one in call.params.get("Tags") or ()}


def _status(found: Instance, status: str) -> None:
    found.status = status
