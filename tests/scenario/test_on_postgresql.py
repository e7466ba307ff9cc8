"""The whole path with PostgreSQL for a store: what holds on SQLite holds here, also what comes in from strangers, and in trouble."""

import asyncio
import io
import json
import signal
import time
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from sqlalchemy import func, select, text

from remediator.sandbox.world import World
from remediator.store.database import Tx
from remediator.store.schema import dead_letters, deliveries, episodes
from tests.scenario import test_operators as operators
from tests.scenario import test_runs_go_wrong as wrong
from tests.scenario import test_the_way_of_an_alert as way
from tests.support import door
from tests.support.database_server import DatabaseServer, own_server
from tests.support.service import STORE, TOKEN, Service, firing, running

pytestmark = [pytest.mark.real, pytest.mark.live, pytest.mark.slow]

PATIENT: dict[str, Any] = {"store__commit_timeout": "60s"}
"""What is stored in the end is the question, not how soon."""
Scenario = Callable[[Path], Awaitable[None]]
SCENARIOS: list[Scenario] = [
    way.test_a_crashing_service_is_restarted_once_verified_and_nobody_is_paged,
    way.test_a_second_alert_inside_the_cooldown_waits_and_says_until_when,
    way.test_what_a_restart_does_not_cure_is_paged_with_everything_tried_and_resolved_when_it_is_over,
    way.test_a_lost_answer_is_looked_at_and_never_sent_again,
    wrong.test_a_refuted_scale_out_is_put_back_and_paged,
    wrong.test_an_approved_plan_is_carried_out_and_a_wrong_hash_is_not,
    wrong.test_cancelled_after_its_change_it_looks_once_and_says_what_was_left,
    operators.test_under_pause_nothing_begins_and_after_the_resume_it_is_decided_anew,
]


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__.removeprefix("test_"))
async def test_the_same(scenario: Scenario, tmp_path: Path, database_url: str) -> None:
    STORE.set(database_url)
    await scenario(tmp_path)


async def post(service: Service, body: bytes) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with service.session.post(
        f"{service.app.url}/webhook/alertmanager", data=io.BytesIO(body), headers=headers
    ) as answer:
        return answer.status, json.loads(await answer.read())


@pytest.mark.parametrize(
    ("text_", "stored"),
    [("a\x00b", "a\x00b"), ("\ud800", "\\ud800"), ("\U0001f600", "\U0001f600")],
    ids=["nul", "half a pair", "pair"],
)
async def test_characters_that_it_refuses_are_stored_escaped_s3(
    tmp_path: Path, database_url: str, text_: str, stored: str
) -> None:
    STORE.set(database_url)
    sent = door.body(
        door.alert(
            "a",
            labels={"alertname": text_, "severity": "critical", text_: text_},
            annotations={text_: text_},
            generatorURL=text_,
        ),
        {"labels": {text_: 7}},
        groupKey=text_,
        receiver=text_,
        externalURL=text_,
    )
    async with running(tmp_path) as service:
        status, counts = await post(service, sent)
        assert (status, counts["new"], counts["rejected"]) == (200, 1, 1)
        async with service.store.read() as connection:
            labels = await connection.scalar(select(episodes.c.labels))
            assert labels == {"alertname": stored, "severity": "critical", stored: stored}
            assert await connection.scalar(select(func.count()).select_from(dead_letters)) == 1
        await service.until(lambda: service.world.pagerduty.incidents(), what="a page about what nothing handles")


async def test_five_thousand_alerts_in_one_body_are_ordinary(tmp_path: Path, database_url: str) -> None:
    STORE.set(database_url)
    sent = door.body(*(door.alert(f"{number:016x}") for number in range(5_000)))
    async with running(tmp_path, **PATIENT) as service:
        for effect in ("new", "repeats"):
            status, counts = await post(service, sent)
            assert (status, counts[effect]) == (200, 5_000)
        async with service.store.read() as connection:
            assert await connection.scalar(select(func.count()).select_from(episodes)) == 5_000
            assert await connection.scalar(select(func.count()).select_from(deliveries)) == 1


async def test_a_poisonous_body_fails_alone(tmp_path: Path, database_url: str) -> None:
    STORE.set(database_url)
    async with running(tmp_path, **PATIENT) as service:
        async with service.store.begin(Tx.MARK) as tx:  # a constraint stands for any reason why a row cannot be stored
            await tx.execute(text("ALTER TABLE episodes ADD CHECK (fingerprint <> 'poison')"))
        good = [post(service, door.body(door.alert(f"good-{number}"))) for number in range(20)]
        bad = post(service, door.body(door.alert("x"), door.alert("poison"), door.alert("y")))
        answers = await asyncio.gather(*good[:10], bad, *good[10:])
        assert {status for status, _ in answers} == {200}
        assert (answers[10][1]["new"], answers[10][1]["rejected"]) == (2, 1)
        async with service.store.read() as connection:
            assert await connection.scalar(select(func.count()).select_from(episodes)) == 22
            assert b"poison" in (await connection.scalar(select(dead_letters.c.raw)) or b"")


@pytest.fixture
def own() -> Iterator[DatabaseServer]:
    with own_server() as server:
        yield server


async def test_while_the_server_is_away_webhooks_are_answered_503_in_time_and_afterwards_all_goes_on(
    tmp_path: Path, own: DatabaseServer
) -> None:
    connection = await asyncpg.connect(own.url())
    await connection.execute("CREATE DATABASE one")
    await connection.close()
    STORE.set(own.url("one"))
    async with World(speed=4) as world:
        await way.crashing(world)
        async with running(tmp_path, world=world) as service:
            for trouble, over in (
                (lambda: own.stop(signal.SIGKILL), own.start),
                (lambda: own.freeze(), own.thaw),
            ):
                await asyncio.to_thread(trouble)
                began = time.monotonic()
                status, answer = await post(service, door.body(door.alert("a")))
                assert status == 503 and answer
                assert time.monotonic() - began < 8
                await asyncio.to_thread(over)
                await service.until(lambda: _stored(service), what="webhooks are stored again")
            await service.alert(firing(namespace="shop", deployment="checkout"))
            [run] = await service.ended()
            assert run.outcome == "verified"
            assert way.restarts(service) == 1


async def _stored(service: Service) -> bool:
    return (await post(service, door.body(door.alert("a"))))[0] == 200
