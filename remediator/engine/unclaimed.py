"""Runs that no living replica can carry out, because it does not know a format that they are written in: people hear of it (S22)."""

from datetime import datetime, timedelta

from remediator.engine.formats import lacking
from remediator.store import claims, incidents, replicas
from remediator.store.database import Connection
from remediator.store.runs import RunRow

_FOR = timedelta(minutes=2)
"""A rolling update brings a replica that knows them within this time."""


async def untold(connection: Connection, *, mode: str, now: datetime) -> list[RunRow]:
    """Those that have been due for two minutes and of which nobody has been told."""
    waiting = await claims.unclaimed(connection, mode=mode, due_before=now - _FOR)
    if not waiting:
        return []
    living = await replicas.living(connection, now)
    unknown = [run for run in waiting if all(lacking(run.needs, replica.knows) for replica in living)]
    return [run for run in unknown if not await incidents.is_known(connection, key(run))]


def key(run: RunRow) -> str:
    """Of the incident by which people hear of it, once a run."""
    return f"{run.mode}|formats|{run.id}"


def words(run: RunRow) -> tuple[str, str]:
    """Title, and what to do."""
    title = f"{run.id} of {run.playbook} on {run.target}: no living replica knows a format that it is written in"
    return title, f"it needs {run.needs}: start a release of remediator that knows it, or cancel the run"
