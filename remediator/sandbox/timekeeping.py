"""The sandbox's own time: the one place that reads clocks, with a pace for everything that takes time in the world."""

import asyncio
import time
from datetime import UTC, datetime


class Pace:
    """Real clocks, and durations of the simulated world shortened by `speed` (2.0: all takes half as long).

    Stamps (`now`) are never scaled: what the servers say about time is true for their clients.
    """

    def __init__(self, speed: float = 1.0) -> None:
        if speed <= 0:
            raise ValueError(f"speed must be above 0, not {speed}")
        self.speed = speed

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        return datetime.now(UTC)

    def elapsed_s(self) -> float:
        """Seconds of the simulated world since some fixed point; compare only with itself."""
        return time.monotonic() * self.speed

    async def sleep(self, seconds: float) -> None:
        """Wait for `seconds` of the simulated world."""
        await asyncio.sleep(seconds / self.speed)


def rfc3339_seconds(instant: datetime) -> str:
    """Kubernetes' `Time`: whole seconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_nano(instant: datetime) -> str:
    """Go's way to write an instant into JSON: as many digits as it has, none of them a zero at the end."""
    text = instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
    return text.rstrip("0").rstrip(".") + "Z"


def rfc3339_millis(instant: datetime) -> str:
    """Three digits always, as in Alertmanager's API."""
    return instant.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def rfc3339_micros(instant: datetime) -> str:
    """Kubernetes' `MicroTime`: six digits always."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
