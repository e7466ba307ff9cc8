"""What stands in the body of ``/-/ready`` and in gauges: the state of everything that the service leans on.

Open to all, so nothing out of alerts is in it: ids, counts, and names that stand in settings and playbooks. None of it makes the
service unready, save the store (design, "Contracts"): an alert that can be stored must be taken.
"""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from remediator.clock import Clock
from remediator.engine.duty import Duties
from remediator.engine.facts import by_pause_file
from remediator.engine.lease import Lease
from remediator.engine.permission_watch import PermissionWatch
from remediator.engine.playbook_watch import PlaybookWatch
from remediator.errors import RemediatorError
from remediator.metrics import Metrics
from remediator.settings import Settings
from remediator.store import duties, episodes, outbox, pauses, replicas, runs
from remediator.store.database import Store


class Readiness:
    """Asked by ``web.health`` at each request."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        settings: Settings,
        mode: str,
        lease: Lease,
        watch: PlaybookWatch,
        permissions: PermissionWatch,
        duties: Duties,
        in_hand: Callable[[], tuple[str, ...]],
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._mode = mode
        self._lease = lease
        self._watch = watch
        self._permissions = permissions
        self._duties = duties
        self._in_hand = in_hand
        self._metrics = metrics

    async def details(self) -> dict[str, Any]:
        """Each dependency, with ``ok`` and, where it is not, why."""
        known = {
            "mode": self._mode,
            "playbooks": {
                "ok": not self._watch.problems and not self._watch.differs,
                "problems": list(self._watch.problems),
                "in_force": not self._watch.differs,
            },
            "permissions": self._permissions.details(),
            "heartbeat": {"ok": self._lease.holds},
            "duties": {"held": list(self._duties.held)},
            "runs_in_hand": [told.partition(" ")[0] for told in self._in_hand()],
        }
        try:
            return known | await self._stored()
        except RemediatorError as error:
            return known | {"store": {"ok": False, "why": str(error)}}

    async def _stored(self) -> dict[str, Any]:
        now = self._clock.now()
        async with self._store.read() as connection:
            standing = (*by_pause_file(self._settings.pause_file), *await pauses.standing(connection))
            asking = await runs.listing(connection, states=("needs_person",))
            active = await runs.listing(connection, states=runs.ACTIVE_STATES, limit=1_000)
            counted = await outbox.count_unsent(connection)
            oldest_at = await outbox.oldest_waiting_at(connection)
            name = self._settings.escalation.watchdog
            living = {replica.id: replica.name for replica in await replicas.living(connection, now)}
            holders = await duties.holders(connection)
            seen_at = None if name is None else await episodes.last_seen(connection, name)
        self._metrics.paused.set(any(pause.scope == pauses.ALL for pause in standing))
        self._metrics.replicas.set(len(living))
        self._metrics.runs_active.set(len(active))
        self._metrics.runs_needing_person.set(len(asking))
        for state, count in counted.items():
            self._metrics.outbox_rows.labels(state=state).set(count)
        oldest = timedelta(0) if oldest_at is None else now - oldest_at
        self._metrics.outbox_age.set(oldest.total_seconds())
        if seen_at is not None:  # a restarted process knows it from the store
            self._metrics.watchdog_last_seen_at.set(seen_at.timestamp())
        fresh = seen_at is not None and now - seen_at <= self._settings.escalation.watchdog_within
        return {
            "store": {"ok": True},
            "replicas": list(living.values()),
            "duties": {
                "held": list(self._duties.held),
                "by": {name: living.get(owner or "") for name, owner in holders.items()},
            },
            "paused": [pause.scope for pause in standing],
            "needs_person": [run.id for run in asking],
            "outbox": {"waiting": counted["waiting"], "oldest_age_s": oldest.total_seconds()},
            "watchdog": {
                "ok": name is None or fresh,
                "alertname": name,
                "last_seen_at": None if seen_at is None else seen_at.isoformat(),
            },
        }
