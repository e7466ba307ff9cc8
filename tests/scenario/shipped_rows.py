"""States of the simulated world that the shipped playbooks are for: the alert that is told there, and what is to be proposed."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from remediator.sandbox.kubernetes import words
from remediator.sandbox.kubernetes.store import Writer
from remediator.sandbox.timekeeping import rfc3339_seconds
from remediator.sandbox.world import World

LONG_AGO = timedelta(hours=3)
SOMEBODY = Writer("kubectl")

Prepare = Callable[[World], Awaitable[None]]
Labels = Callable[[World], dict[str, str]]


async def checkout(world: World, **options: Any) -> None:
    world.deploy("shop", "checkout", **options)
    await world.rolled_out("shop", "checkout", plural=options.get("plural", "deployments"))


async def stateful(world: World) -> None:
    await checkout(world, plural="statefulsets")


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


async def two_leak(world: World) -> None:
    """Two pods are short of memory, and Alertmanager has both alerts."""
    await checkout(world)
    for name in ("checkout-1", "checkout-2"):
        labels = {"namespace": "shop", "pod": name, "container": "checkout", "severity": "high"}
        world.alert_when(lambda: True, "HighMemoryUsage", labels)


async def volume_that_stays(world: World) -> None:
    await volume(world, grows=False)


async def volume(world: World, *, grows: bool = True) -> None:
    classed = {"metadata": {"name": "fast"}, "provisioner": "sandbox", "allowVolumeExpansion": grows}
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


async def postgres(world: World) -> None:
    """One instance, which is its primary."""
    labels = {"cnpg.io/cluster": "db", "cnpg.io/podRole": "instance"}
    containers = [{"name": "postgres", "image": "registry.example.net/postgresql:17"}]
    instance = {"metadata": {"name": "db-1", "namespace": "shop", "labels": labels}, "spec": {"containers": containers}}
    world.kubernetes.put("pods", instance)
    world.kubernetes.put("clusters", {"metadata": {"name": "db", "namespace": "shop"}, "spec": {"instances": 1}})
    world.kubernetes.get("clusters", "shop", "db")["status"] = {"currentPrimary": "db-1"}
    await world.kubernetes.until(lambda: is_ready(world.kubernetes.get("pods", "shop", "db-1")))


async def certificate(world: World, *, days_old: int = 85) -> None:
    """Issued for 90 days, ``days_old`` ago."""
    world.kubernetes.put("issuers", {"metadata": {"name": "ca", "namespace": "shop"}, "spec": {"selfSigned": {}}})
    annotations = {words.ISSUED_AGO: str(days_old * 24 * 3600), words.TRIGGER: "never"}
    spec = {"secretName": "web-tls", "issuerRef": {"name": "ca"}, "dnsNames": ["shop.example.net"]}
    made = {"metadata": {"name": "web", "namespace": "shop", "annotations": annotations}, "spec": spec}
    world.kubernetes.put("certificates", made)
    await world.kubernetes.until(
        lambda: world.kubernetes.get("certificates", "shop", "web").get("status", {}).get("revision") == 1
    )


def of_certificate(world: World) -> dict[str, str]:
    del world
    return {"namespace": "cert-manager", "exported_namespace": "shop", "name": "web"}


def is_ready(found: dict[str, Any]) -> bool:
    conditions = found.get("status", {}).get("conditions", ())
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def pod(world: World) -> str:
    found = world.kubernetes.store.all(world.kubernetes.registry.by_plural("pods"), "shop")
    return str(next(one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"]))


@dataclass(frozen=True)
class Row:
    """An alert that is told in a state of the world, and what is to be proposed about it."""

    playbook: str
    alert: str
    prepare: Prepare
    labels: Labels
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


def of_claim(world: World) -> dict[str, str]:
    del world
    return {"namespace": "shop", "persistentvolumeclaim": "data"}


def of_stateful(world: World) -> dict[str, str]:
    del world
    return {"namespace": "shop", "statefulset": "checkout"}


def of_pod(world: World) -> dict[str, str]:
    return {"namespace": "shop", "pod": pod(world)}


def of_container(world: World) -> dict[str, str]:
    return {**of_pod(world), "container": "checkout"}


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
        of_claim,
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
    Row("memory-leak-restart", "HighMemoryUsage", checkout, of_container, "evict-pod", "evict pod"),
    Row(
        "memory-pressure-scale-out",
        "HighMemoryUsage",
        checkout,
        of_deployment,
        "scale-out",
        "from 3 to 4 replicas",
    ),
    Row(
        "memory-pressure-scale-out",
        "HighMemoryUsage",
        autoscaler,
        of_deployment,
        "raise-autoscaler-minimum",
        "from 2 to 3 replicas",
    ),
    Row(
        "certificate-renew",
        "CertificateExpiry",
        certificate,
        of_certificate,
        "renew",
        "issue certificate shop/web anew",
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
        "cache-diagnose",
        "CacheMissRateHigh",
        stateful,
        of_stateful,
        "restart",
        "restart the 3 pods",
        {".*evicted.*": 2},
    ),
    Row(
        "cache-diagnose",
        "CacheMissRateHigh",
        stateful,
        of_stateful,
        "diagnose",
        "run redis-cli INFO",
        {".*evicted.*": 0},
    ),
    Row(
        "slow-query-diagnose",
        "SlowQueries",
        postgres,
        lambda _: {"namespace": "shop", "cnpg_cluster": "db"},
        "diagnose",
        "run psql",
    ),
    Row(
        "read-replica-scale",
        "ReplicationLagHigh",
        stateful,
        of_stateful,
        "add-replica",
        "from 3 to 4 replicas",
    ),
]

NOT_FOR = [
    ("high-error-rate", "HighErrorRate", checkout, of_deployment),  # released for the first time, a moment ago
    ("volume-expand", "DiskSpaceLow", volume_that_stays, of_claim),
    ("memory-leak-restart", "HighMemoryUsage", two_leak, of_container),
]
"""States in which a playbook has its alert and no remedy."""
