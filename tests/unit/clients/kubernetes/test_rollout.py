"""When a rollout is done (kubectl) and when it is under way (S8)."""

from datetime import timedelta
from typing import Any

import pytest

from remediator.clients.kubernetes.rollout import STATEFUL_DEADLINE, rollout_of
from tests.support.clock import T0
from tests.unit.clients.kubernetes.documents import workload

EXCEEDED = {"conditions": [{"type": "Progressing", "status": "False", "reason": "ProgressDeadlineExceeded"}]}


def counts(total: int, updated: int, available: int) -> dict[str, int]:
    return {"replicas": total, "updatedReplicas": updated, "availableReplicas": available, "readyReplicas": available}


@pytest.mark.parametrize(
    ("status", "done", "under_way"),
    [
        (counts(3, 3, 3), True, False),
        (counts(3, 3, 2), False, False),  # a crash loop is not under way
        ({}, False, True),  # absent counters are 0
        (counts(4, 3, 3), False, True),  # an old pod remains
        (counts(3, 2, 3), False, True),
        (counts(3, 3, 3) | {"observedGeneration": 1}, False, True),  # the state before our change
        (counts(4, 3, 3) | EXCEEDED, False, False),
        (counts(3, 3, 0) | EXCEEDED, False, False),
        (counts(3, 3, 3) | EXCEEDED | {"observedGeneration": 1}, False, True),  # the deadline of the rollout before
    ],
)
def test_deployment(status: dict[str, Any], done: bool, under_way: bool) -> None:
    rollout = rollout_of(workload(status=status))
    assert (rollout.done, rollout.under_way) == (done, under_way)
    assert rollout.reason


def test_a_deployment_scaled_to_zero_is_trivially_done() -> None:
    assert rollout_of(workload(status={}, spec={"replicas": 0})).done


def test_a_paused_deployment_with_old_pods_is_not_under_way() -> None:
    rollout = rollout_of(workload(status=counts(3, 1, 3), spec={"paused": True}))
    assert (rollout.done, rollout.under_way) == (False, False)
    assert "paused" in rollout.reason


@pytest.mark.parametrize(
    ("status", "partition", "done", "under_way"),
    [
        (counts(3, 3, 3), 0, True, False),
        (counts(3, 2, 3), 0, False, True),
        (counts(3, 3, 2), 0, False, False),
        (counts(3, 1, 3), 2, True, False),
        (counts(3, 0, 3), 2, False, True),
        (counts(4, 3, 3), 0, False, True),
        (counts(3, 3, 3) | {"observedGeneration": 1}, 0, False, True),
    ],
)
def test_stateful_set(status: dict[str, Any], partition: int, done: bool, under_way: bool) -> None:
    strategy = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": partition}}}
    rollout = rollout_of(workload("statefulset", status, strategy))
    assert (rollout.done, rollout.under_way) == (done, under_way)


@pytest.mark.parametrize(
    ("age", "under_way"), [(STATEFUL_DEADLINE, True), (STATEFUL_DEADLINE + timedelta(seconds=1), False)]
)
def test_a_stateful_rollout_is_under_way_for_ten_minutes(age: timedelta, under_way: bool) -> None:
    """It knows no progress deadline: stuck on its first pod it would be under way for ever."""
    writer = {
        "manager": "kubectl",
        "operation": "Update",
        "time": (T0 - age).isoformat(),
        "fieldsV1": {"f:spec": {"f:template": {}}},
    }
    rollout = rollout_of(workload("statefulset", counts(3, 1, 2), managedFields=[writer]))
    assert (rollout.done, rollout.under_way) == (False, under_way)


def test_daemon_set() -> None:
    status = {
        "desiredNumberScheduled": 3,
        "updatedNumberScheduled": 3,
        "numberAvailable": 3,
        "currentNumberScheduled": 3,
    }
    assert rollout_of(workload("daemonset", status)).done
    assert rollout_of(workload("daemonset", status | {"updatedNumberScheduled": 2})).under_way
    assert not rollout_of(workload("daemonset", status | {"numberAvailable": 2})).done


@pytest.mark.parametrize("kind", ["statefulset", "daemonset"])
def test_on_delete_never_ends(kind: str) -> None:
    rollout = rollout_of(workload(kind, counts(3, 1, 3), {"updateStrategy": {"type": "OnDelete"}}))
    assert (rollout.done, rollout.under_way) == (False, False)
