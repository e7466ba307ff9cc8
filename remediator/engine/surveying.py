"""Episodes that are being looked at, side by side. Each cluster has its own places, so that a slow one holds nobody else up, and
some of them are kept for what is urgent. What has been looked at waits here, the most urgent first, to be recorded.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from remediator.alerts.severity import Severity
from remediator.engine.case import Case
from remediator.errors import StoreUnavailableError
from remediator.store.episodes import EpisodeRow, urgency

_PLACES = 16
"""Episodes of one cluster that ask the world at once; more would crowd out the runs."""
_KEPT = 4
"""Of these, places that only critical and high alerts take: the others may all stand before a cluster that does not answer."""
_WORTH_READING = 4
"""So many places must have come free before what is due is read again, unless nothing is looked at or some time has passed."""
_WAITING = 256
"""Cases that wait to be recorded; while there are more, nothing is looked at: it would be old when its turn comes."""

Look = Callable[[EpisodeRow], Awaitable[Case | None]]
"""None: settled otherwise, to be looked at again by itself."""


class Surveying:
    """Of one decider. Its tasks belong to the group."""

    def __init__(
        self,
        group: asyncio.TaskGroup,
        *,
        look: Look,
        at_once: Callable[[EpisodeRow], Case | None],
        place_of: Callable[[EpisodeRow], str],
        on_seen: Callable[[], None],
    ) -> None:
        """``at_once`` gives the case of an episode that needs no look at the world; ``place_of`` says whose answer the look
        waits for; ``on_seen`` is called after every look."""
        self._group = group
        self._look = look
        self._at_once = at_once
        self._place_of = place_of
        self._on_seen = on_seen
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._taken: Counter[str] = Counter()
        self._ready: dict[str, Case] = {}
        self._freed = 0
        self._failure: StoreUnavailableError | None = None

    @property
    def ready(self) -> bool:
        """Does anything wait to be recorded, or has the store failed?"""
        return bool(self._ready) or self._failure is not None

    @property
    def in_hand(self) -> int:
        """Episodes that are being looked at or wait to be recorded."""
        return len(self._tasks) + len(self._ready)

    @property
    def has_room(self) -> bool:
        """Is it worth while to read what is due? Not for every single place that comes free: the list is long in a storm."""
        return self._freed >= _WORTH_READING or not self._tasks

    def start(self, due: Sequence[EpisodeRow]) -> int:
        """Begin with those that have a place, in this order. Returns how many; the others stay due."""
        begun = self._freed = 0
        for episode in due:
            if len(self._ready) >= _WAITING:
                break
            if episode.id in self._tasks or episode.id in self._ready:
                continue
            if (case := self._at_once(episode)) is not None:
                self._ready[episode.id] = case
                begun += 1
                continue
            place = self._place_of(episode)
            urgent = Severity(episode.severity).told_as.rank <= Severity.HIGH.rank
            if self._taken[place] < (_PLACES if urgent else _PLACES - _KEPT):
                self._taken[place] += 1
                self._tasks[episode.id] = self._group.create_task(self._survey(episode, place))
                begun += 1
        return begun

    def take(self, now: datetime, at_most: int) -> list[Case]:
        """The most urgent of those that have been looked at.

        Raises:
            StoreUnavailableError: a look failed because of the store.
        """
        if self._failure is not None:
            raise self._failure
        cases = sorted(self._ready.values(), key=lambda case: urgency(case.episode, now))[:at_most]
        for case in cases:
            del self._ready[case.episode.id]
        return cases

    def give_back(self, cases: Sequence[Case]) -> None:
        """Taken, and not recorded after all."""
        self._ready.update((case.episode.id, case) for case in cases)

    def cancel(self) -> None:
        """Look no further; what was begun is due again."""
        for task in self._tasks.values():
            task.cancel()

    async def _survey(self, episode: EpisodeRow, place: str) -> None:
        try:
            case = await self._look(episode)
        except StoreUnavailableError as error:
            self._failure = error
        else:
            if case is not None:
                self._ready[episode.id] = case
        finally:
            del self._tasks[episode.id]
            self._taken[place] -= 1
            self._freed += 1
            self._on_seen()
