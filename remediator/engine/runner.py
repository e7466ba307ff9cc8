"""The runner: claims runs whose time has come and does what the run machine says, one command after the other.

It stores before it acts and tells the machine what happened; it decides nothing itself. What it was doing when it died is found
in the row: by the next start where no other process can live (``claims.recover``), else by whoever claims it once its lease is over.
"""

import asyncio
from datetime import datetime, timedelta

import structlog

from remediator.clients.transport import WritePermit
from remediator.engine.drive import Drive
from remediator.engine.formats import lacking
from remediator.engine.given_up import give_up, leave
from remediator.engine.lease import Lease
from remediator.engine.own_nodes import left_to_others
from remediator.engine.tools import Tools
from remediator.engine.wakeup import Wakeup
from remediator.errors import StoreUnavailableError
from remediator.store import claims, episodes, replicas, runs
from remediator.store.claims import LeftOut
from remediator.store.database import Connection, Tx
from remediator.store.runs import LostClaimError, RunRow

log = structlog.get_logger(__name__)

_AT_ONCE = 32
"""Runs in hand at once."""
_POLL_S = 2.0
_REMEMBERED = 100
_DEFECTS = 3
"""So often in a row may driving a run fail by a defect before it is given up."""
_AFTER_DEFECT = timedelta(seconds=2)
_UNCLAIMED_AFTER = timedelta(minutes=5)
"""A ready run that nobody claimed in this time goes back to decision (S18)."""


