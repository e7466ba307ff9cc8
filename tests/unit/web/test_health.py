"""What readiness says is one story: it is not ready for want of a dependency that it calls good."""

import json
from collections.abc import Mapping
from typing import Any, cast

import pytest
from aiohttp.test_utils import make_mocked_request

from remediator.engine.intake import Intake
from remediator.metrics import Metrics
from remediator.web.health import Health, Phase


class Door:
    """An intake that takes alerts, until ``why`` says why not."""

    why: str | None = None

    async def trouble(self) -> str | None:
        return self.why


async def store_can_be_read() -> Mapping[str, Any]:
    return {"store": {"ok": True}}


async def asked(health: Health) -> tuple[int, dict[str, Any]]:
    response = await health.ready(make_mocked_request("GET", "/-/ready"))
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body)


@pytest.fixture
def door() -> Door:
    return Door()


@pytest.fixture
def health(door: Door) -> Health:
    health = Health(intake=cast(Intake, door), metrics=Metrics(), dependencies=store_can_be_read)
    health.phase = Phase.SERVING
    return health


async def test_a_store_that_can_be_read_but_takes_no_alerts_is_not_called_good(health: Health, door: Door) -> None:
    door.why = "database or disk is full"
    status, body = await asked(health)
    assert (status, body["ready"], body["reason"]) == (503, False, "store: database or disk is full")
    assert body["dependencies"]["store"] == {"ok": False, "why": "database or disk is full"}


async def test_a_store_that_takes_alerts_is_good(health: Health) -> None:
    status, body = await asked(health)
    assert (status, body["ready"], body["dependencies"]["store"]) == (200, True, {"ok": True})


async def test_while_it_stops_it_is_not_ready_and_the_store_is_not_blamed(health: Health) -> None:
    health.phase = Phase.STOPPING
    status, body = await asked(health)
    assert (status, body["reason"], body["dependencies"]["store"]) == (503, "stopping", {"ok": True})
