"""README's dry run, done as it is written: its files written, its commands run, against a service and a simulated cluster."""

import asyncio
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from remediator.sandbox.world import World
from tests.docs.markdown import README, ROOT, Block, blocks
from tests.support.needs import NOT_RUN

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        shutil.which("curl") is None or shutil.which("bash") is None, reason=f"{NOT_RUN}no curl or bash on this machine"
    ),
]

STEPS = [block for block in blocks(README) if block.walk]
STARTED_WITHIN_S = 120.0


class Walk:
    """A directory to play in, and a port of its own instead of 8080."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory / "trial"
        self.directory.mkdir()
        (directory / "playbooks").symlink_to(ROOT / "playbooks")
        self.url = f"http://127.0.0.1:{port}"
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("REMEDIATOR_")}
        self.environment = {**kept, "PATH": path, "REMEDIATOR_URL": self.url, "REMEDIATOR_LISTEN__PORT": str(port)}
        self.services: list[subprocess.Popen[bytes]] = []

    def write(self, block: Block) -> None:
        (self.directory / block.walk.split()[-1]).write_text(block.text)

    def run(self, text: str) -> str:
        """What a terminal would show; an ``export`` stays in force."""
        script = f"set -e\n{text.replace('http://127.0.0.1:8080', self.url)}\nenv -0 > .env"
        done = subprocess.run(
            ["bash", "-c", script],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}\n{done.stderr}"
        kept = (self.directory / ".env").read_text().rstrip("\0").split("\0")
        self.environment |= dict(one.split("=", 1) for one in kept)
        return done.stdout

    def start(self, text: str) -> None:
        with (self.directory / "log").open("wb") as log:
            self.services.append(
                subprocess.Popen(text.split(), cwd=self.directory, env=self.environment, stdout=log, stderr=log)
            )
        until = time.monotonic() + STARTED_WITHIN_S
        while not self.ready():
            assert self.services[-1].poll() is None, (self.directory / "log").read_text()
            assert time.monotonic() < until, "not ready in time"
            time.sleep(0.1)

    def ready(self) -> dict[str, Any]:
        try:
            with urllib.request.urlopen(f"{self.url}/-/ready", timeout=5) as answer:
                return dict(json.load(answer)["dependencies"])
        except (urllib.error.URLError, OSError):
            return {}

    def metric(self, name: str) -> float:
        with urllib.request.urlopen(f"{self.url}/metrics", timeout=5) as answer:
            found = re.search(rf"^{name} (\S+)$", answer.read().decode(), re.M)
        assert found is not None
        return float(found[1])

    def stop(self) -> list[int]:
        for service in self.services:
            service.terminate()
        return [service.wait(60) for service in self.services]


@pytest.fixture
def walk(tmp_path: Path) -> Iterator[Walk]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    walk = Walk(tmp_path, port)
    yield walk
    for service in walk.services:
        service.kill()
        service.wait(60)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with World() as world:
        world.deploy("shop", "checkout")
        await world.rolled_out("shop", "checkout")
        yield world


async def test_the_dry_run_in_readme_goes_as_it_is_told(walk: Walk, world: World) -> None:
    world.kubeconfig(walk.directory / "kubeconfig")
    said: dict[str, str] = {}
    for block in STEPS:
        match block.walk.split()[1]:
            case "file":
                walk.write(block)
            case "run":
                said[block.text] = await asyncio.to_thread(walk.run, block.text)
            case "background":
                await asyncio.to_thread(walk.start, block.text)
    everything = "\n".join(said.values())
    assert re.search(r"service-down: at most approve, content [0-9a-f]{16}", everything)
    assert "=> service-down: propose" in everything
    assert '"new":1' in everything
    # The alert was answered when it was stored; the decision follows.
    found: dict[str, Any] = {"incidents": []}
    for _ in range(100):
        found = json.loads(await asyncio.to_thread(walk.run, "remediator incidents --output json"))
        if found["incidents"]:
            break
        await asyncio.sleep(0.1)
    [incident] = found["incidents"]
    story = json.loads(await asyncio.to_thread(walk.run, f"remediator incidents {incident['id']} --output json"))
    assert [decision["verdict"] for decision in story["decisions"]] == ["propose"]
    assert [message["state"] for message in story["messages"]] == ["withheld"]
    assert story["runs"] == []
    assert world.kubernetes.requests.writes == []
    assert world.pagerduty.incidents() == []
    assert await asyncio.to_thread(walk.stop) == [0]


async def test_the_pause_file_counts_at_once_and_shows(walk: Walk, world: World) -> None:
    world.kubeconfig(walk.directory / "kubeconfig")
    for block in STEPS:
        if block.walk.split()[1] == "file":
            walk.write(block)
    settings = yaml.safe_load((walk.directory / "remediator.yaml").read_text())
    (walk.directory / "remediator.yaml").write_text(yaml.safe_dump(settings | {"pause_file": "PAUSE"}))
    for block in STEPS:
        if "secrets.token_hex" in block.text:
            await asyncio.to_thread(walk.run, block.text)
    await asyncio.to_thread(walk.start, "remediator serve")
    assert (await asyncio.to_thread(walk.ready))["paused"] == []
    assert await asyncio.to_thread(walk.metric, "remediator_paused") == 0
    (walk.directory / "PAUSE").touch()
    assert (await asyncio.to_thread(walk.ready))["paused"] == ["all"]
    assert await asyncio.to_thread(walk.metric, "remediator_paused") == 1
    walk.environment["REMEDIATOR_TOKEN"] = (walk.directory / "api.token").read_text().strip()
    explained = await asyncio.to_thread(walk.run, "remediator explain alert.json")
    assert re.search(r"guard +pause +no +refuse: paused \(all\) by pause file", explained)
