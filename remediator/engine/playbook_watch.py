"""The active set of playbooks: reloaded on SIGHUP and when a file changes; a bad one keeps the old set and says why.

Among several replicas the set in force is a row in the store (S22). Whoever sees its files change writes it; one that merely starts
does not, while a replica lives that has the set in force: its files may be older. A replica that has another set decides and begins
nothing. When no replica with the set in force lives any more, one that does puts its own in force.
"""

from collections.abc import Callable
from datetime import datetime

import structlog

from remediator.clock import Clock
from remediator.engine.wakeup import Wakeup
from remediator.errors import StoreUnavailableError
from remediator.metrics import Metrics
from remediator.playbooks.library import Library, LoadedSet, PlaybookErrors
from remediator.store import episodes, meta, replicas
from remediator.store.database import Connection, Store, Tx

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 2.0


class PlaybookWatch:
    """One per process. Whatever it loads is active only once its hash is in the store (S22)."""

    def __init__(
        self,
        *,
        library: Library,
        store: Store,
        clock: Clock,
        metrics: Metrics,
        replica: str,
        on_changed: Callable[[], None],
    ) -> None:
        """``replica`` is the id of this process."""
        self._library = library
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._replica = replica
        self._on_changed = on_changed
        self._asked = Wakeup()
        self._reload_asked = False
        self._loaded: LoadedSet | None = None
        self.problems: tuple[str, ...] = ()
        self.differs = False
        """Another set than this replica's is in force."""

    @property
    def set_hash(self) -> str | None:
        """The set that this replica has; None before the first load."""
        return None if self._loaded is None else self._loaded.set_hash

    def reload_soon(self) -> None:
        """SIGHUP: read the files again even if none looks changed."""
        self._reload_asked = True
        self._asked()

    def look_soon(self) -> None:
        """Another replica may have put another set in force."""
        self._asked()

    async def load(self) -> None:
        """Read the files now.

        Raises:
            PlaybookErrors: what is wrong; the set from before stays active.
            StoreUnavailableError: the new set could not be made active.
        """
        try:
            loaded = self._library.reload()
        except PlaybookErrors as errors:
            self.problems = tuple(str(problem) for problem in errors.problems)
            self._metrics.playbook_load_errors.set(len(self.problems))
            raise
        self.problems = ()
        edited = self._loaded is not None and self._loaded.set_hash != loaded.set_hash
        changed = await self._put_in_force(loaded, edited=edited)
        self._metrics.playbook_load_errors.set(0)
        self._metrics.playbooks_loaded.set(len(loaded.playbooks))
        self._metrics.playbook_last_load_success_at.set(self._clock.now().timestamp())
        log.info("playbooks_loaded", playbooks=len(loaded.playbooks), set_hash=loaded.set_hash, changed=changed)
        if changed:
            self._on_changed()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self._asked.wait(self._clock, _LOOK_EVERY_S)
            try:
                if self._reload_asked or self._library.changed():
                    self._reload_asked = False
                    await self.load()
                elif self._store.shared:
                    await self._follow()
            except PlaybookErrors as errors:
                for problem in errors.problems:
                    log.error("playbook_refused", problem=str(problem), kept="the set from before")
            except StoreUnavailableError as error:
                self._reload_asked = True
                log.warning("playbooks_not_activated", reason=error.reason)

    async def _follow(self) -> None:
        """What is in force may have been changed by another replica, or be a set that nobody has any more."""
        if self._loaded is None:
            return
        async with self._store.read() as connection:
            active = await meta.get(connection, meta.ACTIVE_SET)
            alone = active != self._loaded.set_hash and not await self._kept_elsewhere(connection, active)
        if alone and await self._put_in_force(self._loaded, edited=False):
            log.warning(
                "playbooks_put_in_force", set_hash=self._loaded.set_hash, reason=f"nobody has {active} any more"
            )
            self._on_changed()
        else:
            self._compare(active)

    async def _put_in_force(self, loaded: LoadedSet, *, edited: bool) -> bool:
        """Returns whether it is in force now and was not before."""
        now = self._clock.now()
        revisions = {playbook.name: playbook.revision for playbook in loaded.playbooks}
        changed = False
        async with self._store.begin(Tx.DUTY) as tx:
            active = await meta.get(tx, meta.ACTIVE_SET)
            await replicas.has_set(tx, self._replica, loaded.set_hash)
            if edited or not await self._kept_elsewhere(tx, active, now):
                active = loaded.set_hash
                changed = await meta.activate_set(tx, set_hash=active, playbooks=revisions, now=now)
            if changed:
                await episodes.wake_all(tx, now)
        self._loaded = loaded
        self._compare(active)
        return changed

    async def _kept_elsewhere(self, connection: Connection, active: str | None, now: datetime | None = None) -> bool:
        """Does another replica live that has the set in force?"""
        if not self._store.shared:
            return False
        living = await replicas.living(connection, now or self._clock.now(), without=self._replica)
        return any(replica.set_hash == active for replica in living)

    def _compare(self, active: str | None) -> None:
        differs = active != self.set_hash
        if differs and not self.differs:
            log.warning(
                "playbooks_differ", set_hash=self.set_hash, in_force=active, reason="this replica decides nothing"
            )
        elif self.differs and not differs:
            log.info("playbooks_agree", set_hash=active)
        self.differs = differs
