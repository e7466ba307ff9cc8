"""rollout_complete and replicas_ready against the simulated cluster."""

import pytest

from remediator.answers import Answer
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look
from remediator.conditions.base import World as Clients
from remediator.sandbox.kubernetes.resources import Object
from remediator.sandbox.world import World
from remediator.targets import Target
from tests.contract.conftest import CHECKOUT, may_write
from tests.support.clock import T0

COMPLETE, READY = condition_named("rollout_complete"), condition_named("replicas_ready")


async def look(kubernetes: KubernetesClient, name: str, target: Target = CHECKOUT, **params: int) -> Look:
    condition = condition_named(name)
    clients = Clients(kubernetes, None, None)
    return await condition.look(clients, target, condition.params.model_validate(params), Known(now=T0, labels={}))


@pytest.mark.parametrize("plural", ["deployments", "statefulsets", "daemonsets"])
async def test_yes_once_every_pod_is_new_and_available(world: World, kubernetes: KubernetesClient, plural: str) -> None:
    target = Target.kubernetes("prod", "shop", plural.removesuffix("s"), "checkout")
    world.deploy("shop", "checkout", plural=plural)
    assert (await look(kubernetes, "rollout_complete", target)).answer is Answer.NO
    assert (await look(kubernetes, "replicas_ready", target)).answer is Answer.NO
    await world.rolled_out("shop", "checkout", plural=plural)
    assert (await look(kubernetes, "rollout_complete", target)).answer is Answer.YES
    assert (await look(kubernetes, "replicas_ready", target)).answer is Answer.YES


async def test_the_old_complete_rollout_is_not_taken_for_the_new_one(
    world: World, kubernetes: KubernetesClient
) -> None:
    """Right after the patch the status still describes the generation before."""
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    world.kubernetes.health.set("deployments", "shop", "checkout", "healthy", "slow")
    with may_write():
        await kubernetes.workloads.restart(await kubernetes.workloads.read(CHECKOUT), "int_1", kubernetes.now())
    assert (await look(kubernetes, "rollout_complete")).answer is Answer.NO


async def test_a_crash_loop_is_a_known_no(world: World, kubernetes: KubernetesClient) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    world.sicken("shop", "checkout", "crash-loop")
    await world.kubernetes.until(lambda: not _status(world).get("readyReplicas"))
    assert (await look(kubernetes, "rollout_complete")).answer is Answer.NO
    ready = await look(kubernetes, "replicas_ready")
    assert (ready.answer, ready.seen) == (Answer.NO, "0 of 3 pods are ready")


async def test_an_exceeded_progress_deadline_is_a_no_with_the_reason(
    world: World, kubernetes: KubernetesClient
) -> None:
    world.deploy("shop", "checkout", behaviour="never-ready", spec={"progressDeadlineSeconds": 1})
    await world.kubernetes.until(
        lambda: any(c.get("reason") == "ProgressDeadlineExceeded" for c in _status(world).get("conditions", ()))
    )
    seen = await look(kubernetes, "rollout_complete")
    assert seen.answer is Answer.NO
    assert "deadline was exceeded" in seen.seen


async def test_fewer_may_be_enough(world: World, kubernetes: KubernetesClient) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    assert (await look(kubernetes, "replicas_ready", at_least=3)).answer is Answer.YES
    assert (await look(kubernetes, "replicas_ready", at_least=4)).answer is Answer.NO


async def test_a_workload_that_wants_no_pods_has_none_ready(world: World, kubernetes: KubernetesClient) -> None:
    world.deploy("shop", "checkout", replicas=0)
    await world.rolled_out("shop", "checkout")
    assert (await look(kubernetes, "replicas_ready")).answer is Answer.NO


async def test_on_delete_rollouts_have_no_end_to_ask_for(world: World, kubernetes: KubernetesClient) -> None:
    target = Target.kubernetes("prod", "shop", "statefulset", "checkout")
    world.deploy("shop", "checkout", plural="statefulsets", spec={"updateStrategy": {"type": "OnDelete"}})
    assert (await look(kubernetes, "rollout_complete", target)).answer is Answer.UNKNOWN


@pytest.mark.parametrize("name", ["rollout_complete", "replicas_ready"])
async def test_what_cannot_be_read_or_is_gone_is_unknown(world: World, kubernetes: KubernetesClient, name: str) -> None:
    assert (await look(kubernetes, name)).answer is Answer.UNKNOWN
    world.deploy("shop", "checkout")
    world.kubernetes.faults.add(kind="hang")
    assert (await look(kubernetes, name)).answer is Answer.UNKNOWN


def _status(world: World) -> Object:
    found: Object = world.kubernetes.get("deployments", "shop", "checkout").get("status", {})
    return found
