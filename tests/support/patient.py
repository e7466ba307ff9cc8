"""Bounds of a database's session for tests that are about something else, on machines with much other work."""

from remediator.store.postgresql_connection import Bounds


class Patient(Bounds):
    """As the program's own, but for how long a transaction of ours may say nothing: `tests/unit/store/` has tests of that."""

    @classmethod
    def under(cls, lease_s: float) -> Bounds:
        return Bounds(idle=max(60.0, lease_s))
