"""What a running service shows from outside: its memory, and the histograms of its /metrics."""

import math
from dataclasses import dataclass
from pathlib import Path

import aiohttp
from prometheus_client.parser import text_string_to_metric_families


def memory_mb(pid: int, what: str = "VmHWM") -> float:
    """Of this process; ``VmHWM`` is the most it ever held, ``VmRSS`` what it holds now."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(f"{what}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(what)


@dataclass(frozen=True)
class Metrics:
    """One look at /metrics."""

    samples: tuple[tuple[str, dict[str, str], float], ...]

    def value(self, name: str, **labels: str) -> float:
        """The sum of all samples of this name with these labels."""
        return sum(value for one, its, value in self.samples if one == name and labels.items() <= its.items())

    def quantile(self, name: str, share: float, **labels: str) -> float:
        """The upper edge of the bucket that holds it; infinite above the last edge, 0 when nothing was observed."""
        total = self.value(f"{name}_count", **labels)
        edges: dict[float, float] = {}
        for one, its, value in self.samples:
            if one == f"{name}_bucket" and labels.items() <= its.items():
                edge = float(its["le"])
                edges[edge] = edges.get(edge, 0.0) + value
        if not total:
            return 0.0
        return next((edge for edge in sorted(edges) if edges[edge] >= share * total), math.inf)


async def metrics(url: str) -> Metrics:
    """Of the service at this address."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}/metrics") as answer:
        text = await answer.text()
    return Metrics(
        tuple(
            (sample.name, dict(sample.labels), float(sample.value))
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        )
    )
