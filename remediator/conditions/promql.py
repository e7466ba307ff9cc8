"""``promql``: does the value of a query compare as said? Empty, NaN, infinite and partial answers are unknown (S27)."""

import re
from typing import Any, ClassVar

from remediator.answers import Answer, all_of, any_of
from remediator.clients.permissions import Permission
from remediator.clients.prometheus import Sample, Vector
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.playbooks.promql import PromqlParams
from remediator.playbooks.template import TemplateError
from remediator.targets import Target

_SHOWN = 3


class Params(PromqlParams, ConditionParams):
    """The playbooks' own: a query, one comparison, and how many series it may have."""


class Promql:
    """Asks the Prometheus of the target's cluster. Labels of the alert are filled in escaped."""

    name: ClassVar[str] = "promql"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        if world.prometheus is None:
            return Look(
                Answer.UNKNOWN,
                f"no Prometheus is configured for cluster {target.place} (clusters.{target.place}.prometheus)",
            )
        try:
            query = params.template.render(labels=known.labels, vars=known.variables)
            return judge(params, await world.prometheus.query(query))
        except (TemplateError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))


def judge(params: PromqlParams, vector: Vector) -> Look:
    """Compare one answer. Pure."""
    if vector.warnings:
        return Look(Answer.UNKNOWN, f"Prometheus warns that its answer may be partial: {vector.warnings[0]}")
    samples = vector.samples
    if params.is_empty is not None:
        return Look(Answer.of((not samples) == params.is_empty), _shown(samples))
    if not samples:
        return Look(Answer.UNKNOWN, "no series matched, which is not a value")
    if params.series == "one" and len(samples) > 1:
        return Look(
            Answer.UNKNOWN, f"one series was expected: {_shown(samples)}; say series: each or any, or aggregate"
        )
    answers = [_compare(params, sample) for sample in samples]
    combined = any_of(answers) if params.series == "any" else all_of(answers)
    return Look(combined, f"{_shown(samples)}, wanted {_wanted(params)}")


def _compare(params: PromqlParams, sample: Sample) -> Answer:
    if not sample.finite:
        return Answer.UNKNOWN
    if params.below is not None:
        return Answer.of(sample.value < params.below)
    if params.above is not None:
        return Answer.of(sample.value > params.above)
    return Answer.of(sample.value == params.equals)


def _wanted(params: PromqlParams) -> str:
    name = next(name for name in ("below", "above", "equals") if getattr(params, name) is not None)
    return f"{name} {getattr(params, name):g}"


def _shown(samples: tuple[Sample, ...]) -> str:
    if not samples:
        return "no series"
    listed = [f"{_labels(sample)}{sample.value:g}" for sample in samples[:_SHOWN]]
    more = f" and {len(samples) - _SHOWN} more" if len(samples) > _SHOWN else ""
    return f"{'; '.join(listed)}{more}"


def _labels(sample: Sample) -> str:
    """The labels that tell series apart, cleaned: they are hostile text on their way to a page."""
    named = [f"{name}={value}" for name, value in sorted(sample.labels.items()) if name != "__name__"]
    return f"{{{re.sub(r'[^ -~]', '?', ', '.join(named))[:120]}}} " if named else ""
