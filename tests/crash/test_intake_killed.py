"""Killed while many webhooks are under way: every 200 that was given is on the disk."""

import asyncio
import random
from pathlib import Path

import aiohttp
import pytest

from tests.crash.nursery import Kill, Nursery
from tests.crash.stage import Stage, staged
from tests.support.service import RESTART, TOKEN, body, firing

pytestmark = [pytest.mark.crash, pytest.mark.slow]

_SENDERS = 50
_SEED = 7


def chosen() -> list[Kill]:
    """Around the first group commits; then at any of the later ones."""
    chance = random.Random(_SEED)
    early: list[Kill] = [(f"commit.intake.{when}", nth) for when in ("before", "after") for nth in (1, 2)]
    return early + [(f"commit.intake.{when}", chance.randint(3, 40)) for when in ("before", "after")]


@pytest.mark.parametrize("kill", chosen(), ids=lambda kill: f"{kill[0]}-{kill[1]}")
async def test_every_acknowledged_webhook_is_on_disk_and_the_others_are_taken_when_sent_again(
    kill: Kill, tmp_path: Path, nursery: Nursery
) -> None:
    async with nursery.attached(), staged(tmp_path, nursery, playbooks=[RESTART], kills=[kill]) as stage:
        async with asyncio.timeout(300), asyncio.TaskGroup() as group:
            group.create_task(stage.supervise())
            await stage.until(lambda: stage.victims and stage.victims[0].serving.is_set(), "it serves")
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(connector=connector) as session:
                answered = await asyncio.gather(
                    *(_until_it_dies(session, stage, f"sender{number}") for number in range(_SENDERS))
                )
            await stage.victims[0].exited.wait()
            assert stage.victims[0].dying_at == kill[0]
            acknowledged = {name for names in answered for name in names}
            assert acknowledged or kill[1] == 1
            assert acknowledged - _stored(stage) == set()
            unanswered = [f"sender{number}-{len(names)}" for number, names in enumerate(answered)]
            for name in unanswered:
                await stage.alert(firing(name, severity="warning"))
            assert _stored(stage) == acknowledged | set(unanswered)
            assert len(stage.rows("SELECT id FROM episodes")) == len(acknowledged) + len(unanswered)
            await stage.stop()
        stage.database.check_whole()


def _stored(stage: Stage) -> set[str]:
    return {row["alertname"] for row in stage.rows("SELECT alertname FROM episodes")}


async def _until_it_dies(session: aiohttp.ClientSession, stage: Stage, sender: str) -> list[str]:
    """Send one new alert after the other until nobody answers; those that were answered 200."""
    acknowledged: list[str] = []
    while True:
        name = f"{sender}-{len(acknowledged)}"
        try:
            async with session.post(
                f"{stage.url}/webhook/alertmanager",
                json=body(firing(name, severity="warning"), group_key=name),
                headers={"Authorization": f"Bearer {TOKEN}"},
            ) as answer:
                assert answer.status == 200, await answer.text()
                acknowledged.append(name)
        except (aiohttp.ClientError, OSError):
            return acknowledged
