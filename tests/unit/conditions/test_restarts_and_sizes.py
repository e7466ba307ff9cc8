from datetime import datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from remediator.answers import Answer
from remediator.clients.kubernetes.bounds import Bounds, bounds_from
from remediator.clients.kubernetes.workload import Pod
from remediator.clients.kubernetes.workload_json import pod_from
from remediator.conditions.autoscaler_below_maximum import judge as judge_bounds
from remediator.conditions.no_restarts import judge
from remediator.conditions.replicas import Params
from tests.support.clock import T0

HOUR = timedelta(hours=1)


def ago(**span: int) -> datetime:
    return T0 - timedelta(**span)


def pod(count: int = 0, **state: Any) -> Pod:
    container = {"restartCount": count, **state}
    return pod_from({"metadata": {"name": "p", "uid": "u"}, "status": {"containerStatuses": [container]}})


def running(at: datetime) -> dict[str, Any]:
    return {"state": {"running": {"startedAt": at.isoformat()}}}


@pytest.mark.parametrize(
    ("pods", "answer"),
    [
        ([], Answer.NO),
        ([pod(0, **running(ago(minutes=1)))], Answer.YES),  # new, and never started again
        ([pod(3, **running(ago(hours=2)))], Answer.YES),
        ([pod(3, **running(ago(hours=2))), pod(1, **running(ago(minutes=5)))], Answer.NO),
        ([pod(3, state={"waiting": {"reason": "CrashLoopBackOff"}})], Answer.NO),
        ([pod(1, state={"terminated": {"finishedAt": ago(minutes=1).isoformat()}})], Answer.NO),
        ([pod(0, state={"waiting": {"reason": "ContainerCreating"}})], Answer.YES),
        ([pod(2)], Answer.UNKNOWN),
    ],
)
def test_containers_that_were_started_again_lately(pods: list[Pod], answer: Answer) -> None:
    assert judge(pods, HOUR, T0).answer is answer


@pytest.mark.parametrize("given", [{}, {"above": 1, "below": 3}, {"above": -1}, {"below": 0}])
def test_a_size_is_compared_exactly_once(given: dict[str, int]) -> None:
    with pytest.raises(ValidationError):
        Params.model_validate(given)


def autoscaler(maximum: int, **status: Any) -> Bounds:
    metadata = {"name": "checkout", "namespace": "shop", "uid": "u", "resourceVersion": "1"}
    spec = {"maxReplicas": maximum, "scaleTargetRef": {"kind": "Deployment", "name": "checkout"}}
    looked = {"conditions": [{"type": "AbleToScale", "status": "True"}]} if status else {}
    document = {"metadata": metadata, "spec": spec, "status": {**status, **looked}}
    return bounds_from("horizontalpodautoscaler", document)


@pytest.mark.parametrize(
    ("found", "answer"),
    [
        ([], Answer.NO),
        ([autoscaler(5)], Answer.UNKNOWN),
        ([autoscaler(5, currentReplicas=4, desiredReplicas=4)], Answer.YES),
        ([autoscaler(5, currentReplicas=4, desiredReplicas=5)], Answer.NO),
        ([autoscaler(5, currentReplicas=5, desiredReplicas=4)], Answer.NO),
        ([autoscaler(5), autoscaler(6)], Answer.UNKNOWN),
    ],
)
def test_an_autoscaler_below_its_maximum(found: list[Bounds], answer: Answer) -> None:
    assert judge_bounds(tuple(found)).answer is answer
