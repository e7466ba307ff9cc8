"""Every kind of play, by name."""

from dataclasses import dataclass

from tests.chaos import database_trouble, disturbances
from tests.chaos.disturbances import Disturbance
from tests.chaos.tcp_proxy import Network


@dataclass(frozen=True, slots=True)
class Kind:
    """``store``: ``postgresql`` (three replicas), ``server`` (the same, with a server that the play may break) or ``sqlite`` (one)."""

    name: str
    store: str
    disturb: Disturbance
    short: bool = False
    """Part of ``make test``."""


KINDS = (
    Kind("killed at random", "postgresql", disturbances.killed_at_random),
    Kind("killed at points", "postgresql", disturbances.killed_at_points, short=True),
    Kind("frozen at points", "postgresql", disturbances.frozen_at_points, short=True),
    Kind("frozen at random", "postgresql", disturbances.frozen_at_random),
    Kind("cut off from the store", "postgresql", disturbances.cut_off("store", Network.SILENT), short=True),
    Kind("refused by the store", "postgresql", disturbances.cut_off("store", Network.REFUSED)),
    Kind("slow store", "postgresql", disturbances.slow_store),
    Kind("cut off from the cluster", "postgresql", disturbances.cut_off("kubernetes", Network.SILENT)),
    Kind("refused by the cluster", "postgresql", disturbances.cut_off("kubernetes", Network.REFUSED)),
    Kind("cut off from Prometheus", "postgresql", disturbances.cut_off("prometheus", Network.SILENT)),
    Kind("cut off from PagerDuty", "postgresql", disturbances.nobody_reaches("pagerduty", Network.SILENT), short=True),
    Kind("refused by PagerDuty", "postgresql", disturbances.nobody_reaches("pagerduty", Network.REFUSED)),
    Kind("cut off from Alertmanager", "postgresql", disturbances.cut_off("alertmanager", Network.SILENT)),
    Kind("clocks step", "postgresql", disturbances.clocks_step),
    Kind("all at once", "postgresql", disturbances.all_at_once),
    Kind("server restarted", "server", database_trouble.restarted, short=True),
    Kind("sessions ended", "server", database_trouble.sessions_ended),
    Kind("server crowded", "server", database_trouble.crowded, short=True),
    Kind("server stalled", "server", database_trouble.stalled),
    Kind("store away for long", "server", database_trouble.away_for_long),
    Kind("killed at random on SQLite", "sqlite", disturbances.killed_at_random, short=True),
    Kind("killed at points on SQLite", "sqlite", disturbances.killed_at_points),
    Kind("frozen at points on SQLite", "sqlite", disturbances.frozen_at_points),
    Kind("cut off from the cluster on SQLite", "sqlite", disturbances.cut_off("kubernetes", Network.SILENT)),
    Kind("cut off from PagerDuty on SQLite", "sqlite", disturbances.nobody_reaches("pagerduty", Network.SILENT)),
    Kind("clock steps on SQLite", "sqlite", disturbances.clocks_step, short=True),
)
