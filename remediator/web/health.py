"""``/-/healthy``, ``/-/ready`` and ``/metrics``.

Ready means: alerts can be taken. Everything else that may be wrong stands in the body and in metrics, because a service that leaves
the load balancer for want of a Prometheus would lose alerts for nothing.
"""

from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any

import orjson
from aiohttp import web

from remediator.engine.intake import Intake
from remediator.metrics import Metrics

Dependencies = Callable[[], Awaitable[Mapping[str, Any]]]
"""Gives each dependency's state by name, as JSON values; must answer quickly and not raise."""


class Phase(StrEnum):
    """Where in its life the process is."""

    STARTING = "starting"
    SERVING = "serving"
    STOPPING = "stopping"


class Health:
    """What is asked by kubelets, load balancers and Prometheus. ``phase`` is moved by whoever starts and stops the service."""

    def __init__(self, *, intake: Intake, metrics: Metrics, dependencies: Dependencies) -> None:
        self.phase = Phase.STARTING
        self._intake = intake
        self._metrics = metrics
        self._dependencies = dependencies

    def routes(self) -> list[web.AbstractRouteDef]:
        """Open to all: nothing here names an alert."""
        return [
            web.get("/-/healthy", self.healthy),
            web.get("/-/ready", self.ready),
            web.get("/metrics", self.metrics),
        ]

    async def healthy(self, _request: web.Request) -> web.Response:
        """The loop turns."""
        return web.json_response({"status": "healthy"})

    async def ready(self, _request: web.Request) -> web.Response:
        """503 while starting, stopping, or when the store cannot take alerts."""
        reason = None if self.phase is Phase.SERVING else self.phase.value
        dependencies = dict(await self._dependencies())
        if reason is None and (trouble := await self._intake.trouble()) is not None:
            reason = f"store: {trouble}"
            dependencies["store"] = {"ok": False, "why": trouble}  # a full disk can still be read
        body = {"ready": reason is None, "reason": reason, "dependencies": dependencies}
        return web.Response(
            status=200 if reason is None else 503, body=orjson.dumps(body), headers={"Content-Type": "application/json"}
        )

    async def metrics(self, _request: web.Request) -> web.Response:
        """Prometheus' text format. What only the store knows is asked first; it answers in ``details`` when it cannot."""
        await self._dependencies()
        return web.Response(body=self._metrics.render(), headers={"Content-Type": self._metrics.content_type})
