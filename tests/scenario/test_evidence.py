"""Evidence along the whole way: collected before the first change, kept with the incident, shown to people, never in the way."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from remediator.cli.program import app as program
from remediator.sandbox.workloads import manifest
from remediator.sandbox.world import World
from tests.controlplane.words import EXEC, LOGS
from tests.support.service import API_TOKEN, RESTART, Service, firing, running

LEAKED = "ready\ndb password=hunter2\nfatal: out of handles\n"
DIAGNOSE = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: diagnose}
match: [['alertname="ServiceDown"']]
target: {workload: {kind: any, namespace: "{{ labels.namespace }}", name: "{{ labels.deployment }}"}}
autonomy: act
remedies:
  - name: look
    steps:
      - kubernetes.exec: {command: [jcmd, "1", GC.heap_info]}
      - evidence.kubernetes_logs: {lines: 20}
"""


async def deployed(world: World, **annotations: str) -> None:
    told = {LOGS: LEAKED, **annotations}
    world.kubernetes.put("deployments", manifest("deployments", "shop", "checkout", pod_annotations=told))
    await world.rolled_out("shop", "checkout")


async def timeline(service: Service) -> Sequence[Mapping[str, Any]]:
    [incident] = await service.incidents()
    return (await service.story(incident.id)).timeline


def pieces(event: Mapping[str, Any]) -> dict[str, str]:
    return {piece["kind"]: piece["text"] for piece in event["detail"]["evidence"]}


@pytest.mark.parametrize("mode", ["live", "dry-run"])
async def test_it_is_collected_before_the_first_step_begins(tmp_path: Path, mode: str) -> None:
    async with World(speed=4) as world:
        await deployed(world)
        async with running(tmp_path, world=world, mode=mode) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await service.ended()
            told = await timeline(service)
    names = [event["event"] for event in told]
    assert names.count("evidence") == 1
    assert names.index("evidence") < names.index("step_begun")
    kept = pieces(told[names.index("evidence")])
    assert "fatal: out of handles" in kept["kubernetes_logs"]
    assert "checkout-" in kept["pod_status"]
    assert b"hunter2" not in b"".join(path.read_bytes() for path in tmp_path.glob("remediator.sqlite*"))


async def test_it_is_shown_with_the_incident_and_only_named_in_the_page(tmp_path: Path) -> None:
    quick = RESTART.replace("within: 8s", "within: 1s")
    async with World(speed=4) as world:
        await deployed(world)
        world.sicken("shop", "checkout", "never-ready")
        async with running(tmp_path, quick, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
            _, answered = await service.api("GET", f"incidents/{run.incident_id}")
            environment = {"REMEDIATOR_URL": service.app.url, "REMEDIATOR_TOKEN": API_TOKEN}
            shown = await asyncio.get_running_loop().run_in_executor(
                None, lambda: CliRunner().invoke(program, ["incidents", run.incident_id], env=environment)
            )
    assert "evidence kept: pod_status" in str(page.payload)
    assert "out of handles" not in str(page.payload)
    [event] = [one for one in answered["timeline"] if one["event"] == "evidence"]
    assert "fatal: out of handles" in pieces(event)["kubernetes_logs"]
    assert "      fatal: out of handles\n" in shown.stdout
    assert "hunter2" not in shown.stdout + str(answered)


async def test_what_must_not_be_read_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await deployed(world)
        for plural, subresource in (("pods", "log"), ("events", ""), ("nodes", "")):
            for verb in ("get", "list"):
                world.kubernetes.deny(verb, plural, subresource)
        async with running(tmp_path, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            told = await timeline(service)
    assert run.outcome == "verified"
    [text] = [event["text"] for event in told if event["event"] == "evidence"]
    for kind in ("kubernetes_logs", "kubernetes_events", "node_conditions"):
        assert f"{kind}: " in text.partition("not to be had")[2]


async def test_a_remedy_that_only_looks_informs_with_what_it_saw(tmp_path: Path) -> None:
    script = json.dumps({"jcmd": {"stdout": "heap 97% used\ntoken=abcdef\n", "code": 0}})
    async with World(speed=4) as world:
        await deployed(world, **{EXEC: script})
        async with running(tmp_path, DIAGNOSE, world=world, clusters__sandbox__commands=True) as service:
            await service.alert(firing(namespace="shop", deployment="checkout", pod="$(reboot)"))
            [run] = await service.ended()
            told = await timeline(service)
            commands = [one for one in world.kubernetes.requests if one.path.endswith("/exec")]
    assert run.outcome == "informed"
    assert [one.repeated("command") for one in commands] == [["jcmd", "1", "GC.heap_info"]]
    assert "evidence" not in [event["event"] for event in told]
    seen = [pieces(event) for event in told if event["event"] == "step_done"]
    assert "heap 97% used" in seen[0]["kubernetes.exec"]
    assert "abcdef" not in seen[0]["kubernetes.exec"]
    assert "fatal: out of handles" in seen[1]["kubernetes_logs"]
    assert len(world.kubernetes.changes("deployments", "shop", "checkout", "spec.template")) == 0


async def test_a_playbook_names_how_much_of_it(tmp_path: Path) -> None:
    named = RESTART.replace("remedies:", "evidence: [{kubernetes_logs: {lines: 1}}]\nremedies:")
    async with World(speed=4) as world:
        await deployed(world)
        async with running(tmp_path, named, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            await service.ended()
            told = await timeline(service)
    [kept] = [pieces(event)["kubernetes_logs"] for event in told if event["event"] == "evidence"]
    assert "fatal: out of handles" in kept
    assert "ready" not in kept


async def test_no_command_is_run_where_settings_do_not_let_it(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        await deployed(world, **{EXEC: json.dumps({"jcmd": {"stdout": "heap", "code": 0}})})
        async with running(tmp_path, DIAGNOSE, world=world) as service:
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [page] = await service.until(world.pagerduty.open, what="somebody is paged")
    assert "settings clusters.sandbox.commands is not set" in str(page.payload)
    assert not [one for one in world.kubernetes.requests if one.path.endswith("/exec")]
