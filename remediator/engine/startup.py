"""What a start settles before any loop runs: the store's mode, and whether the engine only watches for a while (S10, S21)."""

from collections.abc import Sequence
from datetime import datetime

import structlog

from remediator.errors import ConfigError
from remediator.settings import Settings
from remediator.store import meta, replicas, stopped
from remediator.store.database import Store, Tx
from remediator.store.replicas import Card, ReplicaRow

log = structlog.get_logger(__name__)


async def settle_mode(store: Store, *, card: Card, lease_until: datetime, change_mode: bool, now: datetime) -> None:
    """Stamp a new store; refuse one that was used in another mode, unless ``change_mode`` (S21). From then on the replica lives.

    A changed mode cancels what the other mode had under way.

    Raises:
        ConfigError: the store is stamped with another mode, or a replica lives in another.
    """
    mode = card.mode
    async with store.begin(Tx.OPERATE) as tx:
        stamped = await meta.get(tx, meta.MODE)
        if store.shared:
            _refuse_beside(await replicas.living(tx, now), mode)
        await replicas.beat(tx, card, now=now, lease_until=lease_until)
        if stamped == mode:
            return
        if stamped is not None and not change_mode:
            raise ConfigError(
                path="store.url",
                line=None,
                message=f"this store was used in mode {stamped}, and is now started in mode {mode}",
                remedy="start with --change-mode to cancel what is under way there, or use another store.url",
            )
        if stamped is not None:
            cancelled = await stopped.cancel_mode(tx, mode=stamped, why=f"the store's mode became {mode}", now=now)
            log.warning("mode_changed", before=stamped, after=mode, runs_cancelled=cancelled)
        await meta.put(tx, meta.MODE, mode)


def _refuse_beside(living: Sequence[ReplicaRow], mode: str) -> None:
    other = next((replica for replica in living if replica.mode != mode), None)
    if other is not None:
        raise ConfigError(
            path="mode",
            line=None,
            message=f"replica {other.name} uses this store in mode {other.mode}, and is alive",
            remedy=f"stop every replica of mode {other.mode} first, or use another store.url",
        )


async def settle_hold(store: Store, *, card: Card, settings: Settings, now: datetime) -> datetime | None:
    """Begin a ``start_hold`` after a first live start or a long outage (S10). Returns until when, if one stands.

    While another replica lives, or was seen lately, there is no outage.
    """
    if card.mode != "live":
        return None
    async with store.begin(Tx.OPERATE) as tx:
        live_since = await meta.get_instant(tx, meta.LIVE_SINCE)
        alive_at = await replicas.last_seen_at(tx, without=card.id)
        hold_until = await meta.get_instant(tx, meta.HOLD_UNTIL)
        outage = alive_at is not None and now - alive_at > settings.timings.outage
        if live_since is None or outage:
            hold_until = now + settings.timings.start_hold
            await meta.put_instant(tx, meta.HOLD_UNTIL, hold_until)
        if live_since is None:
            await meta.put_instant(tx, meta.LIVE_SINCE, now)
    if hold_until is None or hold_until <= now:
        return None
    log.info("start_hold", until=hold_until.isoformat(), after_outage=outage)
    return hold_until
