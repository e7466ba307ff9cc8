"""The active set of playbooks: reloaded on SIGHUP and when a file changes; a bad one keeps the old set and says why."""

from collections.abc import Callable

import structlog

from remediator.clock import Clock
from remediator.engine.wakeup import Wakeup
from remediator.errors import StoreUnavailableError
from remediator.metrics import Metrics
from remediator.playbooks.library import Library, PlaybookErrors
from remediator.store import episodes, meta
from remediator.store.database import Store, Tx

log = structlog.get_logger(__name__)

_LOOK_EVERY_S = 2.0


class PlaybookWatch:
    """One per process. Whatever it loads is active only once its hash is in the store (S22)."""

    def __init__(
        self, *, library: Library, store: Store, clock: Clock, metrics: Metrics, on_changed: Callable[[], None]
    ) -> None:
        self._library = library
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._on_changed = on_changed
        self._asked = Wakeup()
        self._reload_asked = False
        self.problems: tuple[str, ...] = ()

    def reload_soon(self) -> None:
        """SIGHUP: read the files again even if none looks changed."""
        self._reload_asked = True
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
        now = self._clock.now()
        revisions = {playbook.name: playbook.revision for playbook in loaded.playbooks}
        async with self._store.begin(Tx.OPERATE) as tx:
            changed = await meta.activate_set(tx, set_hash=loaded.set_hash, playbooks=revisions, now=now)
            if changed:
                await episodes.wake_all(tx, now)
        self._metrics.playbook_load_errors.set(0)
        self._metrics.playbooks_loaded.set(len(loaded.playbooks))
        self._metrics.playbook_last_load_success_at.set(now.timestamp())
        log.info("playbooks_loaded", playbooks=len(loaded.playbooks), set_hash=loaded.set_hash, changed=changed)
        if changed:
            self._on_changed()

    async def run(self) -> None:
        """Watch until cancelled."""
        while True:
            await self._asked.wait(self._clock, _LOOK_EVERY_S)
            if not self._reload_asked and not self._library.changed():
                continue
            self._reload_asked = False
            try:
                await self.load()
            except PlaybookErrors as errors:
                for problem in errors.problems:
                    log.error("playbook_refused", problem=str(problem), kept="the set from before")
            except StoreUnavailableError as error:
                self._reload_asked = True
                log.warning("playbooks_not_activated", reason=error.reason)
