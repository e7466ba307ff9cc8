"""Whether this replica may decide and act at all: asked at the start of each transaction that does (S21, S22)."""

from collections.abc import Awaitable, Callable

from remediator.store import meta
from remediator.store.database import Connection

Unfit = Callable[[Connection], Awaitable[str | None]]
"""Why this replica may not do something now, or None."""


class Fitness:
    """Of one replica: it has no say in a store that was changed to another mode while it was away, nor by playbooks not in force."""

    def __init__(self, *, mode: str, set_hash: Callable[[], str | None]) -> None:
        """``set_hash`` gives the set of playbooks that this replica has loaded."""
        self._mode = mode
        self._set_hash = set_hash

    async def in_mode(self, connection: Connection) -> str | None:
        """Why it may do nothing here, or None."""
        return self._other_mode(await meta.get(connection, meta.MODE))

    async def in_all(self, connection: Connection) -> str | None:
        """Why it may neither decide nor act, or None."""
        found = await meta.get_many(connection, (meta.MODE, meta.ACTIVE_SET))
        if (why := self._other_mode(found.get(meta.MODE))) is not None:
            return why
        active, own = found.get(meta.ACTIVE_SET), self._set_hash()
        return None if active == own else f"the playbooks in force are {active}, this replica has {own}"

    def _other_mode(self, stamped: str | None) -> str | None:
        return None if stamped == self._mode else f"the store's mode is {stamped}, this replica's {self._mode}"


async def fit(_connection: Connection) -> None:
    """Of those who need not ask."""
