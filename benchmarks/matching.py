"""What it costs to find an alert's playbooks among few and among many. The floor is the cost among 10."""

import statistics
import time
from collections.abc import Iterator

from benchmarks.frame import Aim, Row, Scale
from remediator.playbooks.index import PlaybookIndex
from remediator.playbooks.model import Playbook

_AIM = 1.5
_ALERTS = 2_000
_ROUNDS = 7


def rows(scale: Scale) -> Iterator[Row]:
    """One a number of playbooks; rounds of all are interleaved."""
    sizes = scale.of(quick=(10, 1_000), full=(10, 100, 1_000, 10_000))
    indexes = {size: PlaybookIndex([_playbook(number) for number in range(size)]) for size in sizes}
    alerts = {size: [_labels(number % size) for number in range(_ALERTS)] for size in sizes}
    times: dict[int, list[float]] = {size: [] for size in sizes}
    for _ in range(_ROUNDS):
        for size, index in indexes.items():
            began = time.process_time()
            found = sum(len(index.candidates(labels)) for labels in alerts[size])
            times[size].append((time.process_time() - began) / _ALERTS)
            if found != _ALERTS:
                raise RuntimeError(f"of {_ALERTS} alerts {found} found their playbook")
    floor = statistics.median(times[sizes[0]])
    for size in sizes:
        took = statistics.median(times[size])
        aim = Aim(f"at most {_AIM}", took <= _AIM * floor) if size == 1_000 else None
        yield Row("matching", {"playbooks": size}, {"us_per_alert": took * 1e6}, "10 playbooks", took / floor, aim)


def _labels(number: int) -> dict[str, str]:
    return {
        "alertname": f"ServiceDown{number}",
        "severity": "critical",
        "namespace": "shop",
        "deployment": f"service-{number}",
        "cluster": "sandbox",
        "job": "kube-state-metrics",
    }


def _playbook(number: int) -> Playbook:
    """Each its own alert's, as in practice, with a second matcher that many share."""
    return Playbook.model_validate(
        {
            "apiVersion": "remediator.dev/v1beta1",
            "kind": "Playbook",
            "metadata": {"name": f"service-down-{number}"},
            "match": [[f'alertname="ServiceDown{number}"', 'severity=~"critical|high"']],
            "target": {"node": {"name": "{{ labels.node }}"}},
            "autonomy": "propose",
            "remedies": [{"name": "cordon", "steps": [{"kubernetes.cordon": {}}], "verify": _VERIFY}],
        }
    )


_VERIFY = {"within": "10m", "hold": "0s", "all": [{"node_empty": {}}]}
