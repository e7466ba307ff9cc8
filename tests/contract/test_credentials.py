"""Credentials that expire: read again while the process lives."""

import json
from pathlib import Path

import pytest

from remediator.clients.kubernetes.connect import connect
from remediator.errors import FactsMissingError
from remediator.sandbox.world import World
from remediator.settings import Cluster
from tests.contract.conftest import CHECKOUT
from tests.support.clock import ManualClock


def kubeconfig(path: Path, server: str, user: dict[str, object]) -> Path:
    entry = {"cluster": "c", "user": "u"}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "clusters": [{"name": "c", "cluster": {"server": server}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": entry}],
    }
    path.write_text(json.dumps(document))
    return path


@pytest.mark.parametrize("way", ["token file", "credential plugin"])
async def test_a_new_token_is_taken_within_a_minute(tmp_path: Path, clock: ManualClock, way: str) -> None:
    token, plugin = tmp_path / "token", tmp_path / "plugin"
    plugin.write_text(
        f'#!/bin/sh\nprintf \'{{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential",'
        f'"status":{{"token":"%s"}}}}\' "$(cat {token})"\n'
    )
    plugin.chmod(0o700)
    exec_user = {
        "exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": str(plugin), "interactiveMode": "Never"}
    }
    user: dict[str, object] = {"tokenFile": str(token)} if way == "token file" else dict(exec_user)
    token.write_text("old")
    async with World(token="new") as world:
        world.deploy("shop", "checkout")
        path = kubeconfig(tmp_path / "kubeconfig", world.kubernetes_url, user)
        client = await connect(
            Cluster(kubeconfig=path, loopback_only=True), name="prod", dry_run=True, clock=clock, timeout_s=5
        )
        with pytest.raises(FactsMissingError, match="401"):
            await client.workloads.read(CHECKOUT)
        token.write_text("new")
        await clock.advance(59)
        with pytest.raises(FactsMissingError, match="401"):
            await client.workloads.read(CHECKOUT)
        await clock.advance(1)
        assert (await client.workloads.read(CHECKOUT)).replicas == 3
        await client.close()
