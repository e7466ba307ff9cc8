"""The lease: how long this process may still act. One heartbeat for all that it holds; not renewed, it ends by itself (S20).

Each claim has a permit of its own, which the transport asks just before the first byte of every write. Only a heartbeat that found
the claim's row still ours moves it on, so a process that was frozen, or is cut off from its store, writes nothing for a run that
somebody has taken over meanwhile, even if it gets a lease again.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog

from remediator.clients.transport import WritePermit
from remediator.clock import Clock
from remediator.engine.duty import Duties
from remediator.engine.wakeup import Wakeup
from remediator.errors import StoreUnavailableError
from remediator.store import claims, replicas
from remediator.store import duties as duty_rows
from remediator.store.database import Store, Tx
from remediator.store.replicas import Card
from remediator.store.runs import RunRow

log = structlog.get_logger(__name__)

_JUST_AFTER_S = 0.05
"""A lease that ends at an instant is over after it."""


@dataclass(frozen=True, slots=True)
class _Claim:
    fence: int
    permit: WritePermit
    on_lost: Callable[[], object]


class Lease:
    """Of one process. It holds after the first heartbeat."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        card: Callable[[], Card],
        length: timedelta,
        duties: Duties,
        on_beat: Callable[[], None],
        on_failure: Callable[[str], None],
    ) -> None:
        """``card`` is what the process says of itself in its row; its id owns claims and duties."""
        self._store = store
        self._clock = clock
        self._card = card
        self._owner = card().id
        self._length = length
        self._duties = duties
        self._on_beat = on_beat
        self._on_failure = on_failure
        self._claims: dict[str, _Claim] = {}
        self._valid_until = 0.0
        self._renewed = asyncio.Event()
        self._wakeup = Wakeup()
        self._no_turn: str | None = None
        """Why the last look for duties could not write; a heartbeat, which takes no turn on a shared store, would not notice."""

    @property
    def left_s(self) -> float:
        """Seconds of it that are left; negative when it is over."""
        return self._valid_until - self._clock.boottime()

    @property
    def holds(self) -> bool:
        """Is it still ours?"""
        return self.left_s > 0

    def until(self, now: datetime) -> datetime:
        """What a claim made now is written down as, in wall time, for other processes to see."""
        return now + self._length

    def permit_since(self, claimed_s: float) -> WritePermit:
        """What a claim gives the right to. ``claimed_s``: boot time from before the transaction that made it."""
        return WritePermit(claimed_s + self._length.total_seconds())

    def keep(self, run: RunRow, permit: WritePermit, *, on_lost: Callable[[], object]) -> None:
        """Renew this claim and its permit with every heartbeat. ``on_lost`` is called once, when another process has it."""
        self._claims[run.id] = _Claim(run.fence, permit, on_lost)

    def drop(self, run: RunRow) -> None:
        """Stop renewing it; a claim that was not given back ends with the lease."""
        if (claim := self._claims.get(run.id)) is not None and claim.fence == run.fence:
            del self._claims[run.id]

    def look_soon(self) -> None:
        """A duty may be free: do not wait for the next heartbeat."""
        self._wakeup()

    async def beat(self) -> None:
        """Renew every third of the lease, until cancelled. Whoever holds duties when it is over stops them at once."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._end())
            group.create_task(self._look())
            while True:
                await self.renew()
                await self._clock.sleep(self._length.total_seconds() / 3)

    async def renew(self) -> None:
        """One heartbeat. A failed one renews nothing and says so."""
        asked_s = self._clock.boottime()
        held, known = dict(self._claims), self._duties.as_known
        try:
            async with self._store.begin(Tx.HEARTBEAT) as tx:
                now = self._clock.now()
                until = self.until(now)
                kept = await claims.heartbeat(tx, owner=self._owner, run_ids=sorted(held), lease_until=until)
                had = await duty_rows.renew(tx, owner=self._owner, lease_until=until)
                await replicas.beat(tx, self._card(), now=now, lease_until=until)
            # Counted from before the transaction: what others read can only end later than what we allow ourselves.
            self._valid_until = asked_s + self._length.total_seconds()
            self._renewed.set()
            for run_id, claim in held.items():
                self._settle_claim(run_id, claim, kept.get(run_id))
            self._duties.renewed(had, known=known)
            if self._no_turn is None:
                self._on_beat()
            else:
                self._on_failure(self._no_turn)
        except StoreUnavailableError as error:
            log.warning("heartbeat_failed", reason=error.reason)
            self._on_failure(error.reason)

    async def settle(self) -> float:
        """Take what duties are free, give up what this process may not have. Returns seconds until it is worth another look.

        Not part of the heartbeat, because it waits for its turn.
        """
        look_every_s = self._length.total_seconds() / 3
        if not self.holds:
            return look_every_s
        now = self._clock.now()
        try:
            next_free_at = await self._duties.settle(now, self.until(now))
            await self._have_a_turn()
        except StoreUnavailableError as error:
            log.warning("duties_not_settled", reason=error.reason)
            self._no_turn = error.reason
            return look_every_s
        self._no_turn = None
        ahead_s = look_every_s if next_free_at is None else (next_free_at - self._clock.now()).total_seconds()
        return min(look_every_s, max(ahead_s, 0.0) + _JUST_AFTER_S)

    async def leave(self) -> None:
        """At a clean stop: free the duties for others at once, and say that this process is gone. It may fail: then they wait."""
        self._duties.lose_all("stopping", expected=True)
        try:
            async with self._store.begin(Tx.DUTY) as tx:
                await duty_rows.give_up_all(tx, owner=self._owner)
                await replicas.leave(tx, self._owner, self._clock.now())
        except StoreUnavailableError as error:
            log.warning("not_left", reason=error.reason)

    async def _have_a_turn(self) -> None:
        """A store that takes heartbeats and nothing else is no store that works: nobody decides, and no page is written (S36)."""
        if self._store.shared:
            async with self._store.begin(Tx.MARK):
                pass

    def _settle_claim(self, run_id: str, claim: _Claim, found: tuple[str | None, int] | None) -> None:
        if found == (self._owner, claim.fence):
            claim.permit.valid_until = self._valid_until
        elif (found is None or found[1] != claim.fence) and self._claims.get(run_id) is claim:
            log.warning("claim_lost", run_id=run_id, reason="another process has claimed it")
            claim.permit.valid_until = 0.0
            del self._claims[run_id]
            claim.on_lost()

    async def _look(self) -> None:
        while True:
            await self._wakeup.wait(self._clock, await self.settle())

    async def _end(self) -> None:
        while True:
            if self.holds:
                await self._clock.sleep(self.left_s)
            else:
                self._duties.lose_all("the lease could not be renewed")
                self._renewed.clear()
                await self._renewed.wait()
