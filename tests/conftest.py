"""What every test gets: Hypothesis profiles, crash and serial tests on one worker, and no task left behind."""

import asyncio
import inspect
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, settings

from tests.support.clock import ManualClock

# Two noisy shared cores: no deadlines, and slow input generation is no finding.
settings.register_profile(
    "fast", max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
settings.register_profile(
    "deep", max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow], print_blob=True
)
settings.load_profile("fast")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests that must not run beside their own kind share a worker (``--dist loadgroup``)."""
    for item in items:
        for kind in ("crash", "serial"):
            if item.get_closest_marker(kind):
                item.add_marker(pytest.mark.xdist_group(kind))


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
