"""Do we have the permissions that the playbooks in force need? Asked at the start, after every reload, and again and again.

So a right that is missing is told when it goes missing, by name, and not at three in the morning by the run that needs it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import structlog

from remediator.clients.aws.api import AwsApi
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clock import Clock
from remediator.decision.autonomy import level_of
from remediator.decision.facts import Lacking
from remediator.engine.facts import autonomy_facts
from remediator.engine.iam_watch import IamAccess, look_at_aws
from remediator.engine.needs import Need, needs, needs_of_watcher
from remediator.engine.wakeup import Wakeup
from remediator.errors import RemediatorError
from remediator.metrics import Metrics
from remediator.playbooks.library import LoadedSet
from remediator.playbooks.model import Autonomy, Playbook
from remediator.settings import Settings
from remediator.targets import Target

log = structlog.get_logger(__name__)

_AGAIN_S = 600.0
_AGAIN_WHILE_LACKING_S = 60.0
_SHOWN = 20
"""An account without any rights would fill pages."""


@dataclass(frozen=True, slots=True)
class Access:
    """What the API servers said."""

    lacking: tuple[Need, ...] = ()
    later: tuple[Need, ...] = ()
    """Lacking too, but only for what playbooks would do that settings hold at ``propose`` or lower."""
    unanswered: Mapping[str, str] | None = None
    """Clusters, and accounts with their region, that gave no answer, and why. None: nobody has asked yet."""
    at_aws: IamAccess = field(default_factory=IamAccess)
    """Nothing is denied by it: IAM is asked again, about the very target, when a plan is made."""

    @property
    def good(self) -> bool:
        return not self.lacking and not self.unanswered and not self.at_aws.lacking


async def look(
    playbooks: Iterable[Playbook],
    settings: Settings,
    clients: Mapping[str, KubernetesClient],
    aws: Mapping[str, AwsApi] = MappingProxyType({}),
) -> Access:
    """Ask for every permission that these playbooks need. Changes nothing, raises nothing."""
    known = list(playbooks)
    acting = {playbook.name for playbook in known if _may_act(playbook, settings)}
    lacking: list[Need] = []
    unanswered: dict[str, str] = {}
    for need in (*needs(known, settings.clusters), *needs_of_watcher(settings.certificates, settings.clusters)):
        if need.cluster in unanswered:
            continue
        try:
            allowed = await clients[need.cluster].access.allowed(need.permission, need.namespace)
        except RemediatorError as error:
            unanswered[need.cluster] = str(error)
            continue
        if not allowed:
            lacking.append(need)
    now = [need for need in lacking if not need.to_act or acting.intersection(need.playbooks)]
    at_aws = await look_at_aws(known, settings.accounts, aws, acting)
    later = tuple(need for need in lacking if need not in now)
    return Access(tuple(now), later, {**unanswered, **at_aws.unanswered}, at_aws)


def _may_act(playbook: Playbook, settings: Settings) -> bool:
    """Could it ever write, as settings are? The ladder and an alert's severity only lower that (S14)."""
    level = level_of(playbook, autonomy_facts(settings, playbook.name, None), None).level
    return level.rank >= Autonomy.APPROVE.rank


class PermissionWatch:
    """One per process; what it knows is what the API servers last said."""

    def __init__(
        self,
        *,
        settings: Settings,
        clients: Mapping[str, KubernetesClient],
        playbooks: Callable[[], LoadedSet],
        clock: Clock,
        metrics: Metrics,
        aws: Mapping[str, AwsApi] = MappingProxyType({}),
    ) -> None:
        self._aws = aws
        self._settings = settings
        self._clients = clients
        self._playbooks = playbooks
        self._clock = clock
        self._metrics = metrics
        self._asked = Wakeup()
        self.access = Access()

    def look_soon(self) -> None:
        """The playbooks have changed."""
        self._asked()

    async def look(self) -> None:
        """Ask now, and tell what has changed since."""
        found = await look(self._playbooks().playbooks, self._settings, self._clients, self._aws)
        before, self.access = self.access, found
        self._metrics.permissions_missing.set(len(found.lacking) + len(found.at_aws.lacking))
        for told in _new(found.lacking, before.lacking), _new(found.at_aws.lacking, before.at_aws.lacking):
            for permission in told:
                log.warning("permission_missing", permission=permission)
        for place, why in (found.unanswered or {}).items():
            if (before.unanswered or {}).get(place) != why:
                log.warning("permissions_not_checked", cluster=place, reason=why)
        if found.good and (not before.good or before.unanswered is None):
            log.info("permissions_complete")

    def lacking(self, playbook: Playbook, target: Target) -> tuple[Lacking, ...]:
        """What this playbook is known to lack for this target, and cannot do without."""
        return tuple(
            Lacking(str(need), need.permission.writes)
            for need in (*self.access.lacking, *self.access.later)
            if playbook.name in need.playbooks
            and not need.optional
            and need.cluster == target.place
            and need.namespace in ("", target.namespace)
        )

    def details(self) -> dict[str, Any]:
        """For the body of ``/-/ready``."""
        access, unanswered = self.access, self.access.unanswered
        missing = [str(need) for need in (*access.lacking, *access.at_aws.lacking)]
        told: dict[str, Any] = {
            "ok": unanswered is not None and access.good,
            "missing": missing[:_SHOWN],
            "not_asked": sorted((*self._settings.clusters, *self._aws) if unanswered is None else unanswered),
        }
        # Only where there is one: a role may do without the simulation.
        return {**told, "not_simulated": list(access.at_aws.not_simulated)} if access.at_aws.not_simulated else told

    async def run(self) -> None:
        """Until cancelled."""
        wait_s = 0.0
        while True:
            await self._asked.wait(self._clock, wait_s)
            await self.look()
            wait_s = _AGAIN_S if self.access.good else _AGAIN_WHILE_LACKING_S


def _new(lacking: Iterable[object], before: Collection[object]) -> tuple[str, ...]:
    return tuple(str(need) for need in lacking if need not in before)
