"""``kubernetes.exec`` on the emulator and on the real API server: which pod, what is kept, what is never sent."""

import json
from typing import Any

import pytest

from remediator.actions.base import ActionContext, Applied, PlanRefusedError
from remediator.actions.kubernetes.exec import Exec, Params
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.transport import WritePermit, permit
from remediator.errors import OutcomeUnknownError, OvertakenError, PermanentError
from remediator.runs.plan import Plan
from tests.contract.conftest import may_write
from tests.controlplane.words import EXEC
from tests.support.cluster import Stage
from tests.support.emulated_cluster import EmulatedStage

INTENT = "int_00000000000000000000000001"
SCRIPT: dict[str, Any] = {
    "heap": {"stdout": "used 90%\nDB_PASSWORD=hunter2\n", "stderr": "warning: \x1b[31mold\n", "code": 3},
    "flood": {"stdout": "line of output\n" * 4000},
    "hang": {"stdout": "begun\n", "after_s": 30},
}


async def client_for(stage: Stage, *, dry_run: bool = False) -> KubernetesClient:
    return await stage.client(Exec().permissions("deployment", Params(command=("ls",))), dry_run=dry_run)


async def up(stage: Stage, **more: Any) -> None:
    await stage.workload("checkout", replicas=2, annotations={EXEC: json.dumps(SCRIPT)}, **more)
    await stage.rolled_out("checkout")


async def planned(stage: Stage, client: KubernetesClient, *command: str, **more: Any) -> Plan:
    params = Params.model_validate({"command": command, **more})
    return await Exec().plan(ActionContext(client), stage.target("checkout"), params)


async def ran(stage: Stage, *command: str, **more: Any) -> Applied:
    client = await client_for(stage)
    plan = await planned(stage, client, *command, **more)
    with may_write():
        return await Exec().apply(ActionContext(client), plan, INTENT)


def text(applied: Applied) -> str:
    return str(applied.facts["evidence"][0]["text"])


async def test_the_arguments_arrive_as_they_were_written(stage: Stage) -> None:
    await up(stage)
    applied = await ran(stage, "echo", "a b", "$HOME;`id`", "--flag=ä&c=d", "?x#y")
    assert applied.facts["exit_code"] == 0
    assert "echo a b $HOME;`id` --flag=ä&c=d ?x#y" in text(applied).partition("== output")[2]


async def test_output_and_errors_are_kept_redacted_with_the_exit_code(stage: Stage) -> None:
    await up(stage)
    applied = await ran(stage, "heap")
    assert applied.facts["exit_code"] == 3
    assert "ended with exit code 3" in applied.summary
    assert "== output\nused 90%" in text(applied)
    assert "== errors\nwarning: old" in text(applied)
    assert "hunter2" not in text(applied)


async def test_the_stream_is_closed_at_the_limit(stage: Stage) -> None:
    await up(stage)
    applied = await ran(stage, "flood", max_bytes=1000)
    assert "said more than 1000 bytes" in applied.summary
    assert applied.facts["exit_code"] is None
    output = text(applied).partition("== output\n")[2]
    assert output.removesuffix("\n[cut here]") == "\n".join(["line of output"] * 66)


async def test_a_command_that_does_not_end_is_left_at_its_time(stage: Stage) -> None:
    await up(stage)
    applied = await ran(stage, "hang", timeout="1s")
    assert "had not ended after 1s" in applied.summary
    assert applied.facts["exit_code"] is None


async def test_the_oldest_ready_pod_is_asked_and_always_the_same(stage: Stage) -> None:
    await up(stage)
    client = await client_for(stage)
    pods = await client.pod_states.of(stage.target("checkout"))
    first = min(pods, key=lambda pod: (pod.created_at, pod.name))
    plans = [await planned(stage, client, "ls") for _ in range(3)]
    assert {plan.memory["pod"] for plan in plans} == {first.name}
    assert plans[0].depends_on == {"pod": first.uid}


