"""``alerts_firing``: do at least so many alerts fire that match, whatever they are about?"""

from typing import Any, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from remediator.answers import Answer
from remediator.clients.alertmanager import matcher_text
from remediator.clients.permissions import Permission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.playbooks.matchers import MatcherError, MatcherSet
from remediator.targets import Target

_SHOWN = 3


class Params(ConditionParams):
    """Which alerts, and how many of them."""

    match: tuple[str, ...] = Field(
        min_length=1, description="matchers in Alertmanager's syntax that must all hold; no templates"
    )
    same: tuple[str, ...] = Field(
        (), description="labels that must have the alert's own values, such as namespace and deployment"
    )
    at_least: int = Field(1, ge=1, le=10_000)

    @field_validator("match")
    @classmethod
    def _can_be_read(cls, match: tuple[str, ...]) -> tuple[str, ...]:
        try:
            MatcherSet.parse(match)
        except MatcherError as error:
            raise ValueError(str(error)) from None
        return match

    @model_validator(mode="after")
    def _names_something(self) -> Self:
        if MatcherSet.parse(self.match).matches_everything:
            raise ValueError('these matchers hold for every alert; one must name something, such as alertname="X"')
        return self


class AlertsFiring:
    """Asks the Alertmanagers of the alert's own source; for an alert that remediator raised itself, those of the same cluster.

    Silenced and inhibited alerts fire, too; ended ones are not in their lists.
    """

    name: ClassVar[str] = "alerts_firing"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del target
        alertmanager = world.alertmanager or world.nearby
        if alertmanager is None:
            return Look(Answer.UNKNOWN, "no Alertmanager is configured for the alert's source (alertmanager.urls)")
        lacking = [name for name in params.same if not known.labels.get(name)]
        if lacking:
            return Look(Answer.UNKNOWN, f"the alert has no label {lacking[0]!r} to compare with")
        wanted = [str(one) for one in MatcherSet.parse(params.match).matchers]
        wanted += [matcher_text(name, known.labels[name]) for name in params.same]
        try:
            listing = await alertmanager.listing(wanted)
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        found = listing.alerts
        names = sorted({alert.labels.get("alertname", "?") for alert in found})
        seen = f"{len(found)} of {', '.join(wanted)} fire, {params.at_least} wanted"
        if names:
            seen += f" ({', '.join(names[:_SHOWN])}{' and others' if len(names) > _SHOWN else ''})"
        if len(found) >= params.at_least:
            return Look(Answer.YES, seen)
        if listing.absence_doubt is not None:
            return Look(Answer.UNKNOWN, f"{seen}, but {listing.absence_doubt}")
        return Look(Answer.NO, seen)
