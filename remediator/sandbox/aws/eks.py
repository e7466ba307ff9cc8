"""EKS: managed node groups on Auto Scaling groups, changed by updates that take their time, one at once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from remediator.sandbox.aws.autoscaling import Autoscaling, Group
from remediator.sandbox.aws.service import Call, Refused, Service, paged

_UPDATES_IN_S = 15.0
_JOINS_IN_S = 30.0


@dataclass
class Update:
    """One change that was asked for."""

    id: str
    token: str
    sizes: dict[str, int]
    begun_at: datetime
    status: str = "InProgress"
    errors: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class Nodegroup:
    """One node group; tests may set every field."""

    cluster: str
    name: str
    arn: str
    region: str
    group: Group
    tags: dict[str, str]
    status: str = "ACTIVE"
    issues: list[dict[str, Any]] = field(default_factory=list)
    updates: dict[str, Update] = field(default_factory=dict)


class Eks(Service):
    """`nodegroups` by (cluster, name); the Auto Scaling group under each is `nodegroup.group`."""

    name: ClassVar[str] = "eks"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.nodegroups: dict[tuple[str, str], Nodegroup] = {}

    def add(
        self,
        cluster: str,
        name: str,
        *,
        minimum: int = 1,
        maximum: int = 5,
        desired: int = 2,
        tags: Mapping[str, str] | None = None,
        region: str | None = None,
    ) -> Nodegroup:
        """A node group whose nodes all run."""
        where = region or self.cloud.region
        group = self._autoscaling.add(
            f"eks-{name}-{self.cloud.new_id()}",
            minimum=minimum,
            maximum=maximum,
            desired=desired,
            region=where,
            # EKS tags every group so, whether an autoscaler runs or not.
            tags={
                "eks:cluster-name": cluster,
                "eks:nodegroup-name": name,
                "k8s.io/cluster-autoscaler/enabled": "true",
                f"k8s.io/cluster-autoscaler/{cluster}": "owned",
            },
        )
        arn = f"arn:aws:eks:{where}:{self.account}:nodegroup/{cluster}/{name}/{self.cloud.new_id('9c8d-')}"
        made = Nodegroup(cluster, name, arn, where, group, dict(tags or {}))
        self.nodegroups[(cluster, name)] = made
        return made

    def on_nodes(self, nodegroup: Nodegroup, joined: Callable[[str], None], left: Callable[[str], None]) -> None:
        """Be told the instance of each node that joins the cluster from now on, some time after it runs, and of each that leaves."""

        def told(instance: str, runs: bool) -> None:
            if runs:
                self.cloud.after(_JOINS_IN_S, lambda: joined(instance))
            else:
                left(instance)

        nodegroup.group.watchers.append(told)

    async def DescribeNodegroup(self, call: Call) -> dict[str, Any]:
        return {"nodegroup": self._shown(self._nodegroup(call, "clusterName"))}

    async def ListUpdates(self, call: Call) -> dict[str, Any]:
        found = self._nodegroup(call, "name")
        page, token = paged(list(found.updates), call.params, token="nextToken", limit="maxResults")
        return {"updateIds": page, "nextToken": token}

    async def DescribeUpdate(self, call: Call) -> dict[str, Any]:
        update = self._nodegroup(call, "name").updates.get(call.params["updateId"])
        if update is None:
            raise Refused("ResourceNotFoundException", f"No update found for id: {call.params['updateId']}", 404)
        return {"update": _update(update)}

    async def UpdateNodegroupConfig(self, call: Call) -> dict[str, Any]:
        found = self._nodegroup(call, "clusterName")
        sizes = {key: int(value) for key, value in (call.params.get("scalingConfig") or {}).items()}
        token = call.params.get("clientRequestToken") or self.cloud.new_id("token-")
        earlier = next((one for one in found.updates.values() if one.token == token), None)
        if earlier is not None:
            if earlier.sizes != sizes:
                raise Refused("InvalidParameterException", "The client token was used with other parameters", 400)
            return {"update": _update(earlier)}
        if found.status != "ACTIVE":
            raise Refused(
                "ResourceInUseException",
                "Nodegroup cannot be updated as it is currently not in Active State",
                409,
                {"clusterName": found.cluster, "nodegroupName": found.name},
            )
        _check(found.group, sizes)
        update = Update(self.cloud.new_id("1f2e-"), token, sizes, self.cloud.now())
        found.updates[update.id] = update
        found.status = "UPDATING"
        self._set(found.group, sizes)

        def over() -> None:
            if update.status == "InProgress":
                update.status, found.status = "Successful", "ACTIVE"

        self.cloud.after(_UPDATES_IN_S, over)
        return {"update": _update(update)}

    def _set(self, group: Group, sizes: Mapping[str, int]) -> None:
        group.minimum = sizes.get("minSize", group.minimum)
        group.maximum = sizes.get("maxSize", group.maximum)
        wanted = sizes.get("desiredSize", group.desired)
        group.sized += 1
        self._autoscaling.size(
            group,
            wanted,
            f"a user request update of AutoScalingGroup constraints to min: {group.minimum}, max: {group.maximum}, "
            f"desired: {wanted} changing the desired capacity from {group.desired} to {wanted}.",
        )

    def _nodegroup(self, call: Call, cluster_key: str) -> Nodegroup:
        cluster, name = call.params[cluster_key], call.params["nodegroupName"]
        found = self.nodegroups.get((cluster, name))
        if found is not None and found.region == call.region:
            return found
        if not any(one.cluster == cluster for one in self.nodegroups.values()):
            raise Refused("ResourceNotFoundException", f"No cluster found for name: {cluster}.", 404)
        raise Refused(
            "ResourceNotFoundException",
            f"No node group found for name: {name}.",
            404,
            {"clusterName": cluster, "nodegroupName": name},
        )

    def _shown(self, one: Nodegroup) -> dict[str, Any]:
        return {
            "nodegroupName": one.name,
            "nodegroupArn": one.arn,
            "clusterName": one.cluster,
            "version": "1.34",
            "status": one.status,
            "capacityType": "ON_DEMAND",
            "scalingConfig": {
                "minSize": one.group.minimum,
                "maxSize": one.group.maximum,
                "desiredSize": one.group.desired,
            },
            "resources": {"autoScalingGroups": [{"name": one.group.name}]},
            "health": {"issues": one.issues},
            "tags": one.tags,
        }

    @property
    def _autoscaling(self) -> Autoscaling:
        return self.cloud.in_account(self.account).of(Autoscaling)


def _check(group: Group, sizes: Mapping[str, int]) -> None:
    minimum, maximum = sizes.get("minSize", group.minimum), sizes.get("maxSize", group.maximum)
    desired = sizes.get("desiredSize", group.desired)
    if minimum > desired:
        raise Refused(
            "InvalidParameterException", f"Minimum capacity {minimum} can't be greater than desired size {desired}", 400
        )
    if desired > maximum:
        raise Refused(
            "InvalidParameterException", f"desired capacity {desired} can't be greater than max size {maximum}", 400
        )


_TYPES = {"minSize": "MinSize", "maxSize": "MaxSize", "desiredSize": "DesiredSize"}


def _update(one: Update) -> dict[str, Any]:
    return {
        "id": one.id,
        "status": one.status,
        "type": "ConfigUpdate",
        "params": [{"type": _TYPES[key], "value": str(value)} for key, value in sorted(one.sizes.items())],
        "createdAt": one.begun_at,
        "errors": one.errors,
    }