class Runner:
    """One per process. ``owner`` names the process in claims; ``alone``: no other process can use the store."""

    def __init__(
        self,
        *,
        tools: Tools,
        owner: str,
        lease: Lease,
        wakeup: Wakeup,
        alone: bool,
    ) -> None:
        self._tools = tools
        self._owner = owner
        self._lease = lease
        self._wakeup = wakeup
        self._alone = alone
        self._grace = timedelta(0) if alone else tools.settings.timings.takeover
        """How long after its lease a run of another process is left alone. A look at a step that it began waits for one request
        time-out more: nothing that it sent can still arrive then (S20)."""
        self._unknown: tuple[str, ...] = ()
        """``needs`` of due runs that this program does not know."""
        self._elsewhere: tuple[str, ...] = ()
        """Targets of runs that a replica on another node must claim."""
        self._in_hand: dict[str, RunRow] = {}
        self._begun: dict[str, str] = {}
        """What is told of runs that this process put down in the middle of their work; of another replica's hand nobody tells it."""
        self._defects: dict[str, int] = {}
        """How often driving a run failed in a row."""
        self._stopping = False

    @property
    def in_hand(self) -> tuple[str, ...]:
        """Runs that this process works on now, for readiness."""
        return tuple(_told(run) for run in self._in_hand.values())

    @property
    def unfinished(self) -> tuple[str, ...]:
        """The same, and those that it put down between two looks, for the page of S36. Others may have gone on with some of these."""
        return (*self.in_hand, *(told for run_id, told in self._begun.items() if run_id not in self._in_hand))

    async def recover(self) -> None:
        """Take back at once what a process was doing that is known to be gone. Once, at start, before ``run``."""
        if not self._alone:
            return
        tools = self._tools
        async with tools.store.begin(Tx.RECOVER) as tx:
            taken = await claims.recover(tx, now=tools.clock.now())
        if taken:
            log.info("runs_recovered", runs=taken)

    async def run(self) -> None:
        """Work until ``stop``; then finish or park what is in hand, and return."""
        async with asyncio.TaskGroup() as group:
            while not self._stopping:
                try:
                    claimed_s = self._tools.clock.boottime()
                    claimed = await self._claim()
                    if not claimed:
                        await self._rest()
                except StoreUnavailableError as error:
                    log.warning("runner_store_unavailable", reason=error.reason)
                    await self._tools.clock.sleep(1.0)
                    continue
                for run in claimed:
                    self._in_hand[run.id] = run
                    permit = self._lease.permit_since(claimed_s)
                    working = group.create_task(self._work(run, permit))
                    self._lease.keep(run, permit, on_lost=working.cancel)
            while self._in_hand:
                await self._wakeup.wait(self._tools.clock, _POLL_S)

    def stop(self) -> None:
        """Claim nothing more; ``run`` returns when the steps in hand are finished and their runs parked."""
        self._stopping = True
        self._wakeup()

    async def _claim(self) -> list[RunRow]:
        free = _AT_ONCE - len(self._in_hand)
        if free <= 0 or not self._lease.holds:
            return []
        tools, now = self._tools, self._tools.clock.now()
        async with tools.store.read() as connection:
            if await tools.unfit(connection) is not None:
                return []
            if not self._alone and (own := tools.settings.own_node) is not None:
                nodes = [replica.node for replica in await replicas.living(connection, now)]
                self._elsewhere = left_to_others(own, nodes, tools.settings.clusters)
            due_at = await self._next_due_at(connection)
            unclaimed_since = now - _UNCLAIMED_AFTER - tools.settings.timings.settle
            stale = await claims.stale_ready(connection, mode=tools.mode, admitted_before=unclaimed_since)
        if stale:
            await self._give_back(stale)
        if due_at is None or due_at > now:
            return []
        async with tools.store.begin(Tx.CLAIM_RUNS) as tx:
            if await tools.unfit(tx) is not None:
                return []
            due = await claims.needs_due(tx, mode=tools.mode, now=now)
            self._unknown = tuple(needs for needs in due if lacking(needs))
            return await claims.claim_due(
                tx,
                mode=tools.mode,
                owner=self._owner,
                now=now,
                lease_until=self._lease.until(now),
                limit=free,
                grace=self._grace,
                left_out=self._left_out,
            )

    async def _next_due_at(self, connection: Connection) -> datetime | None:
        return await claims.next_due_at(connection, self._tools.mode, grace=self._grace, left_out=self._left_out)

    @property
    def _left_out(self) -> LeftOut:
        return LeftOut(tuple(self._in_hand), self._unknown, self._elsewhere)

    async def _give_back(self, stale: list[str]) -> None:
        tools, now = self._tools, self._tools.clock.now()
        async with tools.store.begin(Tx.CLAIM_RUNS) as tx:
            for run_id in stale:
                run = await runs.get(tx, run_id)
                why = "nobody claimed it in 5m; it is decided anew"
                if run is not None and await runs.end_unclaimed(tx, run_id, outcome="overtaken", reason=why, now=now):
                    await episodes.wake_incident(tx, run.incident_id, now)

    async def _rest(self) -> None:
        async with self._tools.store.read() as connection:
            due_at = await self._next_due_at(connection)
        ahead = _POLL_S if due_at is None else (due_at - self._tools.clock.now()).total_seconds()
        await self._wakeup.wait(self._tools.clock, min(max(ahead, 0.02), _POLL_S))

    async def _work(self, run: RunRow, permit: WritePermit) -> None:
        bound = {"run_id": run.id, "incident_id": run.incident_id, "playbook": run.playbook, "mode": run.mode}
        try:
            with structlog.contextvars.bound_contextvars(**bound):
                drive = Drive(self._tools, run, permit, stopping=lambda: self._stopping)
                self._put_down(run)
                await drive.go()
                if not drive.unfinished:
                    self._begun.pop(run.id, None)
        except LostClaimError as lost:
            self._begun.pop(run.id, None)
            log.warning("claim_lost", run_id=run.id, reason=str(lost))
        except StoreUnavailableError as error:
            # The row says where it stands. Its claim ends with the lease; the next claim looks before anything else.
            log.warning("run_left_store_unavailable", run_id=run.id, reason=error.reason)
        except Exception as error:
            log.exception("run_left_after_defect", run_id=run.id)
            await self._after_defect(run, error)
        else:
            self._defects.pop(run.id, None)
        finally:
            self._lease.drop(run)
            del self._in_hand[run.id]
            self._wakeup()

    def _put_down(self, run: RunRow) -> None:
        """Until it is known to be over it counts as put down; the newest ones are remembered."""
        self._begun.pop(run.id, None)
        self._begun[run.id] = _told(run)
        for oldest in list(self._begun)[:-_REMEMBERED]:
            del self._begun[oldest]

    async def _after_defect(self, run: RunRow, error: Exception) -> None:
        """Try again a few times; then it is not left to fail for ever: it ends, or a person is asked."""
        times = self._defects[run.id] = self._defects.get(run.id, 0) + 1
        try:
            if times < _DEFECTS:
                await leave(self._tools, run, until=self._tools.clock.now() + times * _AFTER_DEFECT)
            else:
                await give_up(
                    self._tools, run, f"remediator failed on it by a defect ({type(error).__name__}; see its log)"
                )
                del self._defects[run.id]
                self._begun.pop(run.id, None)
        except LostClaimError as lost:
            log.warning("claim_lost", run_id=run.id, reason=str(lost))
        except StoreUnavailableError as unavailable:
            log.warning("run_left_store_unavailable", run_id=run.id, reason=unavailable.reason)
        except Exception:
            log.exception("run_not_given_up", run_id=run.id)


def _told(run: RunRow) -> str:
    return f"{run.id} ({run.playbook} on {run.target})"
