"""ECS: services whose tasks are started, stopped and replaced by deployments."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from remediator.sandbox.aws.service import Call, Refused, Service

_NOTICED_S = 5.0
_TASKS_RUN_S = 30.0
_DRAINED_S = 30.0
_GIVEN_UP_S = 120.0
_KEPT = 100


@dataclass
class Deployment:
    """One rollout."""

    id: str
    task_definition: str
    made_at: datetime
    written_at: datetime
    desired: int
    running: int = 0
    status: str = "PRIMARY"
    rollout: str = "IN_PROGRESS"
    reason: str = ""


@dataclass
class EcsService:
    """One service; tests may set every field. `healthy` False: tasks that are started fail."""

    cluster: str
    name: str
    region: str
    desired: int
    task_definition: str
    made_at: datetime
    healthy: bool = True
    status: str = "ACTIVE"
    controller: str = "ECS"
    scheduling: str = "REPLICA"
    minimum_healthy: int = 100
    circuit_breaker: bool = True
    tags: dict[str, str] = field(default_factory=dict)
    deployments: list[Deployment] = field(default_factory=list)
    events: list[tuple[str, datetime, str]] = field(default_factory=list)
    restarts: int = 0
    """How often a new deployment was forced."""
    sized: int = 0
    """How often its number was set to another one."""

    @property
    def running(self) -> int:
        return sum(one.running for one in self.deployments)

    @property
    def primary(self) -> Deployment:
        return next(one for one in self.deployments if one.status == "PRIMARY")


class Ecs(Service):
    """`services` by (cluster, name)."""

    name: ClassVar[str] = "ecs"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.services: dict[tuple[str, str], EcsService] = {}

    def add(
        self,
        cluster: str,
        name: str,
        *,
        desired: int = 2,
        task_definition: str | None = None,
        tags: Mapping[str, str] | None = None,
        region: str | None = None,
    ) -> EcsService:
        """A service in steady state."""
        where, now = region or self.cloud.region, self.cloud.now()
        definition = task_definition or f"arn:aws:ecs:{where}:{self.account}:task-definition/{name}:7"
        made = EcsService(cluster, name, where, desired, definition, now, tags=dict(tags or {}))
        made.deployments = [Deployment(self._id(), definition, now, now, desired, running=desired, rollout="COMPLETED")]
        self.services[(cluster, name)] = made
        self._say(made, "has reached a steady state.")
        return made

    async def DescribeServices(self, call: Call) -> dict[str, Any]:
        cluster = self._cluster(call)
        found, failures = [], []
        for asked in call.params["services"]:
            one = self.services.get((cluster, asked.rpartition("/")[2]))
            if one is None or one.region != call.region:
                arn = f"arn:aws:ecs:{call.region}:{self.account}:service/{cluster}/{asked}"
                failures.append({"arn": arn, "reason": "MISSING"})
            else:
                found.append(self._shown(one, tags="TAGS" in (call.params.get("include") or [])))
        return {"services": found, "failures": failures}

    async def UpdateService(self, call: Call) -> dict[str, Any]:
        one = self.services.get((self._cluster(call), call.params["service"].rpartition("/")[2]))
        if one is None or one.region != call.region:
            raise Refused("ServiceNotFoundException", "Service not found.", 400)
        if one.status != "ACTIVE":
            raise Refused("ServiceNotActiveException", "Service was not ACTIVE.", 400)
        wanted = call.params.get("desiredCount")
        if wanted is not None and one.scheduling == "DAEMON":
            raise Refused(
                "InvalidParameterException", "The daemon scheduling strategy does not support a desired count.", 400
            )
        if wanted is not None and wanted != one.desired:
            self._size(one, int(wanted))
        definition = call.params.get("taskDefinition")
        if call.params.get("forceNewDeployment") or (definition and definition != one.task_definition):
            if one.controller != "ECS":
                raise Refused(
                    "InvalidParameterException",
                    f"Cannot force a new deployment on services with a {one.controller} deployment controller.",
                    400,
                )
            one.restarts += 1
            self.deploy(one, definition or one.task_definition)
        return {"service": self._shown(one, tags=False)}

    # What it does by itself.

    def deploy(self, one: EcsService, definition: str) -> Deployment:
        """Begin a new deployment, as whoever may do that."""
        now = self.cloud.now()
        for old in one.deployments:
            old.status = "ACTIVE"
        one.task_definition = definition
        new = Deployment(
            self._id(), definition, now, now, one.desired, reason=f"ECS deployment {one.name} in progress."
        )
        one.deployments.insert(0, new)
        healthy = one.healthy

        def runs() -> None:
            if new not in one.deployments:
                return
            if healthy:
                new.running = new.desired
                self._say(one, f"has started {new.desired} tasks: (task {self.cloud.new_id()}).")
                self.cloud.after(_DRAINED_S, lambda: self._complete(one, new))
            elif one.circuit_breaker:
                self.cloud.after(_GIVEN_UP_S, lambda: self._give_up(one, new))

        self.cloud.after(_TASKS_RUN_S, runs)
        return new

    def _complete(self, one: EcsService, new: Deployment) -> None:
        if new.status != "PRIMARY" or new not in one.deployments:
            return
        one.deployments = [new]
        new.rollout, new.reason, new.written_at = "COMPLETED", "ECS deployment completed.", self.cloud.now()
        self._say(one, "has reached a steady state.")

    def _give_up(self, one: EcsService, new: Deployment) -> None:
        if new.status != "PRIMARY" or new not in one.deployments:
            return
        new.rollout, new.reason = "FAILED", "ECS deployment circuit breaker: tasks failed to start."
        new.written_at = self.cloud.now()
        self._say(one, f"(deployment {new.id}) deployment failed: tasks failed to start.")

    def _size(self, one: EcsService, wanted: int) -> None:
        one.desired, one.sized = wanted, one.sized + 1
        primary = one.primary
        primary.desired, primary.written_at = wanted, self.cloud.now()

        def begins() -> None:
            if one.desired == wanted and primary.running != wanted:
                more = wanted - primary.running
                self._say(
                    one,
                    f"has started {more} tasks: (task {self.cloud.new_id()})."
                    if more > 0
                    else f"has stopped {-more} running tasks: (task {self.cloud.new_id()}).",
                )

        def runs() -> None:
            if one.desired == wanted and primary in one.deployments and one.healthy:
                primary.running, primary.written_at = wanted, self.cloud.now()
                self._say(one, "has reached a steady state.")

        self.cloud.after(_NOTICED_S, begins)
        self.cloud.after(_TASKS_RUN_S, runs)

    def _say(self, one: EcsService, message: str) -> None:
        one.events.insert(0, (self.cloud.new_id("ev-"), self.cloud.now(), f"(service {one.name}) {message}"))
        del one.events[_KEPT:]

    def _id(self) -> str:
        return self.cloud.new_id("ecs-svc/7000")

    def _cluster(self, call: Call) -> str:
        cluster = str(call.params.get("cluster") or "default").rpartition("/")[2]
        if not any(key[0] == cluster for key in self.services):
            raise Refused("ClusterNotFoundException", "Cluster not found.", 400)
        return cluster

    def _shown(self, one: EcsService, *, tags: bool) -> dict[str, Any]:
        shown: dict[str, Any] = {
            "serviceArn": f"arn:aws:ecs:{one.region}:{self.account}:service/{one.cluster}/{one.name}",
            "serviceName": one.name,
            "clusterArn": f"arn:aws:ecs:{one.region}:{self.account}:cluster/{one.cluster}",
            "status": one.status,
            "desiredCount": one.desired,
            "runningCount": one.running,
            "pendingCount": 0,
            "launchType": "FARGATE",
            "taskDefinition": one.task_definition,
            "schedulingStrategy": one.scheduling,
            "deploymentController": {"type": one.controller},
            "deploymentConfiguration": {
                "deploymentCircuitBreaker": {"enable": one.circuit_breaker, "rollback": False},
                "maximumPercent": 200,
                "minimumHealthyPercent": one.minimum_healthy,
            },
            "createdAt": one.made_at,
            "deployments": [
                {
                    "id": each.id,
                    "status": each.status,
                    "taskDefinition": each.task_definition,
                    "desiredCount": each.desired,
                    "pendingCount": 0,
                    "runningCount": each.running,
                    "failedTasks": 0,
                    "createdAt": each.made_at,
                    "updatedAt": each.written_at,
                    "rolloutState": each.rollout,
                    "rolloutStateReason": each.reason,
                }
                for each in one.deployments
            ],
            "events": [{"id": key, "createdAt": at, "message": message} for key, at, message in one.events],
        }
        return shown | (
            {"tags": [{"key": key, "value": value} for key, value in sorted(one.tags.items())]} if tags else {}
        )
