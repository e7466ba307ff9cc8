"""Which alerts are looked at, and in which order what was seen is recorded (S4)."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import pytest

from remediator.engine.case import Case
from remediator.engine.surveying import Surveying
from remediator.errors import StoreUnavailableError
from remediator.store.episodes import EpisodeRow
from tests.support.clock import T0

MINUTE = timedelta(minutes=1)


def episode(id_: str, severity: str = "low", *, cluster: str = "near", waited: timedelta = timedelta(0)) -> EpisodeRow:
    """Due since then. Its source names its cluster here."""
    at = T0 - waited
    return EpisodeRow(
        id=id_,
        source=cluster,
        fingerprint=id_,
        state="open",
        starts_at=at,
        ended_at=None,
        closed_at=None,
        first_received_at=at,
        last_received_at=at,
        confirmed_at=None,
        severity=severity,
        alertname="A",
        labels={},
        annotations={},
        generator_url="",
        external_url="",
        receiver="",
        group_key="",
        incident_id=None,
        decide_again_at=at,
    )


class Clusters:
    """Answer for a cluster when the test says so."""

    def __init__(self) -> None:
        self.answers: dict[str, asyncio.Event] = {"near": asyncio.Event(), "far": asyncio.Event()}
        self.asked: list[str] = []
        self.failure: Exception | None = None

    async def look(self, one: EpisodeRow) -> Case | None:
        self.asked.append(one.id)
        await self.answers[one.source].wait()
        if self.failure is not None:
            raise self.failure
        return Case(one, (), one.decide_again_at)


def surveying(
    group: asyncio.TaskGroup, clusters: Clusters, at_once: Callable[[EpisodeRow], Case | None] = lambda _: None
) -> Surveying:
    return Surveying(group, look=clusters.look, at_once=at_once, place_of=lambda one: one.source, on_seen=lambda: None)


async def turns() -> None:
    """Let everything that can go on do so."""
    for _ in range(10):
        await asyncio.sleep(0)


def ids(cases: list[Case]) -> list[str]:
    return [case.episode.id for case in cases]


async def test_a_cluster_that_does_not_answer_holds_up_no_other() -> None:
    clusters = Clusters()
    async with asyncio.TaskGroup() as group:
        at = surveying(group, clusters)
        assert at.start([episode(f"far-{number}", cluster="far") for number in range(100)]) == 12
        assert at.start([episode("near")]) == 1
        clusters.answers["near"].set()
        await turns()
        assert ids(at.take(T0, 64)) == ["near"]
        at.cancel()


async def test_low_alerts_before_a_cluster_that_does_not_answer_leave_room_for_urgent_ones() -> None:
    clusters = Clusters()
    async with asyncio.TaskGroup() as group:
        at = surveying(group, clusters)
        at.start([episode(f"low-{number}") for number in range(100)])
        assert (
            at.start([episode("critical", "critical"), episode("unknown", "unknown"), episode("medium", "medium")]) == 2
        )
        await turns()
        assert clusters.asked[-2:] == ["critical", "unknown"]
        at.cancel()


async def test_what_was_seen_is_recorded_by_urgency_and_a_low_one_gains_a_rank_a_minute() -> None:
    clusters = Clusters()
    clusters.answers["near"].set()
    async with asyncio.TaskGroup() as group:
        at = surveying(group, clusters)
        at.start(
            [
                episode("low", "low"),
                episode("critical", "critical"),
                episode("low for 4 minutes", "low", waited=4 * MINUTE),
                episode("high for 30 s", "high", waited=MINUTE / 2),
            ]
        )
        await turns()
        assert ids(at.take(T0, 2)) == ["low for 4 minutes", "critical"]
        assert ids(at.take(T0, 2)) == ["high for 30 s", "low"]


async def test_what_needs_no_look_takes_no_place_and_nothing_is_begun_twice() -> None:
    clusters = Clusters()
    async with asyncio.TaskGroup() as group:
        plain = [episode(f"plain-{number}") for number in range(30)]
        at = surveying(group, clusters, lambda one: Case(one, (), T0) if one.id.startswith("plain") else None)
        asking = [episode(f"asking-{number}") for number in range(3)]
        assert at.start([*plain, *asking]) == 33
        assert at.start([*plain, *asking]) == 0
        assert (at.in_hand, at.ready) == (33, True)
        taken = at.take(T0, 64)
        at.give_back(taken[10:])
        assert len(at.take(T0, 64)) == 20
        at.cancel()


async def test_a_store_that_failed_in_a_look_is_told_and_the_places_are_free_again() -> None:
    clusters = Clusters()
    async with asyncio.TaskGroup() as group:
        at = surveying(group, clusters)
        at.start([episode(f"{number}") for number in range(12)])
        clusters.failure = StoreUnavailableError("no reading today")
        clusters.answers["near"].set()
        await turns()
        assert at.ready
        with pytest.raises(StoreUnavailableError):
            at.take(T0, 64)
        assert at.start([episode("next")]) == 1
        at.cancel()


async def test_the_list_is_worth_reading_when_several_places_have_come_free_or_nothing_is_looked_at() -> None:
    clusters, room = Clusters(), dict[str, bool]()
    async with asyncio.TaskGroup() as group:
        at = surveying(group, clusters)
        room["at first"] = at.has_room
        at.start([episode(f"near-{number}") for number in range(3)] + [episode("far", cluster="far")])
        clusters.answers["near"].set()
        await turns()
        room["three came free, and one cluster still lets itself be waited for"] = at.has_room
        at.start([episode("near-3")])
        await turns()
        room["one more since it was read again"] = at.has_room
        at.start([episode(f"near-{number}") for number in range(4, 8)])
        await turns()
        room["four more"] = at.has_room
        at.start([])
        clusters.answers["far"].set()
        await turns()
        room["nothing is looked at"] = at.has_room
    assert [when for when, has_room in room.items() if has_room] == ["at first", "four more", "nothing is looked at"]
