"""The HTTP server: which routes there are, how it starts, and how it stops without dropping a webhook that it holds."""

import asyncio
from collections.abc import Sequence
from typing import cast

from aiohttp import web

from remediator.clock import Clock
from remediator.engine.intake import Intake
from remediator.errors import ConfigError
from remediator.metrics import Metrics
from remediator.settings import Settings
from remediator.web.auth import Auth
from remediator.web.connections import Connections, allow_files
from remediator.web.health import Health, Phase
from remediator.web.webhook import Webhook

_BACKLOG = 1024
"""Alertmanager opened 500 connections at once for 500 groups (measured)."""

_READ_TIMEOUTS = 3
"""A webhook's body may take this many request time-outs to arrive; it comes over the network, not from a person."""


def build_app(
    *,
    intake: Intake,
    auth: Auth,
    health: Health,
    metrics: Metrics,
    clock: Clock,
    settings: Settings,
    extra_routes: Sequence[web.AbstractRouteDef] = (),
) -> web.Application:
    """Everything that this process answers. ``extra_routes`` are the API's and the console's.

    No middleware: it would run for every webhook too, and none may turn one into a redirect.
    """
    webhook = Webhook(
        intake=intake,
        auth=auth,
        metrics=metrics,
        clock=clock,
        max_body=settings.max_body,
        read_timeout_s=_READ_TIMEOUTS * settings.timings.request.total_seconds(),
    )
    app = web.Application(client_max_size=settings.max_body)
    app.add_routes([*webhook.routes(), *health.routes(), *extra_routes])
    return app


class Server:
    """Listens; ``stop`` answers what it holds before it returns."""

    def __init__(
        self, app: web.Application, *, health: Health, settings: Settings, connections: int | None = None
    ) -> None:
        """``connections``: how many it holds at most; by default what the process' limit of open files leaves room for."""
        self._runner = web.AppRunner(
            app, access_log=None, keepalive_timeout=75, shutdown_timeout=settings.timings.shutdown.total_seconds()
        )
        self._health = health
        self._host = settings.listen.host
        self._port = settings.listen.port
        self._most = connections
        self._listening: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. ``port`` is known afterwards.

        Raises:
            ConfigError: the address cannot be had.
        """
        await self._runner.setup()
        served = cast("web.Server", self._runner.server)  # there since setup
        accept = Connections(served, allow_files() if self._most is None else self._most)
        try:
            self._listening = await asyncio.get_running_loop().create_server(
                accept, self._host, self._port, backlog=_BACKLOG
            )
        except OSError as error:
            await self._runner.cleanup()
            raise ConfigError(
                path="listen",
                line=None,
                message=f"cannot listen on {self._host}:{self._port}: {error.strerror}",
                remedy="free the port, or set listen.port (0 picks a free one)",
            ) from None
        self._health.phase = Phase.SERVING

    @property
    def port(self) -> int:
        """The port that it listens on, also where settings said 0."""
        listening = cast("asyncio.Server", self._listening)
        return int(listening.sockets[0].getsockname()[1])

    @property
    def url(self) -> str:
        """Where it can be reached from this machine."""
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(self._host, self._host)  # noqa: S104 - compared, not bound
        return f"http://{host}:{self.port}"

    async def stop(self) -> None:
        """Take no more connections, answer the requests that are held, then close. Intake must still run meanwhile."""
        self._health.phase = Phase.STOPPING
        if self._listening is not None:
            self._listening.close()
        await self._runner.cleanup()
