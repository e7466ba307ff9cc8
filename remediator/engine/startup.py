"""What a start settles before any loop runs: the store's mode, and whether the engine only watches for a while (S10, S21)."""

from datetime import datetime

import structlog

from remediator.errors import ConfigError
from remediator.settings import Settings
from remediator.store import episodes, meta, stopped
from remediator.store.database import Store, Tx

log = structlog.get_logger(__name__)


async def settle_mode(store: Store, *, mode: str, change_mode: bool, now: datetime) -> None:
    """Stamp a new store; refuse one that was used in another mode, unless ``change_mode`` (S21).

    Every open alert is decided anew; a changed mode also cancels what the other mode had under way.

    Raises:
        ConfigError: the store is stamped with another mode.
    """
    async with store.begin(Tx.OPERATE) as tx:
        stamped = await meta.get(tx, meta.MODE)
        await episodes.wake_all(tx, now)  # settings may be others than before
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


async def settle_hold(store: Store, *, mode: str, settings: Settings, now: datetime) -> datetime | None:
    """Begin a ``start_hold`` after a first live start or a long outage (S10). Returns until when, if one stands."""
    if mode != "live":
        return None
    async with store.begin(Tx.OPERATE) as tx:
        live_since = await meta.get_instant(tx, meta.LIVE_SINCE)
        alive_at = await meta.get_instant(tx, meta.ALIVE_AT)
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
