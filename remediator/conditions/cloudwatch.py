"""``cloudwatch``: does the newest value of a metric compare as said? No datapoint is unknown."""

from datetime import timedelta
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from remediator.answers import Answer
from remediator.clients.aws.cloudwatch import COUNTED, READ_METRICS, Metric, newest
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.durations import Duration, format_duration
from remediator.errors import FactsMissingError
from remediator.playbooks.fields import TemplateText
from remediator.playbooks.template import Template, TemplateError
from remediator.targets import Target

_MINUTE = timedelta(minutes=1)


class Params(ConditionParams):
    """One metric and exactly one comparison."""

    namespace: str = Field(pattern=r"^[-_./#:A-Za-z0-9]{1,255}$", description="such as AWS/ElastiCache")
    metric: str = Field(pattern=r"^[-_./#:% A-Za-z0-9]{1,255}$", description="such as EngineCPUUtilization")
    dimensions: dict[str, TemplateText] = Field(
        default_factory=dict,
        max_length=30,
        description="all that the metric has, by name; labels and vars may stand in the values",
    )
    statistic: Literal["Average", "Maximum", "Minimum", "Sum", "SampleCount"] = "Average"
    period: Duration = Field(default="1m", validate_default=True, description="of one value, in whole minutes")
    within: Duration = Field(
        default="5m", validate_default=True, description="the newest value began at most so long ago"
    )
    below: float | None = Field(None, description="yes while the value is below this")
    above: float | None = Field(None, description="yes while the value is above this")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.below is None) == (self.above is None):
            raise ValueError("cloudwatch needs exactly one comparison; accepted: below or above")
        if self.period < _MINUTE or self.period % _MINUTE:
            raise ValueError("period: accepted: whole minutes, 1m or more")
        if self.within < self.period + _MINUTE:
            # One that has just begun may have no value yet.
            raise ValueError("within must be a minute longer than period, or no value can be found")
        if self.statistic in COUNTED and self.within < 2 * self.period:
            raise ValueError(f"within must be twice the period: {self.statistic} is known only of one that is over")
        return self


class CloudWatch:
    """Of the target's account and region."""

    name: ClassVar[str] = "cloudwatch"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return READ_METRICS

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del target
        try:
            dimensions = {
                name: Template.parse(value).render(labels=known.labels, vars=known.variables)
                for name, value in params.dimensions.items()
            }
            metric = Metric(
                params.namespace, params.metric, dimensions, params.statistic, int(params.period.total_seconds())
            )
            found = await newest(world.aws, metric, params.within)
        except (TemplateError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if found is None:
            return Look(
                Answer.UNKNOWN, f"{metric} has no value of the last {format_duration(params.within)}, which is not 0"
            )
        if params.below is not None:
            return Look(
                Answer.of(found.value < params.below), f"{metric} is {found.value:g}, wanted below {params.below:g}"
            )
        return Look(
            Answer.of(found.value > params.above), f"{metric} is {found.value:g}, wanted above {params.above:g}"
        )
