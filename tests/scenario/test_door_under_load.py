"""The door before clients that mean it ill or cannot do better: what they can take of it is bounded, and others are still let in."""

import asyncio
import json
import sqlite3
from pathlib import Path

import aiohttp

from tests.support.door import Door, alert, body, door_settings, open_door

HEAD = "POST /webhook/alertmanager HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: {length}\r\n\r\n"
PATIENT = {"timings": {"request": "15s", "shutdown": "1s"}}
"""Whoever is slow is given up only after three times that."""
SOON_S = 20.0


async def begun(door: Door, length: int, sent: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A webhook of this length of which only so much has been sent."""
    reader, writer = await asyncio.open_connection("127.0.0.1", door.server.port)
    token = door.client.headers["Authorization"]
    writer.write(HEAD.format(token=token, length=length).encode() + sent)
    await writer.drain()
    return reader, writer


async def let_in(door: Door) -> bool:
    """Does a good webhook on a connection of its own have its 200, without waiting until slow ones are given up?"""
    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        asyncio.timeout(SOON_S),
        aiohttp.ClientSession(connector=connector, headers=door.client.headers) as client,
        client.post(f"{door.url}/webhook/alertmanager", data=body(alert("good"))) as answer,
    ):
        return answer.status == 200


async def test_bodies_that_are_held_together_are_bounded_in_bytes(tmp_path: Path) -> None:
    async with open_door(tmp_path, door_settings(max_body=1_000_000, **PATIENT)) as door:
        slow = [await begun(door, 900_000, b" " * 800_000) for _ in range(8)]
        asked = [asyncio.ensure_future(reader.readuntil(b"\r\n\r\n")) for reader, _ in slow]
        await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED, timeout=SOON_S)
        await asyncio.wait(asked, timeout=0.3)  # for those that should not be refused
        told = [one.result() for one in asked if one.done()]
        assert told
        assert all(head.startswith(b"HTTP/1.1 503") and b"Retry-After: 1" in head for head in told)
        assert len(told) <= 4, "four bodies of the largest size are always taken"
        assert await let_in(door)
        for one in asked:
            one.cancel()
    for _, writer in slow:
        writer.close()


async def test_who_connects_and_says_nothing_keeps_nobody_out(tmp_path: Path) -> None:
    async with open_door(tmp_path, door_settings(**PATIENT), connections=20) as door:
        silent = [await asyncio.open_connection("127.0.0.1", door.server.port) for _ in range(30)]
        for _, writer in silent[20:]:
            writer.write(b"POST /webhook/alertmanager HTTP/1.1\r\nHost:")
        assert await let_in(door)
        assert await silent[0][0].read() == b"", "the oldest of them gave way"
        for _, writer in silent:
            writer.close()


async def test_connections_that_wait_for_their_answer_are_not_closed_for_new_ones(tmp_path: Path) -> None:
    async with open_door(tmp_path, connections=5) as door:
        other = sqlite3.connect(door.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        sent = [body(alert(f"{number}")) for number in range(5)]
        held = [await begun(door, len(one), one) for one in sent]
        while door.intake._inside < 5:  # noqa: ASYNC110 - nothing signals this
            await asyncio.sleep(0)
        reader, writer = await asyncio.open_connection("127.0.0.1", door.server.port)
        refusal = await reader.read()
        writer.close()
        other.execute("ROLLBACK")
        other.close()
        assert refusal.startswith(b"HTTP/1.1 503")
        assert b"Retry-After" in refusal
        assert json.loads(refusal.partition(b"\r\n\r\n")[2])["error"]
        for reader, writer in held:
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
            writer.close()
        assert door.rows("SELECT count(*) FROM episodes") == [(5,)]


async def test_a_body_of_millions_of_nothings_is_treated_as_too_large(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        sent = b'{"receiver": "team", "alerts": [' + b"0," * 3_000_000 + b"0]}"
        status, answer = await door.post(sent)
        assert (status, "could hold more than" in answer["error"]) == (413, True)
        assert door.owed.is_set()
        assert door.rows("SELECT receiver, truncated FROM deliveries") == [("team", -1)]


async def test_of_very_many_bad_alerts_some_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        status, counts = await door.post(body(*[7] * 5_000, alert("good"), *[7] * 5_000))
        assert (status, counts["rejected"], counts["new"], counts["alerts"]) == (200, 10_000, 1, 10_001)
        [(letters,)] = door.rows("SELECT count(*) FROM dead_letters")
        assert 1 <= letters <= 1_000
        assert b"remediator_dead_letters_total 10000.0" in door.metrics.render()


async def test_a_body_of_many_slices_has_its_answer_within_the_bound(tmp_path: Path) -> None:
    """What was stored of it stays, so that it goes faster when it is sent again."""
    async with open_door(tmp_path, door_settings(store={"commit_timeout": "500ms"})) as door:
        slow = asyncio.get_running_loop().create_task(_in_the_way(door))
        sent = body(*(alert(f"{number:016x}", labels={"alertname": "A", "n": str(number)}) for number in range(20_000)))
        async with asyncio.timeout(30):
            status, answer = await door.post(sent)
        slow.cancel()
        await asyncio.gather(slow, return_exceptions=True)
        assert status == 503
        assert answer["error"]
        [(stored,)] = door.rows("SELECT count(*) FROM episodes")
        assert 0 < stored < 20_000


async def _in_the_way(door: Door) -> None:
    """Somebody else who writes to the file half of the time."""
    other = sqlite3.connect(door.path, isolation_level=None, timeout=0)
    try:
        while True:
            try:
                other.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                await asyncio.sleep(0)
                continue
            await asyncio.sleep(0.03)
            other.execute("ROLLBACK")
            await asyncio.sleep(0.03)
    finally:
        other.close()
