"""What ships for operators: permissions, image, and the files that the operating guide names."""

import asyncio
import json
import re
import sys
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from typer.testing import CliRunner

from remediator.cli.program import app
from remediator.settings import Settings
from tests.docs.markdown import OPERATING, ROOT, codes, first_column, rows

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
INSTRUCTIONS = [line.strip() for line in DOCKERFILE.splitlines() if line.strip() and not line.startswith("#")]


def test_every_file_that_the_operating_guide_names_ships() -> None:
    text = OPERATING.read_text().partition("\n## ")[0]
    named = [code for row in rows(text) for code in codes(row[0])]
    assert named
    assert [name for name in named if not (ROOT / "deploy" / name).is_file()] == []


def test_the_documented_fields_of_readiness_are_those_in_its_body() -> None:
    code = (ROOT / "remediator" / "engine" / "readiness.py").read_text()
    top = set(re.findall(r'^            "(\w+)": ', code, re.M))
    assert "watchdog" in top
    assert set(first_column(OPERATING, "Readiness")) == {"ready", "reason"} | {f"dependencies.{name}" for name in top}


def test_the_image_does_not_run_as_root() -> None:
    last_stage = INSTRUCTIONS[max(i for i, line in enumerate(INSTRUCTIONS) if line.startswith("FROM ")) :]
    users = [line for line in last_stage if line.startswith("USER ")]
    assert users == ["USER 10001:10001"]
    after = last_stage[last_stage.index(users[0]) :]
    assert not [line for line in after if line.startswith(("RUN", "COPY", "ADD"))]


def test_the_image_holds_only_files_whose_hashes_were_checked() -> None:
    commands = [command for line in INSTRUCTIONS for command in line.split("&&")]
    installs = [command for command in commands if re.search(r"pip (install|download|wheel)", command)]
    assert len(installs) == 4
    assert [line for line in installs if "--no-index" not in line] == [
        line for line in installs if "--require-hashes -r constraints.txt" in line
    ]


def test_the_image_says_how_it_is_and_listens_where_it_can_be_reached() -> None:
    assert "0.0.0.0" in next(line for line in INSTRUCTIONS if line.startswith("CMD"))
    health = next(line for line in INSTRUCTIONS if line.startswith("HEALTHCHECK"))
    _, _, code = json.loads(health.partition("CMD ")[2])
    assert f"HTTPConnection('127.0.0.1', {Settings().listen.port}, " in code and "'/-/healthy'" in code


@pytest.mark.parametrize("status", [200, 503])
async def test_the_images_health_is_that_of_the_service_whatever_proxy_there_is(status: int) -> None:
    health = next(line for line in INSTRUCTIONS if line.startswith("HEALTHCHECK"))
    _, option, code = json.loads(health.partition("CMD ")[2])

    async def healthy(request: web.Request) -> web.Response:
        return web.Response(status=status)

    service = web.Application()
    service.router.add_get("/-/healthy", healthy)
    async with TestServer(service) as server:
        here = code.replace("8080", str(server.port))
        proxy = {"http_proxy": "http://127.0.0.1:1", "PATH": ""}
        process = await asyncio.create_subprocess_exec(sys.executable, option, here, env=proxy)
        assert await process.wait() == (status != 200)


def test_what_the_image_copies_is_not_held_back() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    wanted = {
        word.removeprefix("./").partition("/")[0]
        for line in INSTRUCTIONS
        if line.startswith("COPY ") and "--from" not in line
        for word in line.split()[1:-1]
    }
    assert wanted <= allowed


def test_the_backstop_that_ships_waits_as_long_as_check_asks_for() -> None:
    routes: list[Any] = yaml.safe_load((ROOT / "deploy" / "alertmanager" / "live.yml").read_text())["route"]["routes"]
    settings = {"PATH": "", "REMEDIATOR_CONFIG": ""}
    told = CliRunner(env=settings).invoke(app, ["check", str(ROOT / "playbooks"), "--output", "json"])
    [note] = json.loads(told.stdout)["notes"]
    assert f"group_wait: {routes[-1]['group_wait']} or longer" in note
    assert "cpu-scale-out 4h5m" in note  # waits longer by itself, and must not delay the page of all others
