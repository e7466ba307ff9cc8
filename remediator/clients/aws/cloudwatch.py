"""CloudWatch's newest values. No datapoint is no value, which is never taken for 0."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission
from remediator.errors import FactsMissingError

READ_METRICS = (IamPermission("cloudwatch:GetMetricData"),)
"""GetMetricData knows no resources, so it is asked for on all."""

_MOST = 100
COUNTED = frozenset({"Sum", "SampleCount"})
"""Statistics whose value grows until their period is over."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One series. ``stat`` as CloudWatch says it: Average, Maximum, Minimum, Sum, SampleCount, p99."""

    namespace: str
    name: str
    dimensions: Mapping[str, str] = field(default_factory=dict)
    stat: str = "Maximum"
    period_s: int = 60

    def __str__(self) -> str:
        named = ", ".join(f"{name}={value}" for name, value in sorted(self.dimensions.items()))
        return f"{self.namespace} {self.name}{{{named}}}"


@dataclass(frozen=True, slots=True)
class Datapoint:
    """One value and the beginning of the period that it is of."""

    at: datetime
    value: float


async def newest(api: AwsApi, metric: Metric, within: timedelta) -> Datapoint | None:
    """The newest value that began within this time; None when there is none. Of what is counted (Sum, SampleCount) only of a period
    that is over: the one under way has been counted in part.

    Raises:
        FactsMissingError: CloudWatch could not be asked, or answered in part.
    """
    return (await newest_of(api, (metric,), within))[0]


async def newest_of(api: AwsApi, metrics: Sequence[Metric], within: timedelta) -> tuple[Datapoint | None, ...]:
    """The same for several, in one request and in their order.

    Raises:
        FactsMissingError: as of ``newest``; also for more than can be asked at once.
    """
    if not metrics:
        return ()
    if len(metrics) > _MOST:
        raise FactsMissingError(f"{len(metrics)} metrics are more than are asked at once ({_MOST})")
    now = api.now()
    answer = await api.read(
        "cloudwatch",
        "get_metric_data",
        MetricDataQueries=[_query(number, metric) for number, metric in enumerate(metrics)],
        StartTime=now - within,
        EndTime=now,
        ScanBy="TimestampDescending",
    )
    found = {str(one.get("Id")): one for one in answer.get("MetricDataResults", ())}
    return tuple(_newest(found.get(f"m{number}"), metric, now) for number, metric in enumerate(metrics))


def _query(number: int, metric: Metric) -> dict[str, Any]:
    return {
        "Id": f"m{number}",
        "MetricStat": {
            "Metric": {
                "Namespace": metric.namespace,
                "MetricName": metric.name,
                "Dimensions": [{"Name": name, "Value": value} for name, value in sorted(metric.dimensions.items())],
            },
            "Period": metric.period_s,
            "Stat": metric.stat,
        },
        "ReturnData": True,
    }


def _newest(result: Mapping[str, Any] | None, metric: Metric, now: datetime) -> Datapoint | None:
    if result is None:
        return None
    # Newest first was asked for, so a part of the answer has the newest in it.
    if result.get("StatusCode", "Complete") not in ("Complete", "PartialData"):
        raise FactsMissingError(f"CloudWatch has no answer for {metric}: {result['StatusCode']}")
    pairs = sorted(zip(result.get("Timestamps", ()), result.get("Values", ()), strict=False), reverse=True)
    if metric.stat in COUNTED:
        pairs = [(at, value) for at, value in pairs if at + timedelta(seconds=metric.period_s) <= now]
    return Datapoint(pairs[0][0], float(pairs[0][1])) if pairs else None
