"""The whole simulated world: a cluster, an AWS, their monitoring and a pager, on loopback, tied together by alerting rules."""

from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

from remediator.sandbox import workloads
from remediator.sandbox.alert_groups import Route
from remediator.sandbox.alert_rules import AlertRule, AlertRules
from remediator.sandbox.alertmanager import Alertmanager
from remediator.sandbox.aws.cloud import Cloud
from remediator.sandbox.background import Background
from remediator.sandbox.kubeconfig import write_kubeconfig
from remediator.sandbox.kubernetes.controllers.timings import Timings
from remediator.sandbox.kubernetes.resources import Object
from remediator.sandbox.kubernetes.server import KubernetesApi
from remediator.sandbox.pagerduty import PagerDuty
from remediator.sandbox.prometheus import Prometheus
from remediator.sandbox.timekeeping import Pace
from remediator.sandbox.webhook_delivery import Webhook

_EVALUATE_EVERY_S = 0.2


class World:
    """`async with World() as world:` starts everything on free ports of 127.0.0.1 and stops it at the end.

    `speed` 2.0 halves every duration inside the world (pod starts, progress deadlines, group intervals, `for_s`).
    `alertmanager_up_for_s`: a young Alertmanager's lists prove nothing, so by default it claims to be an hour old.
    The servers stand in `kubernetes`, `alertmanager`, `prometheus`, `pagerduty`, each with `requests` and `faults`.
    `aws` is all of AWS (`aws/cloud.py`).
    """

    def __init__(
        self,
        *,
        speed: float = 1.0,
        token: str | None = None,
        route: Route | None = None,
        timings: Timings | None = None,
        nodes: int = 3,
        alertmanager_up_for_s: float = 3600.0,
    ) -> None:
        self.pace = Pace(speed)
        self._token = token
        self.kubernetes = KubernetesApi(pace=self.pace, token=token, timings=timings, nodes=nodes)
        self.alertmanager = Alertmanager(pace=self.pace, route=route, up_for_s=alertmanager_up_for_s)
        self.prometheus = Prometheus(pace=self.pace)
        self.pagerduty = PagerDuty(pace=self.pace)
        self.aws = Cloud(pace=self.pace)
        self._rules = AlertRules(self.pace, self.alertmanager, self.prometheus, _EVALUATE_EVERY_S)
        self._background = Background()

    async def __aenter__(self) -> Self:
        try:
            for server in (self.kubernetes, self.alertmanager, self.prometheus, self.pagerduty, self.aws):
                await server.start()
        except BaseException:
            await self._stop()
            raise
        self._background.start(self._rules.run(), name="sandbox-alert-rules")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    async def _stop(self) -> None:
        await self._background.stop()
        for server in (self.alertmanager, self.prometheus, self.pagerduty, self.aws, self.kubernetes):
            await server.stop()

    @property
    def kubernetes_url(self) -> str:
        return self.kubernetes.url

    @property
    def alertmanager_url(self) -> str:
        return self.alertmanager.url

    @property
    def prometheus_url(self) -> str:
        return self.prometheus.url

    @property
    def pagerduty_url(self) -> str:
        """The base address; events go to `/v2/enqueue` under it."""
        return self.pagerduty.url

    @property
    def aws_url(self) -> str:
        """The endpoint of every AWS service."""
        return self.aws.url

    def kubeconfig(self, path: Path) -> Path:
        """Write a kubeconfig for the cluster to `path`."""
        return write_kubeconfig(path, self.kubernetes_url, self._token)

    def send_alerts_to(
        self,
        url: str,
        *,
        bearer_token: str | None = None,
        receiver: str = "remediator",
        send_resolved: bool = True,
        max_alerts: int = 0,
    ) -> None:
        """Let Alertmanager POST its groups to this webhook."""
        self.alertmanager.add_webhook(Webhook(url, receiver, bearer_token, send_resolved, max_alerts))

    def deploy(
        self,
        namespace: str,
        name: str,
        *,
        replicas: int = 3,
        behaviour: str = "healthy",
        on_restart: str | None = None,
        plural: str = "deployments",
        image: str | None = None,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        spec: Object | None = None,
    ) -> Object:
        """Make a workload, its namespace too if needed; not counted as a change of the world.

        Its pods behave as `behaviour` says until the pod template changes, then as `on_restart` (see
        `kubernetes/health.py` for the words). Await `rolled_out` when it must be up first.
        """
        self.kubernetes.health.set(plural, namespace, name, behaviour, on_restart)
        made = workloads.manifest(
            plural,
            namespace,
            name,
            replicas=replicas,
            image=image,
            labels=labels,
            annotations=annotations,
            spec=spec,
        )
        return self.kubernetes.put(plural, made)

    def sicken(
        self,
        namespace: str,
        name: str,
        behaviour: str = "crash-until-restart",
        *,
        on_restart: str | None = None,
        plural: str = "deployments",
    ) -> None:
        """From now on the running pods of the workload behave so; "healthy" makes them well again."""
        self.kubernetes.get(plural, namespace, name)
        self.kubernetes.health.set(plural, namespace, name, behaviour, on_restart)

    async def rolled_out(
        self, namespace: str, name: str, *, plural: str = "deployments", timeout_s: float = 10.0
    ) -> None:
        """Wait until the workload's rollout is done as `kubectl rollout status` sees it; TimeoutError otherwise."""
        await self.kubernetes.until(
            lambda: workloads.is_rolled_out(self.kubernetes, plural, namespace, name), timeout_s=timeout_s
        )

    def alert_when(
        self,
        holds: Callable[[], bool],
        alertname: str,
        labels: dict[str, str] | None = None,
        annotations: dict[str, str] | None = None,
        *,
        for_s: float = 0.0,
    ) -> AlertRule:
        """Fire an alert while `holds` does (after `for_s`), resolve it when it no longer does."""
        rule = AlertRule(holds, {"alertname": alertname, **(labels or {})}, annotations or {}, for_s)
        self._rules.add(rule)
        return rule

    def watchdog(self) -> AlertRule:
        """The alert that always fires and shows that the way to the webhook works."""
        return self.alert_when(lambda: True, "Watchdog", {"severity": "none"}, {"summary": "the pipeline works"})

    def alert_when_down(
        self,
        namespace: str,
        name: str,
        alertname: str = "ServiceDown",
        *,
        severity: str = "critical",
        labels: dict[str, str] | None = None,
        for_s: float = 0.0,
        plural: str = "deployments",
    ) -> AlertRule:
        """Fire `alertname`{namespace, deployment, severity} while a pod crash-loops or too few are available."""
        kind = workloads.KINDS[plural].lower()
        return self.alert_when(
            lambda: (
                workloads.is_crash_looping(self.kubernetes, plural, namespace, name)
                or workloads.is_short_of_replicas(self.kubernetes, plural, namespace, name)
            ),
            alertname,
            {"namespace": namespace, kind: name, "severity": severity, **(labels or {})},
            {"summary": f"{namespace}/{name} is down", "runbook_url": f"https://runbooks.example.net/{alertname}"},
            for_s=for_s,
        )
