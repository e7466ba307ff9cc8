"""What was given to ``explain``, read exactly as a webhook would be: one alert, a whole body, or only labels and annotations."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from remediator.alerts.payload import Delivery, NotAlertmanagerError, parse
from remediator.alerts.severity import DEFAULT_LABEL_VALUES, Severity
from remediator.engine.refused import InvalidOrderError
from remediator.settings import BUILT_IN_SOURCES, Settings

ACCEPTED = (
    'one alert {"labels": {...}}, with annotations, status, startsAt, fingerprint if known; or a whole webhook body of '
    'Alertmanager {"alerts": [...]}; or a list of alerts as `amtool alert query --output json` prints'
)


def alerts_of(document: Any, now: datetime) -> Delivery:
    """The alerts in a document. What a hand-written alert leaves out is filled in: it fires, since now.

    Raises:
        InvalidOrderError: there is no alert in it.
    """
    given = document
    if isinstance(document, dict):
        given = document.get("alerts", [document])
    if not isinstance(given, list) or not given or not all(isinstance(one, dict) and "labels" in one for one in given):
        raise InvalidOrderError("alert", "there is no alert in it", ACCEPTED)
    try:
        # Through JSON and intake's own reader, so that it is understood, or rejected, as it would be at the door.
        return parse(json.dumps({"alerts": [_whole(one, now) for one in given]}).encode())
    except NotAlertmanagerError as error:
        raise InvalidOrderError("alert", str(error), ACCEPTED) from None


def source_named(settings: Settings, name: str | None) -> str:
    """The source that the alert is taken to come from; the only one when none is named.

    Raises:
        InvalidOrderError: there is no such source, or several to choose from.
    """
    listed = sorted(settings.sources)
    if name is None and len(listed) == 1:
        return listed[0]
    if name is None:
        return _chosen(listed)
    if name not in settings.sources and name not in BUILT_IN_SOURCES:
        raise InvalidOrderError("source", f"there is no source {name[:80]!r}", ", ".join(listed))
    return name


def severities_of(settings: Settings) -> dict[str, Severity]:
    """The whole map from label values (S4)."""
    return {
        **DEFAULT_LABEL_VALUES,
        **{value.lower(): Severity(severity) for value, severity in settings.severities.items()},
    }


def _chosen(listed: list[str]) -> str:
    if not listed:
        return "manual"  # no sources at all: as a person would start it, which one cluster answers (S1)
    raise InvalidOrderError("source", "there are several sources: name one", ", ".join(listed))


def _whole(alert: Mapping[str, Any], now: datetime) -> dict[str, Any]:
    status = alert.get("status", "firing")
    if isinstance(status, dict):  # Alertmanager's API says {"state": "active"}
        status = "firing"
    if "endsAt" not in alert and status == "resolved":
        alert = {**alert, "endsAt": now.isoformat()}
    start = now.isoformat()
    return {
        **alert,
        "status": status,
        "startsAt": alert.get("startsAt", start),
        "fingerprint": alert.get("fingerprint", "-"),
    }
