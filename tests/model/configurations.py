"""How the model is searched: what must hold in every order of steps, and which mutations must be found to break it.

`short` ones are part of `make test`; all of them are searched by `make model`.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Configuration:
    """One search. ``switches`` are the model's; ``broken`` says that an error must be found, not that none may be."""

    name: str
    switches: tuple[str, ...]
    short: bool = False
    broken: bool = False

    @property
    def liveness(self) -> bool:
        """Is it searched for what never happens, under weak fairness, beside what must not?"""
        return "LIVE" in self.switches


HOLDS = (
    Configuration("two workers, one run", (), short=True),
    Configuration("one run and its undo, no cancel", ("UNDO", "ATTEMPTS=1", "NO_CANCEL"), short=True),
    Configuration("two runs on one target, one worker", ("WORKERS=1", "RUNS=2"), short=True),
    Configuration("a run and its reverse, one worker", ("WORKERS=1", "RUNS=2", "SECOND_REVERSE"), short=True),
    Configuration("a run and one to be approved, one worker", ("WORKERS=1", "RUNS=2", "SECOND_APPROVAL"), short=True),
    Configuration("one process on SQLite, restarted", ("SQLITE", "WORKERS=1", "UNDO"), short=True),
    Configuration("writes land however late", ("LATE", "NO_CANCEL"), short=True),
    Configuration("nothing is lost, no cancel", ("LIVE", "ATTEMPTS=1", "NO_CANCEL"), short=True),
    Configuration("one run and its undo", ("UNDO",)),
    Configuration("three workers", ("WORKERS=3", "NO_CANCEL")),
    Configuration("two runs on one target", ("RUNS=2", "ATTEMPTS=1", "NO_CANCEL")),
    Configuration("a run and its reverse", ("RUNS=2", "SECOND_REVERSE", "ATTEMPTS=1", "NO_CANCEL")),
    Configuration("a run and one to be approved", ("RUNS=2", "SECOND_APPROVAL", "ATTEMPTS=1", "NO_CANCEL")),
    Configuration("writes land however late, with cancels", ("LATE",)),
    Configuration("nothing is lost", ("LIVE",)),
    Configuration("nothing is lost after two faults", ("LIVE", "FAULTS=2", "ATTEMPTS=1", "NO_CANCEL")),
)

BROKEN = tuple(
    Configuration(name, switches, short=True, broken=True)
    for name, switches in (
        ("writes of the journal do not name the fence", ("MUT_NO_FENCE",)),
        ("what was begun is begun again without a look", ("MUT_NO_LAND",)),
        ("a run is taken over when its lease ends, without grace", ("MUT_NO_GRACE",)),
        ("the permit is not asked before the first byte", ("MUT_NO_PERMIT",)),
        ("a heartbeat renews the permit of a claim that is lost", ("MUT_PERMIT_OF_PROCESS",)),
        ("a claim does not ask again whether the lease is over", ("MUT_BLIND_CLAIM",)),
        ("the look does not wait for a request on its way", ("MUT_LOOK_AT_ONCE",)),
        ("the look counts its wait from the begun mark", ("MUT_LOOK_FROM_BEGUN",)),
        (
            "after a yes nobody looks who else has the target",
            ("WORKERS=1", "RUNS=2", "SECOND_APPROVAL", "MUT_YES_UNCHECKED"),
        ),
        ("a late write carries no token", ("LATE", "NO_CANCEL", "MUT_NO_TOKEN")),
        ("nobody takes over a run whose lease is over", ("LIVE", "ATTEMPTS=1", "NO_CANCEL", "MUT_NO_TAKEOVER")),
    )
)

ALL = HOLDS + BROKEN
