"""A service on a store with a past: what is long over goes by itself, and people can still read what it was."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import update

from remediator.store.database import Tx
from remediator.store.schema import incidents
from tests.support import incidents as rows
from tests.support.service import firing, running

LONG_AGO = datetime.now(UTC) - timedelta(days=100)


async def test_an_incident_of_long_ago_is_a_summary_while_alerts_are_taken(tmp_path: Path) -> None:
    async with rows.opened(tmp_path) as store, store.begin(Tx.OPERATE) as tx:
        old = await rows.join(tx, at=LONG_AGO)
        for _ in range(500):
            alert = await rows.fire(tx, old, at=LONG_AGO)
            await rows.answer(tx, old, alert, "observe", at=LONG_AGO)
            await rows.close(tx, alert, LONG_AGO)
        await tx.execute(update(incidents).values(state="closed", closed_at=LONG_AGO, look_again_at=None))
    async with running(tmp_path) as service:

        async def is_gone() -> bool:
            await service.alert(firing("Other", severity="info", pod=str(datetime.now(UTC).timestamp())))
            _, told = await service.api("GET", f"incidents/{old}")
            return told["past"] is not None and told["episodes"] == []

        await service.until(is_gone, what="the details are removed")
        _, told = await service.api("GET", f"incidents/{old}")
        assert (told["past"]["alerts"], told["past"]["alertnames"]) == (500, ["HighErrorRate"])
        assert "retention" in service.app.duties
