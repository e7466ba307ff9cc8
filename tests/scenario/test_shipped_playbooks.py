"""Every playbook about Kubernetes as it ships, all of them in force at once: the alert that it is for leads to the plan that its
first lines promise, no other playbook takes it, and nothing is done without a person.

The whole program on the simulated world; `explain` asks what a decision asks.
"""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from remediator.sandbox.kubernetes.store import Writer
from remediator.sandbox.timekeeping import rfc3339_seconds
from remediator.sandbox.world import World
from tests.support.service import firing, running

PLAYBOOKS = Path(__file__).parents[2] / "playbooks"
SHIPPED = {path.stem: path.read_text() for path in sorted(PLAYBOOKS.glob("*.yaml"))}
LONG_AGO = timedelta(hours=3)
SOMEBODY = Writer("kubectl")


async def checkout(world: World, **options: Any) -> None:
    world.deploy("shop", "checkout", **options)
    await world.rolled_out("shop", "checkout", plural=options.get("plural", "deployments"))


async def first_release(world: World) -> None:
    """Released some hours ago, and never before."""
    await checkout(world)
    [only] = world.kubernetes.store.all(world.kubernetes.registry.by_plural("replicasets"), "shop")
    only["metadata"]["creationTimestamp"] = rfc3339_seconds(world.pace.now() - LONG_AGO)


async def just_released(world: World) -> None:
    """A second release, a moment ago."""
    await checkout(world, image="registry.example.net/shop/checkout:1.0")
    deploy(world, "registry.example.net/shop/checkout:2.0")
    await world.rolled_out("shop", "checkout")


async def stuck(world: World) -> None:
    """A second release that never becomes ready."""
    await checkout(world, image="registry.example.net/shop/checkout:1.0")
    world.sicken("shop", "checkout", "healthy", on_restart="never-ready")
    deploy(world, "registry.example.net/shop/checkout:2.0")
    await world.kubernetes.until(lambda: deployment(world)["status"].get("updatedReplicas", 0) > 0)


def deployment(world: World) -> dict[str, Any]:
    return world.kubernetes.get("deployments", "shop", "checkout")


def deploy(world: World, image: str) -> None:
    found = deployment(world)
    spec = {**found["spec"]["template"]["spec"], "containers": [{"name": "checkout", "image": image}]}
    template = {**found["spec"]["template"], "spec": spec}
    kind = world.kubernetes.registry.by_plural("deployments")
    changed = {**found, "spec": {**found["spec"], "template": template}}
    world.kubernetes.store.update(kind, found, changed, SOMEBODY)


async def autoscaler(world: World) -> None:
    await checkout(world)
    aim = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "checkout"}
    spec = {"scaleTargetRef": aim, "minReplicas": 2, "maxReplicas": 29}
    world.kubernetes.put(
        "horizontalpodautoscalers", {"metadata": {"name": "checkout", "namespace": "shop"}, "spec": spec}
    )


async def volume(world: World) -> None:
    classed = {"metadata": {"name": "fast"}, "provisioner": "sandbox", "allowVolumeExpansion": True}
    world.kubernetes.put("storageclasses", classed)
    spec = {
        "storageClassName": "fast",
        "accessModes": ["ReadWriteOnce"],
        "resources": {"requests": {"storage": "10Gi"}},
    }
    world.kubernetes.put("persistentvolumeclaims", {"metadata": {"name": "data", "namespace": "shop"}, "spec": spec})
    await world.kubernetes.until(
        lambda: "capacity" in world.kubernetes.get("persistentvolumeclaims", "shop", "data").get("status", {})
    )


def pod(world: World) -> str:
    found = world.kubernetes.store.all(world.kubernetes.registry.by_plural("pods"), "shop")
    return str(next(one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"]))


@dataclass(frozen=True)
class Row:
    """An alert that is told in a state of the world, and what is to be proposed about it."""

    playbook: str
    alert: str
    prepare: Callable[[World], Awaitable[None]]
    labels: Callable[[World], dict[str, str]]
    remedy: str
    summary: str
    """What the plan says."""
    answers: dict[str, float] = field(default_factory=dict)
    """Of Prometheus, by a pattern of the query."""

    def __str__(self) -> str:
        return f"{self.playbook}-{self.remedy}"


def of_deployment(world: World) -> dict[str, str]:
    del world
    return {"namespace": "shop", "deployment": "checkout"}


def of_pod(world: World) -> dict[str, str]:
    return {"namespace": "shop", "pod": pod(world)}


ROWS = [
    Row("service-down", "ServiceDown", checkout, of_deployment, "restart", "restart the 3 pods"),
    Row("high-error-rate", "HighErrorRate", just_released, of_deployment, "rollback", "from revision 2 to 1"),
    Row("high-error-rate", "HighErrorRate", first_release, of_deployment, "restart", "restart the 3 pods"),
    Row("crashloop-rollback", "KubePodCrashLooping", just_released, of_pod, "rollback", "from revision 2 to 1"),
    Row("crashloop-rollback", "CrashLooping", first_release, of_pod, "restart", "restart the 3 pods"),
    Row("rollout-stuck-undo", "KubeDeploymentRolloutStuck", stuck, of_deployment, "undo", "from revision 2 to 1"),
    Row(
        "volume-expand",
        "DiskSpaceLow",
        volume,
        lambda _: {"namespace": "shop", "persistentvolumeclaim": "data"},
        "expand",
        "from 10Gi to 12800Mi",
    ),
    Row(
        "node-cordon-drain",
        "NodeDiskPressure",
        checkout,
        lambda world: {"node": world.kubernetes.get("pods", "shop", pod(world))["spec"]["nodeName"]},
        "drain",
        "drain node",
    ),
    Row(
        "hpa-raise-ceiling",
        "HPAMaxedOut",
        autoscaler,
        lambda _: {"namespace": "shop", "horizontalpodautoscaler": "checkout"},
        "raise-maximum",
        "from 29 to 30 replicas",
    ),
    Row("cpu-scale-out", "HighCPU", checkout, of_deployment, "scale-out", "from 3 to 4 replicas"),
    Row(
        "latency-scale-out",
        "HighResponseTime",
        checkout,
        of_deployment,
        "scale-out",
        "from 3 to 4 replicas",
        {".*pg_stat_activity.*": 0.1},
    ),
    Row(
        "read-replica-scale",
        "ReplicationLagHigh",
        lambda world: checkout(world, plural="statefulsets"),
        lambda _: {"namespace": "shop", "statefulset": "checkout"},
        "add-replica",
        "from 3 to 4 replicas",
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=str)
async def test_the_alert_leads_to_the_plan_that_is_promised(tmp_path: Path, row: Row) -> None:
    async with World(speed=4) as world:
        await row.prepare(world)
        for query, answer in row.answers.items():
            world.prometheus.script(re.compile(query, re.DOTALL), answer)
        async with running(tmp_path, *SHIPPED.values(), world=world, clusters__sandbox__nodes=True) as service:
            alert = firing(row.alert, **row.labels(world))  # type: ignore[arg-type]  # labels only
            _, found = await service.api("POST", "explain", alert=alert)
            [mine] = [one for one in found["alerts"][0]["playbooks"] if one["matches"]]
            assert (mine["playbook"], mine["remedy"]) == (row.playbook, row.remedy), mine
            assert row.summary in "; ".join(step["summary"] for step in mine["plan"]["steps"])
            refused = [guard for guard in mine["guards"] if not guard["passes"]]
            assert (mine["verdict"], refused) == ("approve" if row.playbook == "service-down" else "propose", [])
            assert not [one for one in world.kubernetes.requests if one.writes and "authorization" not in one.path]
