"""Whether this replica may decide and act at all: asked at the start of each transaction that does (S21, S22, S28)."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from remediator.store import clock_steps, meta
from remediator.store.database import Connection

Unfit = Callable[[Connection], Awaitable[str | None]]
"""Why this replica may not do something now, or None."""


class Fitness:
    """Of one replica: it has no say in a store that was changed to another mode while it was away, nor by playbooks not in force,
    nor by a time that the store has left."""

    def __init__(self, *, mode: str, set_hash: Callable[[], str | None], clock_steps: Callable[[], int]) -> None:
        """``set_hash`` gives the set of playbooks that this replica has loaded, ``clock_steps`` how many steps it has followed."""
        self._mode = mode
        self._set_hash = set_hash
        self._clock_steps = clock_steps

    async def in_mode(self, connection: Connection) -> str | None:
        """Why it may do nothing here, or None."""
        return self._elsewhere(await meta.get_many(connection, (meta.MODE, meta.CLOCK)))

    async def in_all(self, connection: Connection) -> str | None:
        """Why it may neither decide nor act, or None."""
        found = await meta.get_many(connection, (meta.MODE, meta.CLOCK, meta.ACTIVE_SET))
        if (why := self._elsewhere(found)) is not None:
            return why
        active, own = found.get(meta.ACTIVE_SET), self._set_hash()
        return None if active == own else f"the playbooks in force are {active}, this replica has {own}"

    def _elsewhere(self, found: Mapping[str, Any]) -> str | None:
        if (stamped := found.get(meta.MODE)) != self._mode:
            return f"the store's mode is {stamped}, this replica's {self._mode}"
        if clock_steps.of(found.get(meta.CLOCK)) != self._clock_steps():
            return "the store's clock has stepped, this replica has not followed yet"
        return None


async def fit(_connection: Connection) -> None:
    """Of those who need not ask."""
