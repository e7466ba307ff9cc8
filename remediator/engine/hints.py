"""What another replica committed, and which of our loops it may concern: the decider need not live where the webhook came in.

Hints only (engine.md 7). A loop that is woken looks into the store and finds its work there, or none.
"""

from collections.abc import Callable, Mapping, Sequence

from remediator.store.database import Store, Tx

Wake = Callable[[], None]


def heed(
    store: Store,
    *,
    decider: Wake,
    runner: Wake,
    escalator: Wake,
    courier: Wake,
    reconciler: Wake,
    duties: Wake,
    clock: Wake,
) -> None:
    """Wake these by the kind of transaction, as the replica that made it wakes its own."""
    concerns: Mapping[Tx, Sequence[Wake]] = {
        Tx.INTAKE: (decider, reconciler),
        Tx.DECIDE: (runner, escalator, courier),
        Tx.ADVANCE_RUN: (decider, escalator, courier),
        Tx.RECOVER: (runner, escalator, courier),
        Tx.OPERATE: (decider, runner, escalator, courier),
        Tx.JUDGE_INCIDENT: (courier,),
        Tx.SETTLE_DOUBT: (decider,),
        Tx.DUTY: (duties,),
        Tx.MOVE_CLOCK: (clock, decider, runner, escalator, courier, reconciler),
    }
    by_label = {tx.label: wakes for tx, wakes in concerns.items()}

    def written(label: str) -> None:
        for wake in by_label.get(label, ()):
            wake()

    store.on_written(written)
