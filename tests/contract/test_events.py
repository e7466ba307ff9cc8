"""Kubernetes Events of ours, as the API server takes them and as ``kubectl describe`` shows them."""

import asyncio
from asyncio.subprocess import PIPE
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from remediator.clients.kubernetes.events import PERMISSION, Told
from remediator.errors import PermanentError
from remediator.targets import Target
from tests.contract.conftest import may_write
from tests.support.cluster import CLUSTER, Object, Stage
from tests.support.needs import Programs
from tests.support.real_cluster import RealStage

WHOLE_SECOND = datetime(2026, 11, 25, 10, 0, tzinfo=UTC)
"""Its fraction is nought, and must be sent all the same."""


async def told(stage: Stage, target: Target | None = None, **changes: object) -> Told:
    """About the workload ``checkout``, or another target of the stage."""
    if target is None:
        await stage.workload("checkout", replicas=1)
        target = stage.target("checkout")
        uid = (await stage.get("Deployment", "checkout"))["metadata"]["uid"]
    else:
        uid = "0b7a5b1e-0000-4000-8000-000000000000"
    one = Told(
        target=target,
        uid=uid,
        run_id="run_01hzy3v8q4c6m2n0p9r7s5t3w1",
        which="1",
        reason="StepBegun",
        action="RolloutRestart",
        note="service-down (run run_01hzy3v8q4c6m2n0p9r7s5t3w1): apply: restart",
        at=WHOLE_SECOND,
    )
    return replace(one, **changes)  # type: ignore[arg-type]


async def ours(stage: Stage) -> list[Object]:
    return [one for one in await stage.list("Event") if one["metadata"]["name"].startswith("remediator.")]


async def test_it_stands_on_the_target_with_what_why_and_by_which_run(stage: Stage) -> None:
    client = await stage.client([PERMISSION])
    event = await told(stage)
    with may_write():
        await client.events.tell(event)
    [found] = await ours(stage)
    about = found["involvedObject"]
    assert (about["kind"], about["name"], about["uid"]) == ("Deployment", "checkout", event.uid)
    assert (found["reason"], found["action"], found["type"]) == ("StepBegun", "RolloutRestart", "Normal")
    assert event.run_id in found["message"]
    assert found["reportingComponent"] == "remediator.dev/remediator"


async def test_told_twice_it_is_there_once_and_another_attempt_is_another(stage: Stage) -> None:
    client = await stage.client([PERMISSION])
    event = await told(stage)
    with may_write():
        await client.events.tell(event)
        await client.events.tell(replace(event, note="again", at=event.at.replace(minute=1)))
        await client.events.tell(replace(event, which="2"))
    assert sorted(one["message"] for one in await ours(stage)) == [event.note, event.note]


async def test_a_long_note_is_cut_by_bytes_and_secrets_are_left_out(stage: Stage) -> None:
    client = await stage.client([PERMISSION])
    event = await told(stage, note="password=hunter2 " + "\u00e9" * 2000)
    with may_write():
        await client.events.tell(event)
    [found] = await ours(stage)
    assert "hunter2" not in found["message"]
    assert found["message"].endswith("...")
    assert 1000 < len(found["message"].encode()) <= 1024


async def test_in_a_dry_run_it_is_only_validated(stage: Stage) -> None:
    client = await stage.client([PERMISSION], dry_run=True)
    await client.events.tell(await told(stage))
    assert await ours(stage) == []


async def test_without_the_permission_it_is_refused_naming_it(stage: Stage) -> None:
    client = await stage.client([])
    event = await told(stage)
    with may_write(), pytest.raises(PermanentError, match=r"create on events\.events\.k8s\.io"):
        await client.events.tell(event)


async def test_about_a_node_it_stands_in_the_namespace_default(stage: Stage) -> None:
    """Where events about what stands in no namespace belong."""
    name, _ = await stage.node()
    uid = (await stage.get("Node", name))["metadata"]["uid"]
    client = await stage.client([replace(PERMISSION, everywhere=True)])
    event = await told(stage, Target.kubernetes(CLUSTER, "", "node", name), uid=uid)
    with may_write():
        await client.events.tell(event)
    listed = await stage.request("GET", f"/api/v1/namespaces/default/events?fieldSelector=involvedObject.name={name}")
    assert "StepBegun" in [one["reason"] for one in listed["items"]]


@pytest.mark.real
@pytest.mark.live
async def test_kubectl_describe_tells_it(real_stage: RealStage, program: Programs) -> None:
    client = await real_stage.client([PERMISSION])
    with may_write():
        await client.events.tell(await told(real_stage))
    command = [*program("kubectl"), f"--kubeconfig={real_stage.plane.admin_kubeconfig}", "-n", real_stage.namespace]
    describing = await asyncio.create_subprocess_exec(
        *command, f"--cache-dir={real_stage.directory}", "describe", "deployment/checkout", stdout=PIPE, stderr=PIPE
    )
    described, complained = await describing.communicate()
    assert describing.returncode == 0, complained.decode()
    assert "StepBegun" in described.decode()
    assert "run_01hzy3v8q4c6m2n0p9r7s5t3w1" in described.decode()
