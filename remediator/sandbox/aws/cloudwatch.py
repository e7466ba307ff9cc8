"""Metrics that tests set."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, ClassVar

from remediator.sandbox.aws.service import Call, Service

Value = float | None | Callable[[], float | None]
_Key = tuple[str, str, str, frozenset[tuple[str, str]]]
_STATISTICS = ("Average", "Maximum", "Minimum", "Sum", "SampleCount")


class CloudWatch(Service):
    """A series has one value in every period of the past, until it is set again; one that was never set has no data."""

    name: ClassVar[str] = "cloudwatch"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self._series: dict[_Key, Value] = {}

    def put(
        self, namespace: str, metric: str, dimensions: Mapping[str, str], value: Value, *, region: str | None = None
    ) -> None:
        """Set it: a number, None for no data, or a function that is asked each time."""
        self._series[(region or self.cloud.region, namespace, metric, frozenset(dimensions.items()))] = value

    async def GetMetricData(self, call: Call) -> dict[str, Any]:
        return {"MetricDataResults": [self._result(call, query) for query in call.params["MetricDataQueries"]]}

    async def GetMetricStatistics(self, call: Call) -> dict[str, Any]:
        asked = call.params
        value = self._value(call, asked)
        stamps = self._stamps(call, asked["Period"]) if value is not None else []
        points = [
            {"Timestamp": at, "Unit": "None", **dict.fromkeys(asked.get("Statistics", _STATISTICS), value)}
            for at in stamps
        ]
        return {"Label": asked["MetricName"], "Datapoints": points}

    async def ListMetrics(self, call: Call) -> dict[str, Any]:
        wanted = (call.params.get("Namespace"), call.params.get("MetricName"))
        return {
            "Metrics": [
                {
                    "Namespace": namespace,
                    "MetricName": metric,
                    "Dimensions": [{"Name": name, "Value": value} for name, value in sorted(dimensions)],
                }
                for region, namespace, metric, dimensions in self._series
                if region == call.region and wanted[0] in (None, namespace) and wanted[1] in (None, metric)
            ]
        }

    def _result(self, call: Call, query: dict[str, Any]) -> dict[str, Any]:
        stat = query.get("MetricStat")
        value = None if stat is None else self._value(call, stat["Metric"])
        stamps = self._stamps(call, stat["Period"]) if stat is not None and value is not None else []
        if call.params.get("ScanBy") != "TimestampAscending":
            stamps.reverse()
        return {
            "Id": query["Id"],
            "Label": query.get("Label") or (stat["Metric"]["MetricName"] if stat else query["Id"]),
            "Timestamps": stamps,
            "Values": [value for _ in stamps],
            "StatusCode": "Complete",
        }

    def _value(self, call: Call, metric: dict[str, Any]) -> float | None:
        dimensions = frozenset((one["Name"], one["Value"]) for one in metric.get("Dimensions", []))
        found = self._series.get((call.region, metric["Namespace"], metric["MetricName"], dimensions))
        return found() if callable(found) else found

    def _stamps(self, call: Call, period: int) -> list[Any]:
        """The beginnings of the periods asked for that are over, oldest first."""
        at = call.params["StartTime"].timestamp() // period * period
        end = min(call.params["EndTime"].timestamp(), call.at.timestamp())
        begin = call.at.replace(microsecond=0)
        stamps = []
        while at + period <= end:
            stamps.append(begin + timedelta(seconds=at - begin.timestamp()))
            at += period
        return stamps
