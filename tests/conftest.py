"""What every test gets: Hypothesis profiles, crash and serial tests on one worker, no task left behind, clusters to act on."""

import asyncio
import inspect
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from remediator.sandbox.world import World
from remediator.store import postgresql
from tests.controlplane import cert_manager as real_cert_manager
from tests.controlplane import shared
from tests.controlplane.processes import StartError
from tests.controlplane.server import ControlPlane
from tests.support import new_store, shared_database
from tests.support.clock import ManualClock
from tests.support.cluster import Stage
from tests.support.emulated_cluster import EmulatedStage
from tests.support.needs import Programs, not_run, programs, teller, was_not_run
from tests.support.new_store import NewStore
from tests.support.patient import Patient
from tests.support.real_cluster import RealStage

# Two noisy shared cores: no deadlines, and slow input generation is no finding.
settings.register_profile(
    "fast", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.register_profile(
    "deep", max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("fast")


_OWNERS = pytest.StashKey[list[shared.Owner]]()
_REAL = ("control_plane", "cert_manager", "real_stage", "program", "database_server", "database_url")


def pytest_configure(config: pytest.Config) -> None:
    """The first process, not its workers, owns test bed and database server; they cost nothing until a test needs them."""
    if not hasattr(config, "workerinput"):
        # Ended in this order: what needs the control plane before it.
        config.stash[_OWNERS] = [
            shared.Owner(variable)
            for variable in (real_cert_manager.DIRECTORY, shared.DIRECTORY, shared_database.DIRECTORY)
        ]


def pytest_unconfigure(config: pytest.Config) -> None:
    for owner in config.stash.get(_OWNERS, []):
        owner.close()
    if _OWNERS in config.stash:
        shared.reap()


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that must not run beside their own kind share a worker (``--dist loadgroup``); what may have to be built comes last."""
    for item in items:
        if any(name in getattr(item, "fixturenames", ()) for name in _REAL):
            item.add_marker("real")
            item.add_marker("live")
        for kind in ("crash", "serial"):
            if item.get_closest_marker(kind):
                item.add_marker(pytest.mark.xdist_group(kind))
    items.sort(key=lambda item: item.get_closest_marker("real") is not None)


def pytest_collection_finish(session: pytest.Session) -> None:
    """A runner that forgets the groups would run beside each other what must not."""
    if not getattr(session.config.option, "loadgroup", False):
        return
    for item in session.items:
        if item.get_closest_marker("xdist_group") and "@" not in item.nodeid.rpartition("]")[2]:
            raise pytest.UsageError(f"{item.nodeid}: this pytest-xdist does not group tests under this pytest")


def pytest_report_teststatus(report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, object] | None:
    """`not run` is a word of its own in the last line, not one skipped test more."""
    if was_not_run(report) is not None:
        return "not run", "n", ("NOT RUN", {"yellow": True})
    return None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Why they were not run."""
    reasons = Counter(was_not_run(report) for report in terminalreporter.stats.get("not run", ()))
    for reason, count in reasons.items():
        terminalreporter.write_line(f"{count} not run: {reason}", yellow=True, bold=True)


@pytest.fixture(scope="session", autouse=True)
def _patient_with_databases() -> Iterator[None]:
    """A test whose process got no processor for three seconds is no frozen replica. Tests of the bounds give their own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(postgresql, "Bounds", Patient)
        yield


@pytest.fixture(scope="session")
def control_plane(pytestconfig: pytest.Config) -> ControlPlane:
    """The real control plane of this test run, shared by all workers."""
    try:
        return shared.control_plane(teller(pytestconfig))
    except StartError as error:
        not_run(f"no control plane: {error}")


@pytest.fixture(scope="session")
def cert_manager(control_plane: ControlPlane, pytestconfig: pytest.Config) -> None:
    """The real cert-manager acts in every namespace of the real control plane, from now to the end of the test run."""
    try:
        real_cert_manager.start(teller(pytestconfig))
    except StartError as error:
        not_run(f"no cert-manager: {error}")


@pytest.fixture(scope="session")
def database_server() -> str:
    """The URL of a real PostgreSQL server, shared by all workers. Not to be stopped: tests that do have ``own_server``."""
    try:
        return shared_database.server_url()
    except StartError as error:
        not_run(f"no PostgreSQL: {error}")


@pytest.fixture
async def database_url(database_server: str) -> AsyncIterator[str]:
    """A fresh database on it, migrated: for ``store.url``."""
    async with shared_database.fresh(database_server) as url:
        yield url


@pytest.fixture(
    scope="session", params=["sqlite", pytest.param("postgresql", marks=[pytest.mark.real, pytest.mark.live])]
)
def make_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NewStore:
    """Makes empty stores on SQLite and on PostgreSQL, for tests that need many."""
    if request.param == "postgresql":
        server: str = request.getfixturevalue("database_server")
        return lambda: new_store.opened(shared_database.fresh(server))
    return lambda: new_store.opened(new_store.file(tmp_path_factory.mktemp("store")))


@pytest.fixture(scope="session")
def program(pytestconfig: pytest.Config) -> Programs:
    """How to start a real `alertmanager`, `amtool`, `prometheus` or `kubectl`."""
    return programs(teller(pytestconfig))


@pytest.fixture
async def emulated_stage(tmp_path: Path) -> AsyncIterator[EmulatedStage]:
    async with World(speed=10) as world, EmulatedStage("shop", tmp_path, world=world) as ready:
        yield ready


@pytest.fixture
async def real_stage(control_plane: ControlPlane, tmp_path: Path) -> AsyncIterator[RealStage]:
    async with RealStage(f"shop-{secrets.token_hex(4)}", tmp_path, plane=control_plane) as ready:
        yield ready


@pytest.fixture(params=["emulator", pytest.param("real", marks=[pytest.mark.real, pytest.mark.live])])
def stage(request: pytest.FixtureRequest) -> Stage:
    """The same test on the emulator and on a real control plane."""
    case = request.node.callspec.params.get("case")
    if request.param == "real" and getattr(case, "needs", ""):
        request.getfixturevalue(case.needs)
    found: Stage = request.getfixturevalue("real_stage" if request.param == "real" else "emulated_stage")
    return found


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(autouse=True)
def no_task_left_over(request: pytest.FixtureRequest) -> None:
    """Fail an async test that ends while a task it started is still pending."""
    if inspect.iscoroutinefunction(getattr(request, "function", None)):
        request.getfixturevalue("_no_task_left_over")


@pytest.fixture
async def _no_task_left_over() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    for _ in range(20):  # cancelled tasks need a turn or two to end
        await asyncio.sleep(0)
    left = asyncio.all_tasks() - before - {asyncio.current_task()}
    if left:
        pytest.fail("tasks left over: " + ", ".join(sorted(repr(task.get_coro()) for task in left)))
