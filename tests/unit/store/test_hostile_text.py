"""Text that a database refuses (S3) is written, found and compared on both of them, in every column of text."""

import pytest
from sqlalchemy import insert, select, update

from remediator.store import runs
from remediator.store.columns import plain_text
from remediator.store.database import Store, Tx
from remediator.store.schema import metadata, pauses
from tests.support import runs as made
from tests.support.clock import T0

HOSTILE = ["a\x00b", "\ud800", "\U0001f600", "'; DROP TABLE runs; --", "$1 ? %s :x", "\\u0000"]


@pytest.mark.parametrize("text", HOSTILE)
async def test_a_persons_words_and_names_in_a_path(store: Store, text: str) -> None:
    run_id = await made.admit(store, await made.episode(store))
    async with store.begin(Tx.OPERATE) as tx:
        await tx.execute(insert(pauses).values(id="pau_1", scope="all", by=text, reason=text, began_at=T0))
        assert await runs.ask_cancel(tx, run_id, by=text, now=T0)
        assert not await runs.ask_cancel(tx, text, by=text, now=T0)
        await tx.execute(update(pauses).where(pauses.c.reason == text).values(ended_by=text))
    async with store.read() as connection:
        assert (await connection.execute(select(pauses.c.by, pauses.c.ended_by))).all() == [(plain_text(text),) * 2]
        run = await runs.get(connection, run_id)
        assert run is not None and run.cancel_by == plain_text(text)
        assert await runs.get(connection, text) is None
        assert await runs.listing(connection, target=text, states=(text,)) == []


def test_every_column_of_text_is_safe() -> None:
    plain = [c for table in metadata.tables.values() for c in table.c if type(c.type).__name__ in ("Text", "String")]
    assert plain == []
