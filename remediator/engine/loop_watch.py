"""How late the event loop is: what is computed on it holds up heartbeats, answers and looks alike, so people must be able to see it."""

from remediator.clock import Clock
from remediator.metrics import Metrics

_EVERY_S = 0.1


async def run(clock: Clock, metrics: Metrics) -> None:
    """Sleep a little and see how long it was, until cancelled."""
    due = clock.boottime()
    while True:
        due += _EVERY_S
        await clock.sleep(due - clock.boottime())
        late_s = max(0.0, clock.boottime() - due)
        metrics.loop_lag.observe(late_s)
        due += late_s
