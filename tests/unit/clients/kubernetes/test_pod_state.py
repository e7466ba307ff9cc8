"""What is read of a pod for whoever looks for a cause, and in which order pods are looked at."""

from datetime import UTC, datetime
from typing import Any

import pytest

from remediator.actions.kubernetes.exec import chosen
from remediator.clients.kubernetes.pod_state import PodState, pod_state_from, sick_first


def pod(
    name: str = "checkout-1",
    *,
    ready: bool = True,
    restarts: int = 0,
    created: str = "2026-11-25T10:00:00Z",
    state: dict[str, Any] | None = None,
    last: dict[str, Any] | None = None,
    status: dict[str, Any] | None = None,
    **metadata: Any,
) -> PodState:
    container = {
        "name": "app",
        "ready": ready,
        "restartCount": restarts,
        "state": state or {"running": {"startedAt": "2026-11-25T10:01:00Z"}},
        "lastState": {"terminated": last} if last else {},
    }
    return pod_state_from(
        {
            "metadata": {
                "name": name,
                "namespace": "shop",
                "uid": f"u-{name}",
                "creationTimestamp": created,
                **metadata,
            },
            "spec": {"nodeName": "node-1", "containers": [{"name": "proxy"}, {"name": "app"}]},
            "status": {
                "phase": "Running",
                "conditions": [{"type": "Ready", "status": str(ready)}],
                "containerStatuses": [container],
                **(status or {}),
            },
        }
    )


@pytest.mark.parametrize(
    ("state", "last", "told"),
    [
        (None, None, "app: running since 2026-11-25T10:01:00Z, ready, 0 restarts"),
        (
            {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 5m"}},
            {"reason": "OOMKilled", "exitCode": 137, "finishedAt": "2026-11-25T10:05:00Z"},
            "app: waiting: CrashLoopBackOff: back-off 5m, ready, 0 restarts; "
            "before: OOMKilled (exit code 137) at 2026-11-25T10:05:00Z",
        ),
        (
            {"terminated": {"reason": "Error", "exitCode": 1, "signal": 9, "message": "no config\n"}},
            None,
            "app: ended: Error (exit code 1, signal 9): no config, ready, 0 restarts",
        ),
        ({"waiting": {}}, None, "app: waiting: no reason given, ready, 0 restarts"),
    ],
)
def test_a_container_says_what_it_does_and_how_it_ended_last(
    state: dict[str, Any] | None, last: dict[str, Any] | None, told: str
) -> None:
    assert str(pod(state=state, last=last).containers[0]) == told


def test_why_a_pod_does_not_run_is_read_from_wherever_it_is_told() -> None:
    assert pod(status={"reason": "Evicted", "message": "low on memory"}).reason == "Evicted: low on memory"
    unschedulable = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}
    assert pod(status={"conditions": [unschedulable], "containerStatuses": []}).reason == "Unschedulable: 0/3 nodes"


def test_the_default_container_comes_first() -> None:
    assert pod().names == ("proxy", "app")
    annotated = pod(annotations={"kubectl.kubernetes.io/default-container": "app"})
    assert annotated.names == ("app", "proxy")
    assert pod(annotations={"kubectl.kubernetes.io/default-container": "gone"}).names == ("proxy", "app")


def test_the_sick_are_looked_at_first_and_the_order_never_changes() -> None:
    well, restarted, sick, ended = (
        pod("a"),
        pod("b", restarts=3),
        pod("c", ready=False),
        pod("d", ready=False, status={"phase": "Succeeded"}),
    )
    wanted = ["c", "b", "a", "d"]
    assert [one.name for one in sick_first((well, restarted, sick, ended))] == wanted
    assert [one.name for one in sick_first((ended, sick, restarted, well))] == wanted


def test_of_pods_the_oldest_that_is_ready_is_asked() -> None:
    older = pod("b", created="2026-11-25T09:00:00Z")
    going = pod("c", created="2026-11-25T08:00:00Z", deletionTimestamp="2026-11-25T10:00:00Z")
    sick = pod("d", created="2026-11-25T07:00:00Z", ready=False)
    assert chosen((pod("a"), older, going, sick)) == older
    assert chosen((going, sick)) is None
    assert chosen(()) is None
    assert older.created_at == datetime(2026, 11, 25, 9, tzinfo=UTC)
