"""Every client of the outside world that settings name, made and closed together. Live or dry is decided here and nowhere else."""

from contextlib import AsyncExitStack
from typing import Self

import aiohttp

from remediator.clients.alertmanager import AlertmanagerPeers
from remediator.clients.aws.connect import AwsAccounts
from remediator.clients.http_probe import HttpProbe
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.connect import connect
from remediator.clients.prometheus import PrometheusClient
from remediator.clients.tls_probe import TlsProbe
from remediator.clients.transport import Probe
from remediator.clock import Clock
from remediator.settings import Settings


class Outside:
    """``kubernetes`` and ``prometheus`` by cluster, ``aws`` by account and region, ``alertmanagers`` by source."""

    def __init__(self) -> None:
        self.session: aiohttp.ClientSession
        """For what reads, and for channels."""
        self.kubernetes: dict[str, KubernetesClient] = {}
        self.aws: AwsAccounts
        self.prometheus: dict[str, PrometheusClient] = {}
        self.alertmanagers: dict[str, AlertmanagerPeers] = {}
        self.http = HttpProbe()
        self.tls = TlsProbe()
        self._open = AsyncExitStack()

    @classmethod
    async def reached(cls, settings: Settings, *, clock: Clock, probe: Probe) -> Self:
        """Connected, with nothing sent yet.

        Raises:
            ConfigError: a credential cannot be used, or an address is refused; what was open is closed.
        """
        outside = cls()
        try:
            await outside._reach(settings, clock, probe)
        except BaseException:
            await outside.close()
            raise
        return outside

    async def close(self) -> None:
        """Close every connection."""
        await self._open.aclose()

    async def _reach(self, settings: Settings, clock: Clock, probe: Probe) -> None:
        dry_run = settings.mode != "live"
        timeout_s = settings.timings.request.total_seconds()
        self.session = session = await self._open.enter_async_context(aiohttp.ClientSession())
        for name, cluster in settings.clusters.items():
            client = await connect(cluster, name=name, dry_run=dry_run, clock=clock, timeout_s=timeout_s, probe=probe)
            self._open.push_async_callback(client.close)
            self.kubernetes[name] = client
            if (at := cluster.prometheus) is not None:
                self.prometheus[name] = PrometheusClient(at.url, at.credential, session, timeout_s)
        self.aws = AwsAccounts(settings.accounts, dry_run=dry_run, clock=clock, timeout_s=timeout_s, probe=probe)
        self._open.push_async_callback(self.aws.close)
        watchdog = settings.escalation.watchdog
        for name, source in settings.sources.items():
            if (peers := source.alertmanager) is not None:
                self.alertmanagers[name] = AlertmanagerPeers(
                    peers.urls, peers.credential, session, timeout_s, clock, watchdog=watchdog
                )
