"""The program in this process, and against a real API."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
import structlog
from typer.testing import CliRunner, Result

from remediator.cli.program import app
from tests.support.clock import ManualClock
from tests.support.operators import TOKEN, ApiClient, Desk, api, desk

Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing of the developer's: no settings file beside, no address, no token."""
    for name in ("REMEDIATOR_URL", "REMEDIATOR_TOKEN", "REMEDIATOR_CONFIG", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(autouse=True)
def silent_service() -> Iterator[None]:
    """The service logs in this process; only what the program prints is looked at."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    yield
    structlog.reset_defaults()


@pytest.fixture
def invoke() -> Invoke:
    """Run the program with these arguments; ``env`` and ``input`` as CliRunner takes them."""

    def run(*arguments: str, **given: object) -> Result:
        return CliRunner().invoke(app, [*arguments], **given)  # type: ignore[arg-type]

    return run


@pytest.fixture
async def sat(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Desk]:
    async with desk(tmp_path, clock) as made:
        yield made


@pytest.fixture
async def client(sat: Desk) -> AsyncIterator[ApiClient]:
    async with api(sat) as made:
        yield made


@pytest.fixture
def ask(client: ApiClient, invoke: Invoke) -> Callable[..., "asyncio.Future[Result]"]:
    """Run the program against the API, with a good token unless ``env`` says otherwise."""

    def run(*arguments: str, **given: object) -> "asyncio.Future[Result]":
        given.setdefault("env", {"REMEDIATOR_URL": client.url, "REMEDIATOR_TOKEN": TOKEN})
        loop = asyncio.get_running_loop()
        return loop.run_in_executor(None, lambda: invoke(*arguments, **given))

    return run
