"""Whatever happens to a write on its way, the run comes to an end that is true, and the change is made at most once (S15, S16).

A proxy spoils one write. On the emulator every action meets every fault at each of its first writes; on the real server a tenth of
them, chosen by a seed; all of it with ``REMEDIATOR_SOAK=1`` (``make soak``).
"""

import asyncio
import os
import random

import pytest

from remediator.actions import action_named
from remediator.clients.kubernetes.connect import connect
from remediator.clock import SystemClock
from remediator.runs.cursor import Outcome, Phase
from remediator.settings import Cluster
from tests.contract.cases.every import CASES
from tests.support.action_case import ActionCase
from tests.support.carried_out import CarriedOut
from tests.support.cluster import CLUSTER, Stage
from tests.support.fault_proxy import BEFORE, FAULTS, FaultProxy, in_front_of

SEED = int(os.environ.get("REMEDIATOR_SEED", "20261125"))
SOAK = os.environ.get("REMEDIATOR_SOAK") == "1"
TIMEOUT_S = 2.0
ALL = [(case, fault, position) for case in CASES for fault in FAULTS for position in range(min(case.times, 2))]
TENTH = ALL if SOAK else random.Random(SEED).sample(ALL, max(len(ALL) // 10, 1))


def named(play: tuple[ActionCase, str, int]) -> str:
    case, fault, position = play
    return f"{case.id}-{fault.replace(' ', '-')}-{position}"


@pytest.mark.slow
@pytest.mark.parametrize("play", ALL, ids=named)
async def test_on_the_emulator(emulated_stage: Stage, play: tuple[ActionCase, str, int]) -> None:
    await _spoilt(emulated_stage, *play)


@pytest.mark.slow
@pytest.mark.parametrize("play", TENTH, ids=named)
async def test_on_the_real_server(real_stage: Stage, play: tuple[ActionCase, str, int]) -> None:
    await _spoilt(real_stage, *play)


async def _spoilt(stage: Stage, case: ActionCase, fault: str, position: int) -> None:
    target = await case.prepare(stage)
    action = action_named(case.action)
    kubeconfig = await stage.credentials(
        action.permissions(target.kind, action.params.model_validate(dict(case.params)))
    )
    async with in_front_of(kubeconfig) as (proxy, leading):
        cluster = Cluster(kubeconfig=leading, loopback_only=True)
        client = await connect(cluster, name=CLUSTER, dry_run=False, clock=SystemClock(), timeout_s=TIMEOUT_S)
        try:
            proxy.spoil(position, fault)
            run = CarriedOut(client, target, case.action, case.params)
            async with asyncio.timeout(60):
                cursor = await run.go()
        finally:
            await client.close()
    changes = await case.changes(stage)
    told = (cursor.outcome, cursor.note, run.told, proxy.writes)
    assert changes <= case.times, told
    _assert_true_end(case, fault, cursor.phase, cursor.outcome, changes, proxy, told)


def _assert_true_end(
    case: ActionCase,
    fault: str,
    phase: Phase,
    outcome: Outcome | None,
    changes: int,
    proxy: FaultProxy,
    told: object,
) -> None:
    if phase is Phase.PERSON:
        assert fault not in BEFORE, told  # it is known that the server never saw it: nobody need be asked
        return
    match outcome:
        case Outcome.VERIFIED:
            assert changes == case.times, told
        case Outcome.FAILED | Outcome.OVERTAKEN:
            assert changes == 0, told
        case _:
            raise AssertionError(told)
