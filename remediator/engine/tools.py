"""What every run is driven with: one value, so that the parts of the runner share it and nothing else."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from remediator.clock import Clock
from remediator.engine.door import Door
from remediator.engine.fitness import Unfit, fit
from remediator.engine.survey import Surveyor
from remediator.engine.worlds import Worlds
from remediator.metrics import Metrics
from remediator.playbooks.library import LoadedSet
from remediator.settings import Settings
from remediator.store.episodes import EpisodeRow


@dataclass(frozen=True, slots=True)
class Tools:
    """Made by ``app``."""

    store: Door
    clock: Clock
    settings: Settings
    mode: str
    worlds: Worlds
    surveyor: Surveyor
    playbooks: Callable[[], LoadedSet]
    metrics: Metrics
    confirm: Callable[[EpisodeRow], Awaitable[EpisodeRow]]
    """Ask Alertmanager whether an alert still fires (S10)."""
    on_ended: Callable[[], None]
    """An ended run makes its alerts undecided: wake the decider."""
    on_page: Callable[[], None]
    """A page may have been written: wake the courier."""
    unfit: Unfit = fit
    """Asked by each transaction that begins something (S21, S22)."""
    unsteady_s: Callable[[], float] = lambda: 0.0
    """Seconds for which nothing begins yet, since the clock has stepped (S28)."""
