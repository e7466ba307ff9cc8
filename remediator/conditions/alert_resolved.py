"""``alert_resolved``: does any alert that this playbook matches and that resolves to this target still fire (S26)?

A delivered resolution of every such episode is a yes by itself. Otherwise Prometheus and Alertmanager are asked, those of the two
that are configured. One that shows the alert is a no, also when it is silenced or inhibited. A yes needs every one of them to be
readable and trustworthy, and two looks 30 s apart that agree: an alert also vanishes with a restart, a broken rule or a lost target.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from remediator.answers import Answer
from remediator.clients.alertmanager import AlertmanagerPeers, matcher_text
from remediator.clients.permissions import Permission
from remediator.clients.prometheus import PrometheusClient
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.errors import FactsMissingError
from remediator.targets import Target

LOOKS_APART = timedelta(seconds=30)


class Params(ConditionParams):
    """Nothing to choose: the playbook's matchers and the target say which alerts are meant."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """What one source says: it fires (a reason), its silence is doubted (a reason), or it is silent and can be trusted."""

    fires: str | None = None
    doubt: str | None = None


class AlertResolved:
    """The alert's own end. As the only condition of a verify it is refused: an alert also ends when its metric does."""

    name: ClassVar[str] = "alert_resolved"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del target, params
        return await look_for_the_end(world.prometheus, world.alertmanager, known)


async def look_for_the_end(
    prometheus: PrometheusClient | None, alertmanager: AlertmanagerPeers | None, known: Known
) -> Look:
    """One look at whether the alerts are over, by the rule of S26. None: not configured."""
    if known.episodes and not any(episode.open for episode in known.episodes):
        return Look(Answer.YES, f"a resolution was delivered for {_count(len(known.episodes), 'alert')}")
    heard = []
    if prometheus is not None:
        heard.append(await _ask_prometheus(prometheus, known))
    if alertmanager is not None:
        heard.append(await _ask_alertmanager(alertmanager, known))
    if not heard:
        return Look(
            Answer.UNKNOWN,
            "no resolution was delivered, and neither Prometheus nor Alertmanager is configured to be asked",
        )
    if fires := [one.fires for one in heard if one.fires is not None]:
        return Look(Answer.NO, fires[0])
    doubts = [one.doubt for one in heard if one.doubt is not None]
    if known.concerns is None:
        doubts.append("which alerts would be this target's cannot be said")
    if doubts:
        return Look(Answer.UNKNOWN, f"not seen firing, but {doubts[0]}")
    return _second_look(known)


def _second_look(known: Known) -> Look:
    if known.absent_since is None or known.now - known.absent_since < LOOKS_APART:
        return Look(
            Answer.UNKNOWN,
            f"not firing at this look; a second one {LOOKS_APART.seconds} s later must agree",
            absent=True,
        )
    return Look(Answer.YES, f"not firing since {known.absent_since:%H:%M:%S}Z", absent=True)


async def _ask_prometheus(prometheus: PrometheusClient, known: Known) -> _Heard:
    doubt: str | None = None
    try:
        for alertname in _alertnames(known):
            vector = await prometheus.firing(alertname)
            for sample in vector.samples:
                if _concerns(known, sample.labels, external=True):
                    return _Heard(fires=f"Prometheus shows {alertname} firing")
            if vector.warnings:
                doubt = doubt or f"Prometheus warns that its answer may be partial: {vector.warnings[0]}"
            doubt = doubt or await prometheus.absence_doubt(alertname)
    except FactsMissingError as error:
        return _Heard(doubt=str(error))
    return _Heard(doubt=doubt if _alertnames(known) else "the alert has no alertname to ask for")


async def _ask_alertmanager(alertmanager: AlertmanagerPeers, known: Known) -> _Heard:
    doubt: str | None = None
    try:
        for alertname in _alertnames(known):
            listing = await alertmanager.listing([matcher_text("alertname", alertname)])
            for alert in listing.alerts:
                if _concerns(known, alert.labels, fingerprint=alert.fingerprint):
                    how = (
                        "as suppressed: silenced or inhibited is not resolved"
                        if alert.state == "suppressed"
                        else alert.state
                    )
                    return _Heard(fires=f"Alertmanager lists {alertname} ({how})")
            doubt = doubt or listing.absence_doubt
    except FactsMissingError as error:
        return _Heard(doubt=str(error))
    return _Heard(doubt=doubt if _alertnames(known) else "the alert has no alertname to ask for")


def _alertnames(known: Known) -> tuple[str, ...]:
    given: Iterable[Mapping[str, str]] = (known.labels, *(episode.labels for episode in known.episodes))
    return tuple(dict.fromkeys(labels["alertname"] for labels in given if labels.get("alertname")))


def _concerns(
    known: Known, labels: Mapping[str, str], *, fingerprint: str | None = None, external: bool = False
) -> bool:
    """Is this one of the episodes, or another alert of this playbook and target?

    ``external``: the labels come from Prometheus itself, so the external labels that Alertmanager adds to them are missing; those of
    the known episodes are lent to them. That may take one too many for ours, and so errs towards "still firing".
    """
    own = {name: value for name, value in labels.items() if name not in ("__name__", "alertstate")}
    known_labels = [known.labels, *(episode.labels for episode in known.episodes)]
    if any(episode.fingerprint == fingerprint for episode in known.episodes):
        return True
    candidates = [{**lent, **own} for lent in known_labels] if external else [own]
    if any(candidate == dict(lent) for candidate in candidates for lent in known_labels):
        return True
    return known.concerns is not None and any(known.concerns(candidate) for candidate in candidates)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
