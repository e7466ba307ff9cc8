"""What the replicas have to do in a play: services that fail, each in its own way, and the alerts about them."""

import asyncio
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.chaos.site import Site
from tests.support.service import RESTART, firing

PLAYBOOKS = (
    RESTART.replace("within: 8s", "within: 4s"),
    """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: scale-out}
match: [['alertname="Busy"']]
target: {workload: {kind: deployment, namespace: "{{ labels.namespace }}", name: "{{ labels.deployment }}"}}
autonomy: act
remedies:
  - name: scale-out
    steps: [{kubernetes.scale: {by: 1, max_replicas: 6}}]
    verify: {within: 4s, hold: 300ms, all: [{promql: {query: "error_rate", below: 0.01}}]}
""",
)
_SETTLED_WITHIN_S = 200.0
"""A decision that lacked facts is made again after 30 s (S5)."""


@dataclass(frozen=True, slots=True)
class Service:
    """``way``: cured (a restart helps), hopeless (it does not), busy (scaled out), puzzle (nobody knows a remedy)."""

    name: str
    way: str

    def alert(self, *, since: datetime, over: bool = False) -> dict[str, Any]:
        """As Alertmanager sends it."""
        alertname = {"busy": "Busy", "puzzle": "Puzzle"}.get(self.way, "ServiceDown")
        ends_at = datetime.now(UTC) if over else None
        return firing(alertname, starts_at=since, ends_at=ends_at, namespace="shop", deployment=self.name)


@dataclass
class Work:
    """``ways`` in the order in which they fail."""

    site: Site
    ways: tuple[str, ...] = ("cured", "hopeless", "cured", "busy", "cured", "puzzle")
    services: list[Service] = field(default_factory=list)
    _since: dict[str, datetime] = field(default_factory=dict)

    async def prepare(self) -> None:
        """All is well."""
        world = self.site.world
        world.prometheus.script("error_rate", 0.001)
        self.services = [Service(f"{way}-{number}", way) for number, way in enumerate(self.ways)]
        for service in self.services:
            world.deploy("shop", service.name)
        for service in self.services:
            await world.rolled_out("shop", service.name)

    async def fail(self, *, over_s: float) -> None:
        """One after the other; returns when every alert about it is acknowledged by somebody."""
        async with asyncio.TaskGroup() as group:
            for service in self.services:
                group.create_task(self._fail(service))
                await asyncio.sleep(over_s / len(self.services))

    async def _fail(self, service: Service) -> None:
        behaviour = {"cured": "crash-until-restart", "hopeless": "never-ready"}.get(service.way)
        if behaviour is not None:
            self.site.world.sicken("shop", service.name, behaviour)
        self._since[service.name] = datetime.now(UTC)
        await self._tell(service)

    async def _tell(self, service: Service, *, over: bool = False) -> None:
        """Both peers of an Alertmanager cluster send it, each to some replica; its API says the same."""
        alert = service.alert(since=self._since[service.name], over=over)
        if over:
            self.site.world.alertmanager.resolve(alert["labels"])
        else:
            self.site.world.alertmanager.push(alert["labels"], starts_at=self._since[service.name])
        await asyncio.gather(self.site.alert(alert), self.site.alert(alert))

    async def settle(self) -> None:
        """Once nothing disturbs any more: wait until all that can be remedied is, and end those alerts."""
        await self.site.until(self._is_settled, "every run ends or waits for a person", within_s=_SETTLED_WITHIN_S)
        async with asyncio.TaskGroup() as group:
            for service in self.services:
                if service.way in ("cured", "busy"):
                    group.create_task(self._tell(service, over=True))
        over = [service.name for service in self.services if service.way in ("cured", "busy")]
        await self.site.until(lambda: not self._still_open(over), "incidents of what is cured are closed", within_s=120)
        lasting = sum(service.way in ("hopeless", "puzzle") for service in self.services)
        await self.site.until(lambda: len(self.site.world.pagerduty.paging()) >= lasting, "people are paged")

    def _is_settled(self) -> bool:
        outcomes = self._outcomes()
        return all(
            service.way == "puzzle"
            or "verified" in (had := outcomes.get(service.name, ()))
            or self._may_rest(service, had)
            for service in self.services
        )

    def _may_rest(self, service: Service, had: tuple[str, ...]) -> bool:
        """A hopeless one is given up; what was caught by a disturbance may be with a person, or wait out the cooldown of a step that
        was begun and then not sent: that it never left is not told from the journal."""
        if "needs_person" in had or (service.way == "hopeless" and bool({"refuted", "unknown"} & set(had))):
            return True
        standing = "SELECT target, reasons FROM decisions WHERE current AND verdict = 'deny' AND target IS NOT NULL"
        waits = {row["target"].rpartition("/")[2] for row in self.site.rows(standing) if '"cooldown"' in row["reasons"]}
        return "overtaken" in had and service.name in waits

    def _outcomes(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        for row in self.site.rows("SELECT target, state, outcome FROM runs ORDER BY created_at"):
            name = row["target"].rpartition("/")[2]
            word = "needs_person" if row["state"] == "needs_person" else row["outcome"] or ""
            found[name] = (*found.get(name, ()), word)
        return found

    def _still_open(self, names: list[str]) -> list[str]:
        rows = self.site.rows("SELECT target, state FROM incidents WHERE state = 'open' AND target IS NOT NULL")
        asked = {name for name, had in self._outcomes().items() if "needs_person" in had}
        names_open = {row["target"].rpartition("/")[2] for row in rows}
        return sorted(names_open & set(names) - asked)
