"""A replica that reaches the store and not the people: it lets another one send, whose way to them may be open.

Without that whoever has the courier's duty would keep it as long as it lives, and nobody would hear of anything.
"""

from remediator.clock import Clock
from remediator.engine.fitness import Unfit
from remediator.store import replicas
from remediator.store.database import Connection

_TRIED_S = 60.0
"""Shorter troubles are ridden out: a message is tried again within seconds."""
_RESTS_S = 45.0
"""Then it may send again, if the other had no more success: less than that one tries, so that there is always one that may."""


class Reach:
    """Of one replica. The courier tells it what came of each message; ``unfit`` is asked of its duty."""

    def __init__(self, *, clock: Clock, replica: str, unfit: Unfit) -> None:
        """``replica`` is this one's id; ``unfit`` says why it may not send whatever its way to people is."""
        self._clock = clock
        self._replica = replica
        self._unfit = unfit
        self._failing_since_s: float | None = None
        self._rests_until_s = 0.0

    def open(self) -> None:
        """The other side answered, whatever it said."""
        self._failing_since_s, self._rests_until_s = None, 0.0

    def closed(self) -> None:
        """It could not be reached, or its answer was lost."""
        if self._failing_since_s is None:
            self._failing_since_s = self._clock.boottime()

    async def unfit(self, connection: Connection) -> str | None:
        """Why this replica may not send now, or None. One that is alone may always try."""
        if (why := await self._unfit(connection)) is not None:
            return why
        now_s = self._clock.boottime()
        if self._failing_since_s is not None and now_s - self._failing_since_s >= _TRIED_S:
            self._failing_since_s, self._rests_until_s = None, now_s + _RESTS_S
        if now_s >= self._rests_until_s:
            return None
        others = await replicas.living(connection, self._clock.now(), without=self._replica)
        return (
            "nobody could be told from here for a minute, and another replica may have more success" if others else None
        )
