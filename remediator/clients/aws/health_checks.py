"""Route 53's health checks: what their checkers see, and the switch that tells them what to say."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission

_CHECKS = "arn:{partition}:route53:::healthcheck/*"
READ_CHECK = (IamPermission("route53:GetHealthCheck", _CHECKS),)
READ_STATUS = (*READ_CHECK, IamPermission("route53:GetHealthCheckStatus", _CHECKS))
SWITCH_CHECK = (IamPermission("route53:UpdateHealthCheck", _CHECKS, writes=True),)

ASKS_AN_ENDPOINT = frozenset({"HTTP", "HTTPS", "HTTP_STR_MATCH", "HTTPS_STR_MATCH", "TCP"})
"""Types that have checkers of their own. The others are derived and tell no status."""


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """Its settings, as far as they decide what it says."""

    id: str
    version: int
    type: str
    inverted: bool
    disabled: bool

    @property
    def forced(self) -> str:
        """What it says whatever its checkers see; empty for one that says what they see (or the opposite).

        One that is disabled counts as healthy, and inverted as unhealthy. Inverted alone says the opposite of what is seen, so it
        would bring a check that fails back to healthy.
        """
        if not self.disabled:
            return ""
        return "unhealthy" if self.inverted else "healthy"


@dataclass(frozen=True, slots=True)
class Observation:
    """What one checker saw last."""

    region: str
    success: bool
    at: datetime | None


async def health_check(api: AwsApi, check: str) -> HealthCheck:
    """Read its settings.

    Raises:
        TargetNotFoundError: there is no such check.
        FactsMissingError: it could not be read.
    """
    found = (await api.read("route53", "get_health_check", HealthCheckId=check))["HealthCheck"]
    return _check(found)


async def observations(api: AwsApi, check: str) -> tuple[Observation, ...]:
    """What its checkers saw, unchanged by Inverted and Disabled."""
    answer = await api.read("route53", "get_health_check_status", HealthCheckId=check)
    return tuple(_observation(one) for one in answer.get("HealthCheckObservations", ()))


async def switch(api: AwsApi, check: HealthCheck, *, inverted: bool, disabled: bool) -> int | None:
    """Set both, if nobody has written since ``check`` was read. The new version; None in a dry-run, where nothing is sent.

    Raises:
        PermanentError: with code ``HealthCheckVersionMismatch`` when somebody has; nothing was written.
    """
    sent = await api.write(
        "route53",
        "update_health_check",
        HealthCheckId=check.id,
        HealthCheckVersion=check.version,
        Inverted=inverted,
        Disabled=disabled,
    )
    return None if sent is None else int(sent["HealthCheck"]["HealthCheckVersion"])


def _check(found: Mapping[str, Any]) -> HealthCheck:
    config = found["HealthCheckConfig"]
    return HealthCheck(
        id=str(found["Id"]),
        version=int(found["HealthCheckVersion"]),
        type=str(config["Type"]),
        inverted=bool(config.get("Inverted", False)),
        disabled=bool(config.get("Disabled", False)),
    )


def _observation(one: Mapping[str, Any]) -> Observation:
    report = one.get("StatusReport", {})
    return Observation(
        str(one.get("Region", "")), str(report.get("Status", "")).startswith("Success"), report.get("CheckedTime")
    )
