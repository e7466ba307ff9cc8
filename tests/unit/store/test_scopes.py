"""Who stands in whose way (S17), what is counted together (S9) and what a pause covers (S23): pods, claims, nodes, namespaces."""

from datetime import timedelta

import pytest

from remediator.decision.facts import Limits
from remediator.playbooks.rules import Budget
from remediator.store import ledger, locks, pauses
from remediator.store.database import Store, Tx
from remediator.targets import Target
from tests.support import runs as made
from tests.support.clock import T0

DB = Target.kubernetes("prod", "shop", "statefulset", "db")
POD, OTHER_POD = (Target.kubernetes("prod", "shop", "pod", f"db-{number}", DB) for number in (0, 1))
CLAIM = Target.kubernetes("prod", "shop", "persistentvolumeclaim", "data-db-0", DB)
AUTOSCALER = Target.kubernetes("prod", "shop", "horizontalpodautoscaler", "db", DB)
WEB = Target.kubernetes("prod", "shop", "deployment", "web")
PAY = Target.kubernetes("prod", "pay", "deployment", "web")
SHOP = Target.kubernetes("prod", "", "namespace", "shop")
NODE, OTHER_NODE = (Target.kubernetes("prod", "", "node", f"worker-{number}") for number in (1, 2))
ELSEWHERE = Target.kubernetes("test", "", "node", "worker-1")

IN_THE_WAY = [
    (POD, POD),
    (DB, POD),
    (DB, CLAIM),
    (DB, AUTOSCALER),
    (SHOP, DB),
    (SHOP, POD),
    (SHOP, CLAIM),
    (NODE, NODE),
    (NODE, OTHER_NODE),
]
BESIDE = [(POD, OTHER_POD), (POD, CLAIM), (DB, WEB), (SHOP, PAY), (NODE, ELSEWHERE), (NODE, DB), (NODE, SHOP)]


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        *((one, other, True) for pair in IN_THE_WAY for one, other in (pair, pair[::-1])),
        *((one, other, False) for pair in BESIDE for one, other in (pair, pair[::-1])),
    ],
    ids=str,
)
async def test_locks_keep_apart_what_contains_one_another(
    store: Store, one: Target, other: Target, conflict: bool
) -> None:
    of = await made.episode(store)
    holder = await made.admit(store, of, target=one)
    async with store.begin(Tx.CLAIM_RUNS) as tx:
        assert await locks.take(tx, run_id=holder, mode="live", target=one, now=T0)
    async with store.read() as connection:
        found = await locks.holders(connection, mode="live", target=other, without=None)
    assert bool(found) is conflict


async def test_pods_of_one_workload_share_its_budget_and_cooldown(store: Store) -> None:
    of = await made.episode(store)
    await made.admit(store, of, target=POD)
    [run] = await made.claim(store)
    await made.begin(store, run)
    async with store.read() as connection:
        for target, changes, uses in ((OTHER_POD, 1, 1), (DB, 1, 1), (CLAIM, 0, 0), (WEB, 0, 0)):
            found = await ledger.facts(
                connection,
                mode="live",
                playbook="restart-it",
                target=target.counted,
                budget=Budget(runs=9, per=timedelta(hours=1)),
                limits=Limits(total=9, total_per_playbook=9, per=timedelta(hours=1)),
                now=T0,
                without=None,
            )
            assert (found.last_change is not None, found.runs_on_target.runs) == (bool(changes), uses), str(target)


@pytest.mark.parametrize(
    ("scope", "covered", "free"),
    [
        ("all", (POD, NODE, SHOP), ()),
        ("playbook:restart-it", (POD, NODE, SHOP), ()),
        ("namespace:prod/shop", (POD, CLAIM, DB, SHOP), (NODE, PAY)),
        (f"target:{DB}", (DB, POD, CLAIM, AUTOSCALER, SHOP), (WEB, NODE)),
        (f"target:{POD}", (POD, SHOP), (DB, OTHER_POD)),
        (f"target:{NODE}", (NODE,), (OTHER_NODE, POD, SHOP)),
    ],
)
async def test_a_pause_covers_what_belongs_to_its_scope_and_what_would_change_it(
    store: Store, scope: str, covered: tuple[Target, ...], free: tuple[Target, ...]
) -> None:
    async with store.begin(Tx.OPERATE) as tx:
        await pauses.begin(tx, scope=scope, by="ada", reason="work", remind_at=None, now=T0)
    async with store.read() as connection:
        for target in covered:
            assert await pauses.covering(connection, "restart-it", target), str(target)
        for target in free:
            assert not await pauses.covering(connection, "restart-it", target), str(target)


@pytest.mark.parametrize("scope", ["all", "namespace:prod/shop", f"target:{DB}", f"target:{POD}"])
async def test_effects_begun_within_a_paused_scope_are_told(store: Store, scope: str) -> None:
    await made.admit(store, await made.episode(store), target=POD)
    [run] = await made.claim(store)
    await made.begin(store, run)
    async with store.read() as connection:
        assert [one["run_id"] for one in await pauses.effects_begun(connection, scope)] == [run.id]
        assert await pauses.effects_begun(connection, f"target:{WEB}") == []
        assert await pauses.effects_begun(connection, "namespace:prod/pay") == []
