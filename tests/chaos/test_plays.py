"""Several replicas under kill, freeze, partition and trouble with the database: nothing acknowledged is lost, nothing is done twice,
nothing is left hanging, and no replica acts without its lease. The short form; ``make soak`` plays every kind, again and again.

``REMEDIATOR_CRASH_SEED`` makes another choice. ``REMEDIATOR_CHAOS_ONLY=<kind>`` plays one kind alone, also one of the soak.
"""

import asyncio
import os
from pathlib import Path

import pytest

from tests.chaos.kinds import KINDS
from tests.chaos.play import play_kind
from tests.crash.killing import told
from tests.crash.nursery import Nursery
from tests.support.database_server import DatabaseServer

pytestmark = [pytest.mark.crash, pytest.mark.slow]

_SEED = int(os.environ.get("REMEDIATOR_CRASH_SEED", "1"))
_ONLY = os.environ.get("REMEDIATOR_CHAOS_ONLY")
_AT_ONCE = int(os.environ.get("REMEDIATOR_CRASH_AT_ONCE", "2"))


@pytest.mark.real
async def test_nothing_is_lost_and_nothing_is_done_twice(
    tmp_path: Path, nursery: Nursery, server: DatabaseServer
) -> None:
    chosen = [kind for kind in KINDS if (kind.name == _ONLY if _ONLY else kind.short)]
    gate = asyncio.Semaphore(_AT_ONCE)
    wrong: list[str] = []
    async with nursery.attached():

        async def one(number: int) -> None:
            kind, directory = chosen[number], tmp_path / str(number)
            async with gate:
                try:
                    await play_kind(kind, directory, nursery, seed=_SEED, server=server)
                except Exception as error:
                    again = f"REMEDIATOR_CRASH_SEED={_SEED} REMEDIATOR_CHAOS_ONLY='{kind.name}'"
                    wrong.append(f"{kind.name}: {told(error)}\n  logs: {directory}\n  again: {again}")

        await asyncio.gather(*(one(number) for number in range(len(chosen))))
    assert not wrong, f"{len(wrong)} of {len(chosen)} plays went wrong (seed {_SEED}):\n" + "\n".join(wrong)