async def test_a_pod_that_went_meanwhile_is_overtaken(stage: Stage) -> None:
    await up(stage)
    client = await client_for(stage)
    plan = await planned(stage, client, "ls")
    await stage.delete("Pod", plan.memory["pod"], {"gracePeriodSeconds": 0})
    with may_write(), pytest.raises(OvertakenError, match="gone or no longer ready"):
        await Exec().apply(ActionContext(client), plan, INTENT)


async def test_without_a_ready_pod_it_waits(stage: Stage) -> None:
    await stage.workload("checkout", replicas=1, behaviour="never-ready")
    await stage.until("Deployment", "checkout", lambda found: found["status"].get("unavailableReplicas"))
    with pytest.raises(PlanRefusedError, match="no ready pod") as refused:
        await planned(stage, await client_for(stage), "ls")
    assert refused.value.kind == "wait"


async def test_the_container_is_the_playbooks_or_the_default(stage: Stage) -> None:
    containers = [{"name": name, "image": "registry.example.net/app:1.0"} for name in ("proxy", "app")]
    await stage.workload(
        "checkout",
        replicas=1,
        pod={"containers": containers},
        annotations={"kubectl.kubernetes.io/default-container": "app"},
    )
    await stage.rolled_out("checkout")
    client = await client_for(stage)
    assert (await planned(stage, client, "ls")).memory["container"] == "app"
    assert (await planned(stage, client, "ls", container="proxy")).memory["container"] == "proxy"
    with pytest.raises(PlanRefusedError, match="has no container other; it has app, proxy"):
        await planned(stage, client, "ls", container="other")


async def test_a_dry_run_sends_nothing(stage: Stage) -> None:
    await up(stage)
    client = await client_for(stage, dry_run=True)
    plan = await planned(stage, client, "ls")
    applied = await Exec().apply(ActionContext(client), plan, INTENT)
    assert "not sent in a dry-run" in applied.summary
    assert applied.facts == {}
    assert not [one for one in await stage.audit() if one.path.endswith("/exec")]


async def test_without_a_permit_nothing_is_sent(stage: Stage) -> None:
    """S20: a command counts as a write."""
    await up(stage)
    client = await client_for(stage)
    plan = await planned(stage, client, "ls")
    with permit(WritePermit(0.0)), pytest.raises(Exception, match="not sent"):
        await Exec().apply(ActionContext(client), plan, INTENT)
    assert not [one for one in await stage.audit() if one.path.endswith("/exec")]


@pytest.mark.parametrize("verb", ["create", "get"])
async def test_a_missing_right_is_named(stage: Stage, verb: str) -> None:
    await up(stage)
    needed = Exec().permissions("deployment", Params(command=("ls",)))
    less = [one for one in needed if (one.resource, one.verb) != ("pods/exec", verb)]
    client = await stage.client(less)
    plan = await planned(stage, client, "ls")
    with may_write(), pytest.raises(PermanentError, match=f"missing permission: {verb} on pods/exec"):
        await Exec().apply(ActionContext(client), plan, INTENT)


async def test_a_handshake_that_is_answered_by_a_redirect_is_not_followed(emulated_stage: EmulatedStage) -> None:
    """It would carry the command, and our credential on one host, to where nobody configured."""
    await up(emulated_stage)
    client = await client_for(emulated_stage)
    plan = await planned(emulated_stage, client, "ls")
    world = emulated_stage.world
    elsewhere = {"Location": f"{world.kubernetes_url}/api/v1/namespaces/shop/pods/other/exec?command=ls"}
    world.kubernetes.faults.add(match="GET */exec", kind="status 307", headers=elsewhere)
    with may_write(), pytest.raises(OutcomeUnknownError, match="redirect"):
        await Exec().apply(ActionContext(client), plan, INTENT)
    assert len([one for one in await emulated_stage.audit() if one.path.endswith("/exec")]) == 1


async def test_a_handshake_that_is_lost_is_told_as_that(emulated_stage: EmulatedStage) -> None:
    await up(emulated_stage)
    client = await client_for(emulated_stage)
    plan = await planned(emulated_stage, client, "ls")
    emulated_stage.world.kubernetes.faults.add(match="GET */exec", kind="reset")
    with may_write(), pytest.raises(OutcomeUnknownError, match="sent, then"):
        await Exec().apply(ActionContext(client), plan, INTENT)
