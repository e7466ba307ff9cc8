"""The door against a real server, a real client and a real file: what is answered 200 is on the disk (S1 to S4)."""

import asyncio
import gzip
import json
import sqlite3
import zlib
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from remediator.alerts.payload import parse
from tests.support import intake_connection
from tests.support.door import SAMPLES, alert, body, door_settings, open_door

OPEN = "SELECT count(*) FROM episodes WHERE state = 'open'"


def group(size: int) -> bytes:
    """A captured group of 50, blown up to that many alerts."""
    whole = json.loads((SAMPLES / "14-group-of-50-am0.33.1.json").read_text())
    sample = whole["alerts"]
    whole["alerts"] = [
        {
            **sample[number % 50],
            "labels": {**sample[number % 50]["labels"], "instance": f"host-{number}:9100"},
            "fingerprint": f"{number:016x}",
        }
        for number in range(size)
    ]
    return json.dumps(whole, separators=(",", ":")).encode()


@pytest.mark.parametrize("file", sorted(SAMPLES.glob("*.json")), ids=lambda file: file.stem)
async def test_every_captured_body_is_stored_when_its_answer_is_200(tmp_path: Path, file: Path) -> None:
    sent = file.read_bytes()
    async with open_door(tmp_path) as door:
        status, counts = await door.post(sent)
        alerts = parse(sent).alerts
        assert (status, counts["alerts"], counts["rejected"]) == (200, len(alerts), 0)
        found = door.rows("SELECT fingerprint, state, labels, latest FROM episodes")
        assert {row[0]: (row[1], json.loads(row[2]), row[3]) for row in found} == {
            one.fingerprint: ("open" if one.firing else "closed", one.labels, 1) for one in alerts
        }
        [(stored, receiver)] = door.rows("SELECT body, receiver FROM deliveries")
        assert zlib.decompress(stored) == sent
        assert "\\" not in receiver


