"""The dispatcher: alerts in groups, each group flushed by its own clock."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta

import aiohttp

from remediator.sandbox.alerts import Alert, AlertPool
from remediator.sandbox.background import Background
from remediator.sandbox.signals import Signal
from remediator.sandbox.timekeeping import Pace
from remediator.sandbox.webhook_body import Flush, group_key
from remediator.sandbox.webhook_delivery import Delivery

# A flush of the real Alertmanager has at least this long to get through.
_LEAST_FLUSH_S = 10.0
GROUP_BY_ALL = "..."


@dataclass(frozen=True, slots=True)
class Route:
    """The one route: how alerts are grouped and when a group speaks (seconds before the pace shortens them)."""

    group_by: tuple[str, ...] = ("alertname",)
    group_wait_s: float = 0.2
    group_interval_s: float = 1.0
    repeat_interval_s: float = 4 * 3600.0
    backoff_s: float = 0.5


@dataclass(slots=True)
class Group:
    """One group and the fingerprints in it."""

    labels: dict[str, str]
    members: dict[str, None] = field(default_factory=dict)


class Dispatcher:
    """Puts alerts into groups and flushes each group to every webhook."""

    def __init__(
        self,
        pool: AlertPool,
        route: Route,
        pace: Pace,
        background: Background,
        deliveries: Sequence[Delivery],
        session: Callable[[], aiohttp.ClientSession],
        changed: Signal,
    ) -> None:
        self._pool = pool
        self._route = route
        self._pace = pace
        self._background = background
        self._deliveries = deliveries
        self._session = session
        self._changed = changed
        self._groups: dict[str, Group] = {}

    def groups(self) -> list[Group]:
        return list(self._groups.values())

    def add(self, alert: Alert) -> None:
        """Put an alert into its group; a new group starts its clock (no wait for what began long ago)."""
        labels = self._group_labels(alert)
        key = group_key(labels)
        if key not in self._groups:
            group = self._groups[key] = Group(labels)
            wait = timedelta(seconds=self._route.group_wait_s / self._pace.speed)
            wait_s = 0.0 if alert.starts_at + wait < self._pace.now() else self._route.group_wait_s
            self._background.start(self._run(key, group, wait_s), name=f"sandbox-alert-group {key}")
        self._groups[key].members[alert.fingerprint] = None

    def _group_labels(self, alert: Alert) -> dict[str, str]:
        if GROUP_BY_ALL in self._route.group_by:
            return dict(alert.labels)
        return {name: alert.labels[name] for name in self._route.group_by if name in alert.labels}

    async def _run(self, key: str, group: Group, wait_s: float) -> None:
        """Flush after `wait_s`, then at every tick of group_interval, until the group is empty."""
        await self._pace.sleep(wait_s)
        tick_s = self._pace.elapsed_s()
        while True:
            await self._flush(key, group)
            if not group.members:
                # No await between this look and the removal: `add` cannot slip a new alert in between.
                del self._groups[key]
                self._changed.tell()
                return
            # Ticks are fixed; one that came while a flush was still retrying is not made up for.
            while tick_s <= self._pace.elapsed_s():
                tick_s += self._route.group_interval_s
            await self._pace.sleep(tick_s - self._pace.elapsed_s())

    async def _flush(self, key: str, group: Group) -> None:
        now = self._pace.now()
        members = [alert for fingerprint in group.members if (alert := self._pool.get(fingerprint)) is not None]
        # Muted alerts are left out whether they fire or not: one that resolves under a silence is never heard of.
        told = [alert for alert in members if not self._pool.silenced_by(alert)]
        flush = Flush(group.labels, told, now)
        deadline_s = max(self._route.group_interval_s, _LEAST_FLUSH_S)
        taken = True
        if told:
            outcomes = await asyncio.gather(
                *(delivery.notify(self._session(), key, flush, deadline_s) for delivery in self._deliveries)
            )
            taken = all(outcomes)
        if not taken:
            return
        for alert in members:
            if alert.resolved_at(now) and self._pool.get(alert.fingerprint) is alert:
                group.members.pop(alert.fingerprint, None)
