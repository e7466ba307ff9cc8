"""What our Prometheus client asks is what a real Prometheus understands."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from remediator.clients.prometheus import PrometheusClient
from remediator.settings import Credential
from tests.support import prometheus
from tests.support.needs import Programs

pytestmark = [pytest.mark.real, pytest.mark.slow]

RULES = [{"alert": "Always", "expr": "vector(1)"}, {"alert": "Never", "expr": "vector(1) > 2"}]


@pytest.fixture
async def url(tmp_path: Path, program: Programs) -> AsyncIterator[str]:
    async with prometheus.running(tmp_path, program("prometheus"), rules=RULES) as running:
        await running.until('ALERTS{alertname="Always"}')
        yield running.url


@pytest.mark.parametrize("timeout_s", [0.2, 1.0, 4.7, 10.0])
async def test_every_time_out_of_settings_is_understood(url: str, timeout_s: float) -> None:
    async with aiohttp.ClientSession() as session:
        found = await PrometheusClient(url, Credential(), session, timeout_s).query("vector(42)")
    assert [sample.value for sample in found.samples] == [42.0]


async def test_what_fires_and_what_is_known_not_to(url: str) -> None:
    async with aiohttp.ClientSession() as session:
        client = PrometheusClient(url, Credential(), session, 5.0)
        assert (await client.firing("Always")).samples
        assert await client.absence_doubt("Never") is None
        assert not (await client.firing("Never")).samples
        doubt = await client.absence_doubt("NoSuchRule")
    assert doubt is not None
    assert "no alerting rule NoSuchRule exists" in doubt
