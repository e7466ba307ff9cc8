"""What each refusal and each silence of the API server becomes, and that nothing foreign leaves clients/."""

from collections.abc import Awaitable, Callable

import pytest

from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.errors import ConflictError, TargetNotFoundError
from remediator.clients.kubernetes.rollout import rollout_of
from remediator.errors import FactsMissingError, OutcomeUnknownError, PermanentError, StepError, TransientError
from remediator.sandbox import workloads
from remediator.sandbox.world import World
from remediator.targets import Target
from tests.contract.conftest import CHECKOUT, may_write

INTENT = "int_0123456789abcdefghjkmnpqrs"


async def restart(client: KubernetesClient) -> None:
    workload = await client.workloads.read(CHECKOUT)
    with may_write():
        await client.workloads.restart(workload, INTENT, client.now())


async def scale(client: KubernetesClient) -> None:
    workload = await client.workloads.read(CHECKOUT)
    with may_write():
        await client.workloads.scale(CHECKOUT, 5, workload.resource_version, INTENT)


WRITES = pytest.mark.parametrize("write", [restart, scale])
Write = Callable[[KubernetesClient], Awaitable[None]]


@WRITES
@pytest.mark.parametrize(
    ("kind", "becomes", "changed"),
    [
        ("lose_answer", OutcomeUnknownError, True),
        ("reset", OutcomeUnknownError, False),
        ("drop", OutcomeUnknownError, False),
        ("hang", OutcomeUnknownError, False),
        ("late_answer 3", OutcomeUnknownError, True),
        ("status 500", OutcomeUnknownError, False),
        ("status 502", OutcomeUnknownError, False),
        ("status 504", OutcomeUnknownError, False),
        ("status 408", OutcomeUnknownError, False),
        ("status 429", TransientError, False),
        ("status 503", TransientError, False),
        ("status 409", ConflictError, False),
        ("status 404", TargetNotFoundError, False),
        ("status 400", PermanentError, False),
        ("status 401", PermanentError, False),
        ("status 403", PermanentError, False),
        ("status 415", PermanentError, False),
        ("status 422", PermanentError, False),
    ],
)
async def test_a_failed_write_says_whether_something_may_have_changed(
    world: World, kubernetes: KubernetesClient, write: Write, kind: str, becomes: type[StepError], changed: bool
) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    world.kubernetes.faults.add(match="PATCH *", kind=kind)
    with pytest.raises(StepError) as failed:
        await write(kubernetes)
    assert type(failed.value) is becomes
    assert bool(world.kubernetes.changes("deployments", "shop", "checkout")) is changed
    # Only "outcome unknown" may have changed something: that is what the caller relies on.
    assert not changed or becomes is OutcomeUnknownError
    assert len(world.kubernetes.requests.matching("PATCH")) == 1


@pytest.mark.parametrize(
    "kind",
    ["reset", "drop", "hang", *(f"status {code}" for code in (400, 401, 403, 409, 410, 422, 429, 500, 502, 503, 504))],
)
async def test_a_failed_read_is_a_missing_fact(world: World, kubernetes: KubernetesClient, kind: str) -> None:
    world.deploy("shop", "checkout")
    world.kubernetes.faults.add(match="GET *", kind=kind)
    with pytest.raises(FactsMissingError):
        await kubernetes.workloads.read(CHECKOUT)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b"{}", b'{"metadata": {"name": 7}}', b"\xff\xfe"])
async def test_a_read_that_is_answered_with_something_else_is_a_missing_fact(
    world: World, kubernetes: KubernetesClient, body: bytes
) -> None:
    world.kubernetes.faults.add(match="GET *", kind="status 200", body=body)
    with pytest.raises(FactsMissingError):
        await kubernetes.workloads.read(CHECKOUT)


@WRITES
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"{}"])
async def test_a_write_that_is_answered_with_something_else_is_an_unknown_outcome(
    world: World, kubernetes: KubernetesClient, write: Write, body: bytes
) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    world.kubernetes.faults.add(match="PATCH *", kind="status 200", body=body)
    with pytest.raises(OutcomeUnknownError):
        await write(kubernetes)


async def test_a_503_from_something_in_between_may_come_after_the_write(
    world: World, kubernetes: KubernetesClient
) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    world.kubernetes.faults.add(match="PATCH *", kind="status 503", body=b"upstream connect error")
    with pytest.raises(OutcomeUnknownError):
        await restart(kubernetes)


@pytest.mark.parametrize("code", [429, 503])
async def test_retry_after_is_handed_on(world: World, kubernetes: KubernetesClient, code: int) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    world.kubernetes.faults.add(match="PATCH *", kind=f"status {code}", headers={"Retry-After": "7"})
    with pytest.raises(TransientError) as failed:
        await restart(kubernetes)
    assert failed.value.retry_after_s == 7.0


async def test_a_refused_connection_changed_nothing(world: World, kubernetes: KubernetesClient) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    workload = await kubernetes.workloads.read(CHECKOUT)
    await world.kubernetes.stop()
    with may_write():
        # This one may still go out on the kept connection, which is closed by now: then its outcome is not known.
        with pytest.raises((TransientError, OutcomeUnknownError)):
            await kubernetes.workloads.restart(workload, INTENT, kubernetes.now())
        with pytest.raises(TransientError, match="not sent"):
            await kubernetes.workloads.restart(workload, INTENT, kubernetes.now())
    with pytest.raises(FactsMissingError):
        await kubernetes.workloads.read(CHECKOUT)


