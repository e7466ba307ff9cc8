"""What pods ask for and nodes have."""

from fractions import Fraction

import pytest

from remediator.clients.kubernetes.amounts import amount
from tests.unit.clients.kubernetes.pods import asking, pod


@pytest.mark.parametrize(
    ("text", "exact"),
    [
        ("0", Fraction(0)),
        ("250m", Fraction(1, 4)),
        ("1", Fraction(1)),
        (2, Fraction(2)),
        ("1.5", Fraction(3, 2)),
        ("1Ki", Fraction(1024)),
        ("2Gi", Fraction(2 * 1024**3)),
        ("1k", Fraction(1000)),
        ("5e3", Fraction(5000)),
        ("1E", Fraction(10**18)),
        ("100n", Fraction(1, 10**7)),
    ],
)
def test_an_amount_is_exact(text: object, exact: Fraction) -> None:
    assert amount(text) == exact


@pytest.mark.parametrize("text", ["", "Gi", "1 Gi", "one", "1GiB", "--1", None, True, 1.5, "9" * 65, "1e999", "\u0661"])
def test_what_is_no_amount_is_refused(text: object) -> None:
    with pytest.raises(ValueError, match="not a quantity"):
        amount(text)


def test_a_pod_asks_for_what_runs_together_or_for_what_runs_before() -> None:
    inits = [
        {"name": "migrate", "resources": {"requests": {"cpu": "2"}}},
        {"name": "proxy", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
    ]
    limited = [{"name": "app", "resources": {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}}]
    found = pod(containers=limited, initContainers=inits, overhead={"cpu": "50m"}).requests
    assert found == {"cpu": Fraction("2.05"), "memory": Fraction(1024**3), "pods": 1}
    assert pod(containers=asking("1")).requests["cpu"] == 1
