"""Nobody waits for ever for the turn to write, and who has given up waiting keeps it from nobody."""

import asyncio

import pytest

from remediator.errors import StoreUnavailableError
from remediator.store import turns
from remediator.store.turns import Turns


async def test_who_waits_too_long_is_told_and_the_others_have_their_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Turns()
    had: list[str] = []

    async def want(name: str, priority: int) -> None:
        async with waiting.held(priority):
            had.append(name)

    monkeypatch.setattr(turns, "_WITHIN_S", 0.05)
    async with waiting.held(0):
        with pytest.raises(StoreUnavailableError, match=r"no turn to write within 0.05 s"):
            await want("impatient", 0)
        monkeypatch.setattr(turns, "_WITHIN_S", 5)
        low, high = asyncio.create_task(want("low", 2)), asyncio.create_task(want("high", 1))
        await asyncio.sleep(0)
        assert had == []
    await asyncio.gather(low, high)
    assert had == ["high", "low"]
    await want("later", 0)
    assert had[-1] == "later"


async def test_a_turn_that_comes_in_the_moment_of_giving_up_is_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = Turns()
    monkeypatch.setattr(turns, "_WITHIN_S", 0.0)
    holding = waiting.held(0)
    await holding.__aenter__()

    async def want() -> None:
        async with waiting.held(0):
            pass

    late = asyncio.create_task(want())
    await asyncio.sleep(0)
    await holding.__aexit__(None, None, None)
    await asyncio.gather(late, return_exceptions=True)
    await asyncio.wait_for(want(), 60)