async def test_a_repeat_raises_counters_and_stores_no_second_body(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        await door.post(body(alert("a")))
        [before] = door.rows("SELECT id, confirmed_at, delivery_id FROM episodes")
        status, counts = await door.post(body(alert("a")))
        assert (status, counts["repeats"], counts["new"]) == (200, 1, 0)
        [after] = door.rows("SELECT id, confirmed_at, delivery_id, repeats FROM episodes")
        assert (after[0], after[2], after[3]) == (before[0], before[2], 1)
        assert after[1] > before[1]
        assert door.rows("SELECT count(*) FROM deliveries") == [(1,)]


async def test_a_resolve_closes_and_the_decider_is_told(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        await door.post(body(alert("a")))
        door.stored.clear()
        status, counts = await door.post(body(alert("a", endsAt="2026-11-22T11:00:00Z")))
        assert (status, counts["resolved"]) == (200, 1)
        assert door.stored.is_set()
        [(state, closed_at, decide_again_at)] = door.rows("SELECT state, closed_at, decide_again_at FROM episodes")
        assert state == "closed"
        assert closed_at and decide_again_at


async def test_one_body_may_carry_a_fingerprint_twice(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        again = alert("a", startsAt="2026-11-22T12:00:00Z")
        status, counts = await door.post(body(alert("a"), alert("a", endsAt="2026-11-22T11:00:00Z"), again))
        assert (status, counts["new"], counts["resolved"]) == (200, 2, 1)
        assert door.rows("SELECT state, latest FROM episodes ORDER BY latest") == [("closed", 0), ("open", 1)]


async def test_five_thousand_alerts_in_one_body_are_ordinary(tmp_path: Path) -> None:
    sent = group(5_000)
    assert len(sent) > 3_500_000
    async with open_door(tmp_path) as door:
        large = asyncio.get_running_loop().create_task(door.post(sent))
        small = await door.post(body(alert("small")))
        assert small[0] == 200
        assert not large.done(), "a small body must not wait for a large one"
        status, counts = await large
        assert (status, counts["alerts"], counts["new"]) == (200, 5_000, 5_000)
        assert door.rows(OPEN) == [(5_001,)]
        [(stored,)] = door.rows("SELECT body FROM deliveries WHERE alerts = 5000")
        assert zlib.decompress(stored) == sent
        status, counts = await door.post(sent)
        assert (status, counts["repeats"]) == (200, 5_000)
        assert door.rows("SELECT count(*) FROM deliveries") == [(2,)]


async def test_a_long_annotation_is_cut_in_the_column_and_whole_in_the_delivery(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        status, _ = await door.post(body(alert("a", annotations={"long": "x" * 262_144})))
        assert status == 200
        [(annotations,)] = door.rows("SELECT annotations FROM episodes")
        assert len(json.loads(annotations)["long"]) == 4096
        [(stored,)] = door.rows("SELECT body FROM deliveries")
        assert b"x" * 262_144 in zlib.decompress(stored)


async def test_five_hundred_connections_at_once_are_ordinary(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        answers = await asyncio.gather(*(door.post(body(alert(f"{number:016x}"))) for number in range(500)))
        assert {status for status, _ in answers} == {200}
        assert door.rows(OPEN) == [(500,)]


async def test_a_bad_alert_becomes_a_dead_letter_and_its_neighbours_are_taken_s3(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        status, counts = await door.post(body(alert("a"), {"labels": 7}, alert("b")))
        assert (status, counts["new"], counts["rejected"], counts["alerts"]) == (200, 2, 1, 3)
        [(raw, error, source)] = door.rows("SELECT raw, error, source FROM dead_letters")
        assert json.loads(raw) == {"labels": 7}
        assert error
        assert source == "prod"
        assert door.stored.is_set()


async def test_a_poisonous_body_fails_alone(tmp_path: Path) -> None:
    """A year that no column holds is understood by the parser and refused by the driver."""
    async with open_door(tmp_path) as door:
        intake_connection.of(door.store).execute(  # a trigger stands for any reason why one row cannot be stored
            "CREATE TRIGGER poison BEFORE INSERT ON episodes WHEN new.fingerprint = 'poison' "
            "BEGIN SELECT raise(ABORT, 'no such thing'); END"
        )
        good = [door.post(body(alert(f"good-{number}"))) for number in range(20)]
        answers = await asyncio.gather(*good[:10], door.post(body(alert("x"), alert("poison"), alert("y"))), *good[10:])
        assert {status for status, _ in answers} == {200}
        assert answers[10][1] == {
            "alerts": 3,
            "new": 2,
            "repeats": 0,
            "resolved": 0,
            "doubtful": 0,
            "late": 0,
            "rejected": 1,
        }
        assert door.rows(OPEN) == [(22,)]
        [(raw, error)] = door.rows("SELECT raw, error FROM dead_letters")
        assert b"poison" in raw
        assert "not storable" in error


@pytest.mark.parametrize("text", ["a\u0000b", "\ud800", "\ud83d\ude00"], ids=["nul", "lone surrogate", "pair"])
async def test_characters_that_databases_refuse_are_stored_escaped_s3(tmp_path: Path, text: str) -> None:
    sent = body(alert("a", labels={"alertname": text}), groupKey=text, receiver=text)
    async with open_door(tmp_path) as door:
        status, counts = await door.post(sent)
        assert (status, counts["new"]) == (200, 1)
        [(alertname, labels)] = door.rows("SELECT alertname, labels FROM episodes")
        assert "\u0000" not in alertname
        alertname.encode()
        assert labels.isascii()
        [(stored,)] = door.rows("SELECT body FROM deliveries")
        assert zlib.decompress(stored) == sent


@pytest.mark.parametrize("sent", [b"", b"not json", b"{}", b"[]", b"\xff", b'{"alerts": 7}'])
async def test_what_is_not_alertmanagers_is_answered_400_with_a_reason(tmp_path: Path, sent: bytes) -> None:
    async with open_door(tmp_path) as door:
        status, answer = await door.post(sent)
        assert status == 400
        assert answer["error"]


async def test_broken_compression_is_answered_400(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        status, answer = await door.post(b"not gzip", headers={"Content-Encoding": "gzip"})
        assert status == 400
        assert "error" in answer or answer
        packed = gzip.compress(body(alert("a")))
        assert (await door.post(packed, headers={"Content-Encoding": "gzip"}))[0] == 200


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_answered_413_remembered_and_owed_s3(tmp_path: Path, chunked: bool) -> None:
    sent = body(alert("a", annotations={"long": "x" * 200_000}), receiver=r"team\.x")
    assert sent.startswith(b'{"receiver": "team')

    async def chunks() -> Any:
        for at in range(0, len(sent), 10_000):
            yield sent[at : at + 10_000]

    async with open_door(tmp_path, door_settings(max_body=100_000)) as door:
        for _ in range(2):
            async with door.client.post("/webhook/alertmanager", data=chunks() if chunked else sent) as response:
                assert response.status == 413
        assert door.owed.is_set()
        assert door.rows("SELECT source, receiver, truncated, fetched_at FROM deliveries") == [
            ("prod", "team.x", -1, None)
        ]
        assert len(door.rows("SELECT error FROM dead_letters WHERE error LIKE '%over the limit of 100000%'")) == 2
        assert (await door.post(body(alert("b"))))[0] == 200
        assert b'remediator_webhook_requests_total{code="413"} 2.0' in door.metrics.render()


async def test_a_truncated_group_is_stored_and_owed(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        assert (await door.post(body(alert("a"), truncatedAlerts=5)))[0] == 200
        assert door.owed.is_set()
        assert (await door.post(body(alert("a"), truncatedAlerts=5)))[1]["repeats"] == 1
        assert door.rows("SELECT truncated, fetched_at FROM deliveries") == [(5, None), (5, None)]


async def test_a_full_disk_is_answered_503_with_the_reason_and_is_over_when_there_is_room(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        database = intake_connection.of(door.store)
        [(pages,)] = database.execute("PRAGMA page_count").fetchall()
        database.execute(f"PRAGMA max_page_count = {pages}")
        status, answer = await door.post(group(200))
        assert status == 503
        assert "full" in answer["error"]
        assert door.rows(OPEN) == [(0,)]
        database.execute("PRAGMA max_page_count = 1000000")
        assert (await door.post(group(200)))[0] == 200
        assert door.rows(OPEN) == [(200,)]
        assert (await door.get("/-/ready"))[0] == 200


async def test_a_store_that_refuses_writes_is_answered_503_and_is_not_ready_until_it_takes_them_again(
    tmp_path: Path,
) -> None:
    async with open_door(tmp_path) as door:
        database = intake_connection.of(door.store)
        database.execute("PRAGMA query_only = ON")
        status, answer = await door.post(body(alert("a")))
        assert status == 503
        assert "readonly" in answer["error"]
        status, ready = await door.get("/-/ready")
        assert status == 503
        assert "readonly" in ready["reason"]
        database.execute("PRAGMA query_only = OFF")
        status, ready = await door.get("/-/ready")
        assert (status, ready["ready"], ready["dependencies"]) == (200, True, {"prometheus": "ok"})
        assert (await door.post(body(alert("a"))))[1]["new"] == 1


async def test_a_slow_commit_is_answered_503_and_sending_again_is_harmless(tmp_path: Path) -> None:
    async with open_door(tmp_path, door_settings(store={"commit_timeout": "300ms"})) as door:
        other = sqlite3.connect(door.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answers = await asyncio.gather(*(door.post(body(alert(f"{number}"))) for number in range(3)))
        assert [status for status, _ in answers] == [503] * 3
        assert all("slower than 0.3 s" in answer["error"] for _, answer in answers)
        assert (await door.get("/-/ready"))[0] == 503
        other.execute("ROLLBACK")
        other.close()
        answers = await asyncio.gather(*(door.post(body(alert(f"{number}"))) for number in range(3)))
        assert [status for status, _ in answers] == [200] * 3
        assert door.rows(OPEN) == [(3,)]
        assert (await door.get("/-/ready"))[0] == 200


async def test_a_full_queue_is_answered_503(tmp_path: Path) -> None:
    async with open_door(tmp_path, door_settings(store={"commit_timeout": "500ms", "queue": 4})) as door:
        other = sqlite3.connect(door.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        answers = await asyncio.gather(*(door.post(body(alert(f"{number}"))) for number in range(10)))
        other.execute("ROLLBACK")
        other.close()
        assert [status for status, _ in answers] == [503] * 10
        assert sum("queue full" in answer["error"] for _, answer in answers) == 6
        assert (await door.post(body(alert("a"))))[0] == 200


async def test_stopping_answers_the_webhooks_that_are_held(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        other = sqlite3.connect(door.path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        held = [asyncio.get_running_loop().create_task(door.post(body(alert(f"{number}")))) for number in range(5)]
        while door.intake._inside < 5:  # noqa: ASYNC110 - nothing signals this
            await asyncio.sleep(0)
        stopping = asyncio.get_running_loop().create_task(door.server.stop())
        await asyncio.sleep(0)
        other.execute("ROLLBACK")
        other.close()
        assert [status for status, _ in await asyncio.gather(*held)] == [200] * 5
        await stopping
        assert door.rows(OPEN) == [(5,)]
        with pytest.raises(aiohttp.ClientConnectionError):
            await door.post(body(alert("late")))


async def test_a_body_that_does_not_arrive_is_answered_503(tmp_path: Path) -> None:
    async with open_door(tmp_path, door_settings(timings={"request": "100ms"})) as door:
        reader, writer = await asyncio.open_connection("127.0.0.1", door.server.port)
        token = door.client.headers["Authorization"]
        writer.write(
            f"POST /webhook/alertmanager HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: 100\r\n\r\n{{".encode()
        )
        answer = await reader.read(1000)
        assert answer.startswith(b"HTTP/1.1 503")
        assert b"did not arrive" in answer
        writer.write(b"x" * 99)  # the server goes on reading for a while, so that its answer is not lost
        await writer.drain()
        writer.close()
        await writer.wait_closed()


async def test_the_watchdog_moves_its_metric(tmp_path: Path) -> None:
    async with open_door(tmp_path) as door:
        await door.post(body(alert("a")))
        assert b"remediator_watchdog_last_seen_timestamp_seconds 0.0" in door.metrics.render()
        await door.post(body(alert("w", labels={"alertname": "Watchdog"})))
        assert b"remediator_watchdog_last_seen_timestamp_seconds 0.0" not in door.metrics.render()


async def test_metrics_and_health_are_served(tmp_path: Path) -> None:
    async with open_door(tmp_path, headers={}) as door:
        assert await door.get("/-/healthy") == (200, {"status": "healthy"})
        async with door.client.get("/metrics") as response:
            assert response.status == 200
            assert b"remediator_alerts_total" in await response.read()
