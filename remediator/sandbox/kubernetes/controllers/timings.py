"""How long things take in the simulated cluster, in seconds before the pace shortens them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Timings:
    """Short enough for tests, long enough that every in-between state can be seen by a client."""

    controller_lag: float = 0.02
    pod_start: float = 0.15
    pod_start_slow: float = 3.0
    pod_stop: float = 0.1
    crash_period: float = 1.0
    run_once: float = 0.3
    resize: float = 0.2
    autoscaling: float = 0.2
    switchover: float = 0.3
    issuance: float = 0.3
    scheduling_retry: float = 1.0
