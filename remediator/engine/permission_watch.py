"""Do we have the permissions that the playbooks in force need? Asked at the start, after every reload, and again and again.

So a right that is missing is told when it goes missing, by name, and not at three in the morning by the run that needs it.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import structlog

from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clock import Clock
from remediator.decision.autonomy import level_of
from remediator.decision.facts import Lacking
from remediator.engine.facts import autonomy_facts
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
    """Clusters that gave no answer, and why. None: nobody has asked yet."""


async def look(playbooks: Iterable[Playbook], settings: Settings, clients: Mapping[str, KubernetesClient]) -> Access:
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
    return Access(tuple(now), tuple(need for need in lacking if need not in now), unanswered)


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
    ) -> None:
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
        before, self.access = self.access, await look(self._playbooks().playbooks, self._settings, self._clients)
        self._metrics.permissions_missing.set(len(self.access.lacking))
        for need in self.access.lacking:
            if need not in before.lacking:
                log.warning("permission_missing", permission=str(need))
        for cluster, why in (self.access.unanswered or {}).items():
            if (before.unanswered or {}).get(cluster) != why:
                log.warning("permissions_not_checked", cluster=cluster, reason=why)
        good = not self.access.lacking and not self.access.unanswered
        if good and (before.lacking or before.unanswered or before.unanswered is None):
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
        unanswered = self.access.unanswered
        return {
            "ok": unanswered == {} and not self.access.lacking,
            "missing": [str(need) for need in self.access.lacking[:_SHOWN]],
            "not_asked": sorted(self._settings.clusters if unanswered is None else unanswered),
        }

    async def run(self) -> None:
        """Until cancelled."""
        wait_s = 0.0
        while True:
            await self._asked.wait(self._clock, wait_s)
            await self.look()
            good = not self.access.lacking and not self.access.unanswered
            wait_s = _AGAIN_S if good else _AGAIN_WHILE_LACKING_S
