"""Who lives, and what is known of them."""

from datetime import timedelta

from remediator.store import replicas
from remediator.store.database import Store, Tx
from remediator.store.replicas import Card
from tests.support.clock import T0

LEASE = timedelta(seconds=30)


def card(set_hash: str | None = None) -> Card:
    return Card(id="own_1", name="pod-1", mode="live", node="n1", set_hash=set_hash, knows=("snapshot/1",))


async def test_a_heartbeat_that_was_on_its_way_does_not_put_older_playbooks_back(store: Store) -> None:
    async with store.begin(Tx.HEARTBEAT) as tx:
        await replicas.beat(tx, card("old"), now=T0, lease_until=T0 + LEASE)
    async with store.begin(Tx.DUTY) as tx:
        await replicas.has_set(tx, "own_1", "new")
    async with store.begin(Tx.HEARTBEAT) as tx:
        await replicas.beat(tx, card("old"), now=T0, lease_until=T0 + LEASE)
    async with store.read() as connection:
        [row] = await replicas.living(connection, T0)
    assert row.set_hash == "new"


async def test_it_lives_until_its_lease_is_over_or_it_leaves_and_was_seen_then(store: Store) -> None:
    later = T0 + timedelta(seconds=10)
    for now in (T0, later):
        async with store.begin(Tx.HEARTBEAT) as tx:
            await replicas.beat(tx, card(), now=now, lease_until=now + LEASE)
    async with store.read() as connection:
        [row] = await replicas.living(connection, later + LEASE - timedelta(seconds=1))
        assert (row.name, row.node, row.started_at, tuple(row.knows)) == ("pod-1", "n1", T0, ("snapshot/1",))
        assert await replicas.living(connection, later + LEASE) == []
        assert await replicas.living(connection, later, without="own_1") == []
    async with store.begin(Tx.DUTY) as tx:
        await replicas.leave(tx, "own_1", later)
    async with store.read() as connection:
        assert await replicas.living(connection, later) == []
        assert await replicas.last_seen_at(connection) == later
        assert await replicas.last_seen_at(connection, without="own_1") is None
