"""What a loop needs of the store: transactions and snapshots. The store gives them to everybody, a duty only to who has it."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from remediator.store.database import Connection, Tx


class Door(Protocol):
    """``store.database.Store`` or ``engine.duty.Duty``."""

    def begin(self, tx: Tx) -> AbstractAsyncContextManager[Connection]:
        """A write transaction. Raises StoreUnavailableError: nothing was written."""
        ...

    def read(self) -> AbstractAsyncContextManager[Connection]:
        """A snapshot. Raises StoreUnavailableError."""
        ...
