"""What only the database can compare: rows of a whole store with each other. For ``check``.

Each gives at most ``MOST_OF_A_KIND`` findings of a question: a thousand more would say nothing new.
"""

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import ColumnElement, and_, case, func, not_, or_, select, text
from sqlalchemy.exc import DatabaseError
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.store import clock_steps
from remediator.store.columns import word
from remediator.store.invariants import REPORT, Finding
from remediator.store.schema import decisions, duties, locks, metadata, outbox, runs, timeline

MOST_OF_A_KIND = 100
_RESTORE = "Stop the service and restore a backup"


async def whole(connection: AsyncConnection) -> AsyncIterator[Finding]:
    """The file itself. (A PostgreSQL server looks after its own.)"""
    if connection.dialect.name != "sqlite":
        return
    try:
        said = (await connection.execute(text(f"PRAGMA integrity_check({MOST_OF_A_KIND})"))).scalars().all()
    except DatabaseError as error:  # too damaged to be looked through
        said = [str(error.orig)]
    for words in said:
        if words != "ok":
            yield Finding("file_damaged", (), f"the database file is damaged: {words}", _RESTORE)


async def orphans(connection: AsyncConnection) -> AsyncIterator[Finding]:
    """What every foreign key promises, and what rows say of runs without one."""
    links = [
        (table, column.name, key.column.table, key.column.name)
        for table in metadata.sorted_tables
        for column in table.columns
        for key in column.foreign_keys
    ]
    links += [(table, "run_id", runs, "id") for table in (decisions, timeline)]
    for table, column, parent, key in links:
        child, known = table.c[column], parent.alias("parent")
        lost = child.is_not(None) & ~select(known.c[key]).where(known.c[key] == child).exists()
        shown = [*table.primary_key.columns, child.label("points_at")]
        for row in await connection.execute(select(*shown).where(lost).limit(MOST_OF_A_KIND)):
            said = f"a row of {table.name} ({', '.join(map(str, row[:-1]))}) is of {parent.name} {row[-1]}"
            yield Finding("orphan", (*map(str, row[:-1]), row[-1]), f"{said}, which is not there", _RESTORE)


async def of_messages(connection: AsyncConnection) -> AsyncIterator[Finding]:
    """The outbox keeps its order and its states (S21, S30, S33)."""
    earlier = outbox.alias("earlier")
    overtaken = (
        select(outbox.c.id, earlier.c.id.label("waiting"), outbox.c.dedup_key)
        .join(earlier, and_(earlier.c.dedup_key == outbox.c.dedup_key, earlier.c.id < outbox.c.id))
        .where(and_(outbox.c.action == "resolve", outbox.c.state == "sent"))
        .where(and_(earlier.c.action == "trigger", earlier.c.state == word("waiting")))
    )
    for row in await connection.execute(overtaken.limit(MOST_OF_A_KIND)):
        said = f"message {row.id} resolved {row.dedup_key} before {row.waiting} was sent, which will open it again"
        yield Finding("resolve_overtook_trigger", (row.id, row.waiting), said, f"Look at {row.dedup_key} by hand")
    waits = outbox.c.state == word("waiting")
    settled = not_(outbox.c.state == word("waiting"))
    wrong = or_(
        and_(waits, or_(outbox.c.next_at.is_(None), outbox.c.settled_at.is_not(None))),
        and_(settled, or_(outbox.c.next_at.is_not(None), outbox.c.settled_at.is_(None))),
        and_(outbox.c.mode == "dry-run", outbox.c.state != "withheld"),
    )
    for row in await connection.execute(
        select(outbox.c.id, outbox.c.mode, outbox.c.state).where(wrong).limit(MOST_OF_A_KIND)
    ):
        said = f"message {row.id} of mode {row.mode} is {row.state}, which its other columns deny"
        yield Finding("message_state", (row.id,), said, REPORT)


async def of_targets(connection: AsyncConnection) -> AsyncIterator[Finding]:
    """A target has one run at a time (S17, S18): now, and from the first effect to the end of every run that there was."""
    twice = (
        select(runs.c.mode, runs.c.target)
        .where(runs.c.state.in_(("ready", "running", "waiting", "needs_person")))
        .group_by(runs.c.mode, runs.c.target)
        .having(func.count() > 1)
    )
    for row in await connection.execute(twice.limit(MOST_OF_A_KIND)):
        said = f"{row.target} has several active runs"
        yield Finding("two_runs_on_a_target", (row.target,), said, f"remediator pause --target {row.target}. {REPORT}")
    shared = (
        select(locks.c.scope)
        .group_by(locks.c.scope)
        .having(and_(func.count() > 1, func.sum(case((locks.c.exclusive, 1), else_=0)) > 0))
    )
    for row in await connection.execute(shared.limit(MOST_OF_A_KIND)):
        yield Finding(
            "exclusive_lock_shared", (row.scope,), f"{row.scope} is held by one run alone and by others", REPORT
        )
    if await clock_steps.count(connection):
        return  # ends are records of the time as it was before a step (S28), and say no longer who was first

    def former(column: ColumnElement[Any]) -> ColumnElement[Any]:
        in_order = (runs.c.changed_at, runs.c.id)
        return func.lag(column).over(partition_by=(runs.c.mode, runs.c.target), order_by=in_order)

    history = (
        select(
            runs.c.id,
            runs.c.target,
            runs.c.changed_at,
            former(runs.c.id).label("former"),
            former(runs.c.ended_at).label("former_ended_at"),
        )
        .where(runs.c.changed_at.is_not(None))
        .subquery()
    )
    still = or_(history.c.former_ended_at.is_(None), history.c.former_ended_at > history.c.changed_at)
    overlap = select(history.c.id, history.c.former, history.c.target).where(and_(history.c.former.is_not(None), still))
    for late in await connection.execute(overlap.limit(MOST_OF_A_KIND)):
        said = f"run {late.id} began on {late.target} before run {late.former} had ended"
        yield Finding("runs_overlap", (late.former, late.id), said, REPORT)


async def of_decisions(connection: AsyncConnection) -> AsyncIterator[Finding]:
    """One standing answer for each alert and playbook (S5)."""
    key = (decisions.c.episode_id, func.coalesce(decisions.c.playbook, ""))
    twice = select(decisions.c.episode_id).where(decisions.c.current).group_by(*key).having(func.count() > 1)
    for row in await connection.execute(twice.limit(MOST_OF_A_KIND)):
        said = f"episode {row.episode_id} has two standing answers of one playbook"
        yield Finding("two_answers", (row.episode_id,), said, REPORT)


async def of_duties(connection: AsyncConnection) -> AsyncIterator[Finding]:
    """Whoever has a duty has it for a time, or nobody could ever take it over."""
    wrong = duties.c.owner.is_not(None) != duties.c.lease_until.is_not(None)
    for row in await connection.execute(select(duties.c.name, duties.c.owner).where(wrong)):
        said = f"duty {row.name} is held by {row.owner or 'nobody'}, and its lease says otherwise"
        yield Finding("duty_without_lease", (row.name,), said, REPORT)


COMPARISONS = (orphans, of_messages, of_targets, of_decisions, of_duties)