async def test_a_denied_write_names_the_missing_permission(world: World, kubernetes: KubernetesClient) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    world.kubernetes.deny("patch", "deployments", "scale")
    with pytest.raises(PermanentError, match=r"missing permission: patch on deployments/scale\.apps"):
        await scale(kubernetes)
    assert world.kubernetes.changes("deployments", "shop", "checkout") == []


async def test_a_denied_read_names_the_missing_permission(world: World, kubernetes: KubernetesClient) -> None:
    world.deploy("shop", "checkout")
    world.kubernetes.deny("get", "deployments")
    with pytest.raises(FactsMissingError, match=r"missing permission: get on deployments\.apps"):
        await kubernetes.workloads.read(CHECKOUT)


async def test_a_target_that_does_not_exist_is_an_error_of_its_own(world: World, kubernetes: KubernetesClient) -> None:
    world.kubernetes.add_namespace("shop")
    with pytest.raises(TargetNotFoundError, match="not found"):
        await kubernetes.workloads.read(CHECKOUT)


async def test_a_path_that_the_server_does_not_serve_is_not_a_missing_target(
    world: World, kubernetes: KubernetesClient
) -> None:
    world.deploy("shop", "checkout")
    world.kubernetes.faults.add(match="GET *", kind="status 404", body=b'{"kind":"Status","code":404,"details":{}}')
    with pytest.raises(FactsMissingError):
        await kubernetes.workloads.read(CHECKOUT)


async def test_the_target_of_another_cluster_is_never_read_here(kubernetes: KubernetesClient) -> None:
    with pytest.raises(ValueError, match="not in cluster"):
        await kubernetes.workloads.read(Target.kubernetes("staging", "shop", "deployment", "checkout"))


async def test_a_stale_version_conflicts_and_changes_nothing(world: World, kubernetes: KubernetesClient) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    workload = await kubernetes.workloads.read(CHECKOUT)
    with may_write():
        await kubernetes.workloads.scale(CHECKOUT, 4, workload.resource_version, INTENT)
        with pytest.raises(ConflictError):
            await kubernetes.workloads.scale(CHECKOUT, 5, workload.resource_version, INTENT)
    assert world.kubernetes.get("deployments", "shop", "checkout")["spec"]["replicas"] == 4


async def test_kinds_are_looked_up_and_ambiguity_is_seen(world: World, kubernetes: KubernetesClient) -> None:
    world.deploy("shop", "checkout")
    found = await kubernetes.workloads.find("prod", "shop", "checkout")
    assert found == (CHECKOUT,)
    world.deploy("shop", "checkout", plural="statefulsets")
    assert len(await kubernetes.workloads.find("prod", "shop", "checkout")) == 2
    assert await kubernetes.workloads.find("prod", "shop", "nothing") == ()
    world.kubernetes.deny("get", "daemonsets")
    with pytest.raises(FactsMissingError):
        await kubernetes.workloads.find("prod", "shop", "checkout")


async def test_pods_of_a_workload_leave_out_those_of_another(world: World, kubernetes: KubernetesClient) -> None:
    world.deploy("shop", "checkout", replicas=2, behaviour="crash-loop")
    stray = {
        "metadata": {"name": "stray", "namespace": "shop", "labels": {"app": "checkout"}},
        "spec": {"containers": []},
    }
    world.kubernetes.put("pods", stray)
    await world.kubernetes.until(lambda: _waiting(world))
    pods = await kubernetes.pods.of(await kubernetes.workloads.read(CHECKOUT))
    assert len(pods) == 2
    assert {pod.waiting for pod in pods} == {"CrashLoopBackOff"}
    assert not any(pod.ready for pod in pods)


def _waiting(world: World) -> bool:
    pods = workloads.pods_of(world.kubernetes, "deployments", "shop", "checkout")
    waits = [c["state"].get("waiting", {}) for pod in pods for c in pod["status"].get("containerStatuses", ())]
    return [wait.get("reason") for wait in waits if wait] == ["CrashLoopBackOff"] * 2


@pytest.mark.parametrize("plural", ["deployments", "statefulsets", "daemonsets"])
async def test_a_finished_rollout_reads_as_done(world: World, kubernetes: KubernetesClient, plural: str) -> None:
    world.deploy("shop", "checkout", plural=plural)
    await world.rolled_out("shop", "checkout", plural=plural)
    target = Target.kubernetes("prod", "shop", plural.removesuffix("s"), "checkout")
    assert rollout_of(await kubernetes.workloads.read(target)).done


async def test_owners_are_seen(world: World, kubernetes: KubernetesClient) -> None:
    world.deploy(
        "shop",
        "checkout",
        labels={"helm.toolkit.fluxcd.io/name": "shop"},
        annotations={
            "argocd.argoproj.io/tracking-id": "shop-app:apps/Deployment:shop/checkout",
            "meta.helm.sh/release-name": "rel",
        },
    )
    workload = await kubernetes.workloads.read(CHECKOUT)
    assert workload.owners == ("Argo CD application shop-app", "Flux helm release shop", "Helm release rel")


@pytest.mark.parametrize("body", [b"{}", b'{"items": {}}', b'{"items": null}', b'{"items": ""}', b'{"items": [{}]}'])
async def test_a_list_that_is_none_is_not_an_empty_one(world: World, kubernetes: KubernetesClient, body: bytes) -> None:
    """Else an unreadable answer would say that no autoscaler owns the workload."""
    world.deploy("shop", "checkout")
    workload = await kubernetes.workloads.read(CHECKOUT)
    for ask in (kubernetes.autoscalers.of, kubernetes.pods.of):
        world.kubernetes.faults.add(match="GET *", kind="status 200", body=body)
        with pytest.raises(FactsMissingError):
            await ask(workload)
