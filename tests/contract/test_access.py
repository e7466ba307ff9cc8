"""What we may do, as the API server says: asked by its own review, before anything needs it."""

import asyncio
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from remediator.cli.program import app
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.permissions import Permission
from remediator.engine.permission_watch import look
from remediator.errors import FactsMissingError
from remediator.sandbox.world import World
from remediator.settings import Settings
from tests.support.cluster import CLUSTER, Stage
from tests.support.playbooks import document, playbook, write

GET = Permission("apps", "deployments", "get")
SCALE = Permission("apps", "deployments/scale", "patch")
NODES = Permission("", "nodes", "get", everywhere=True)


@pytest.mark.parametrize("dry_run", [True, False], ids=["dry", "live"])
async def test_each_permission_is_told_for_itself(stage: Stage, dry_run: bool) -> None:
    client = await stage.client([GET, NODES], dry_run=dry_run)
    here = stage.namespace
    assert await client.access.allowed(GET, here)
    assert not await client.access.allowed(SCALE, here)
    assert not await client.access.allowed(Permission("apps", "deployments", "patch"), here)
    assert not await client.access.allowed(Permission("", "deployments", "get"), here)
    assert not await client.access.allowed(GET, "default")
    assert not await client.access.allowed(GET, "")
    assert await client.access.allowed(NODES, "")


async def test_asking_is_no_write(stage: Stage) -> None:
    client = await stage.client([GET])
    await client.access.allowed(SCALE, stage.namespace)
    assert not [asked for asked in await stage.audit() if asked.writes]


async def test_what_is_missing_is_named(stage: Stage) -> None:
    settings = Settings.model_validate(
        {
            "clusters": {CLUSTER: {"namespaces": [stage.namespace]}},
            "autonomy": {"start": "act"},
        }
    )
    client = await stage.client([GET, Permission("apps", "replicasets", "list")])
    restarting = playbook("service-down", autonomy="act")
    access = await look([restarting], settings, {CLUSTER: client})
    place = f"in {stage.namespace} (API group apps; cluster {CLUSTER}; for playbook service-down)"
    assert [str(need) for need in access.lacking if not need.optional] == [f"needs patch on deployments {place}"]
    assert access.unanswered == {}
    proposing = await look([playbook("service-down", autonomy="propose")], settings, {CLUSTER: client})
    assert not proposing.lacking
    assert [str(need) for need in proposing.later if not need.optional] == [f"needs patch on deployments {place}"]


async def test_no_answer_is_neither_yes_nor_no(world: World, kubernetes: KubernetesClient) -> None:
    settings = Settings.model_validate({"clusters": {"prod": {"namespaces": ["shop"]}}})
    await world.kubernetes.stop()
    with pytest.raises(FactsMissingError):
        await kubernetes.access.allowed(GET, "shop")
    access = await look([playbook()], settings, {"prod": kubernetes})
    assert (access.lacking, list(access.unanswered or {})) == ((), ["prod"])


@pytest.mark.parametrize(
    ("level", "code", "word"), [("approve", 1, "error"), ("propose", 0, "warning")], ids=["approve", "propose"]
)
async def test_check_names_the_missing_verb(stage: Stage, tmp_path: Path, level: str, code: int, word: str) -> None:
    kubeconfig = await stage.credentials([GET, Permission("apps", "replicasets", "list")])
    file = write(tmp_path / "service-down.yaml", document("service-down", autonomy="approve"))
    settings = {
        "clusters": {CLUSTER: {"namespaces": [stage.namespace], "kubeconfig": str(kubeconfig)}},
        "autonomy": {"start": level},
    }
    (tmp_path / "remediator.yaml").write_text(json.dumps(settings))
    command = ["check", str(file), "--cluster", "--config", str(tmp_path / "remediator.yaml")]
    done = await asyncio.to_thread(CliRunner(env={"REMEDIATOR_CONFIG": ""}).invoke, app, command)
    place = f"in {stage.namespace} (API group apps; cluster {CLUSTER}; for playbook service-down)"
    assert f"{word}: settings clusters.{CLUSTER}: needs patch on deployments {place}" in done.stdout
    assert done.exit_code == code


async def test_check_does_not_call_it_good_when_nobody_answers(world: World, tmp_path: Path) -> None:
    file = write(tmp_path / "service-down.yaml", document("service-down"))
    kubeconfig = world.kubeconfig(tmp_path / "kubeconfig")
    await world.kubernetes.stop()
    settings = {"clusters": {CLUSTER: {"namespaces": ["shop"], "kubeconfig": str(kubeconfig), "loopback_only": True}}}
    (tmp_path / "remediator.yaml").write_text(json.dumps(settings))
    command = ["check", str(file), "--cluster", "--config", str(tmp_path / "remediator.yaml")]
    done = await asyncio.to_thread(CliRunner(env={"REMEDIATOR_CONFIG": ""}).invoke, app, command)
    assert done.exit_code == 1
    assert f"error: settings clusters.{CLUSTER}: what is allowed there could not be asked: " in done.stdout
