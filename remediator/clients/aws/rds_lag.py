"""How far replicas are behind, by CloudWatch. No datapoint is an unknown lag; -1 is RDS's word for one that does not replicate."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.cloudwatch import Metric, newest_of

WITHIN: Final = timedelta(minutes=5)
"""An older value tells nothing of now."""


@dataclass(frozen=True, slots=True)
class Lag:
    """Of one replica."""

    name: str
    behind: timedelta | None
    """None: unknown."""
    broken: bool = False
    """Known not to replicate at all."""

    def at_most(self, bound: timedelta) -> bool:
        """Is it known to be no further behind?"""
        return self.behind is not None and not self.broken and self.behind <= bound

    def __str__(self) -> str:
        if self.broken:
            return f"{self.name} does not replicate"
        if self.behind is None:
            return f"how far {self.name} is behind is unknown (no value in {WITHIN.seconds // 60} min)"
        return f"{self.name} is {self.behind.total_seconds():.3g} s behind"


async def lags_of(api: AwsApi, names: Sequence[str], *, aurora: bool) -> tuple[Lag, ...]:
    """In the order of the names. Raises FactsMissingError."""
    metric = "AuroraReplicaLag" if aurora else "ReplicaLag"
    found = await newest_of(api, [Metric("AWS/RDS", metric, {"DBInstanceIdentifier": name}) for name in names], WITHIN)
    unit = timedelta(milliseconds=1) if aurora else timedelta(seconds=1)
    return tuple(
        Lag(name, None if point is None else point.value * unit, broken=point is not None and point.value < 0)
        for name, point in zip(names, found, strict=True)
    )
