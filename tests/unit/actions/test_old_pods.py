"""Which old pod goes next."""

from dataclasses import replace
from typing import Any

from remediator.actions.kubernetes.old_pods import REVISION_LABEL, Left, left_over
from remediator.clients.kubernetes.single_pod import SinglePod, single_pod_from
from remediator.clients.kubernetes.workload import Workload
from tests.support.clock import T0
from tests.unit.clients.kubernetes.documents import workload

NEW, OLD = "checkout-new", "checkout-old"


def pod(ordinal: int, revision: str, *, ready: bool = True, going: bool = False) -> SinglePod:
    conditions = [{"type": "Ready", "status": str(ready), "lastTransitionTime": T0.isoformat()}]
    metadata = {
        "name": f"checkout-{ordinal}",
        "namespace": "shop",
        "uid": f"u{ordinal}",
        "labels": {REVISION_LABEL: revision},
        "creationTimestamp": T0.isoformat(),
        **({"deletionTimestamp": T0.isoformat()} if going else {}),
    }
    return single_pod_from({"metadata": metadata, "spec": {}, "status": {"phase": "Running", "conditions": conditions}})


def set_of(*, strategy: str = "OnDelete", partition: int = 0, kind: str = "statefulset") -> Workload:
    rolling = {"rollingUpdate": {"partition": partition}} if partition else {}
    spec: dict[str, Any] = {"updateStrategy": {"type": strategy, **rolling}}
    return workload(kind, spec=spec)


def told(left: Left) -> tuple[int, str | None]:
    return len(left.old), None if left.next is None else left.next.name


def test_on_delete_takes_the_highest_ordinal_while_all_others_are_ready() -> None:
    assert told(left_over(set_of(), NEW, [pod(0, OLD), pod(1, OLD), pod(2, NEW)])) == (2, "checkout-1")
    assert told(left_over(set_of(), NEW, [pod(0, NEW), pod(1, NEW), pod(2, NEW)])) == (0, None)


def test_on_delete_waits_for_a_pod_that_is_on_its_way() -> None:
    waiting = left_over(set_of(), NEW, [pod(0, OLD), pod(1, OLD), pod(2, NEW, ready=False)])
    assert told(waiting) == (2, None)
    assert "not ready yet" in waiting.why_none
    assert told(left_over(set_of(), NEW, [pod(0, OLD), pod(1, OLD), pod(2, OLD, going=True)])) == (2, None)
    assert told(left_over(set_of(), NEW, [pod(0, OLD), pod(1, OLD)])) == (2, None)


def test_a_broken_old_pod_goes_first_also_while_others_are_not_ready() -> None:
    pods = [pod(0, OLD, ready=False), pod(1, OLD), pod(2, NEW, ready=False)]
    assert told(left_over(set_of(), NEW, pods)) == (2, "checkout-0")


def test_a_rolling_set_replaces_all_but_the_broken_ones_itself() -> None:
    rolling = set_of(strategy="RollingUpdate")
    assert told(left_over(rolling, NEW, [pod(0, OLD), pod(1, OLD, ready=False), pod(2, NEW)])) == (1, "checkout-1")
    assert told(left_over(rolling, NEW, [pod(0, OLD), pod(1, OLD), pod(2, NEW, ready=False)])) == (0, None)


def test_pods_below_the_partition_are_none_of_ours() -> None:
    behind = set_of(strategy="RollingUpdate", partition=2)
    pods = [pod(0, OLD, ready=False), pod(1, OLD, ready=False), pod(2, OLD, ready=False)]
    assert told(left_over(behind, NEW, pods)) == (1, "checkout-2")


def test_daemons_carry_the_bare_hash() -> None:
    daemons = replace(set_of(kind="daemonset"), replicas=2)
    assert told(left_over(daemons, NEW, [pod(0, "new"), pod(1, "old")])) == (1, "checkout-1")
