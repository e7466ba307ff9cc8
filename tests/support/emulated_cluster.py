"""A stage on the emulator: a world of its own for every test."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from remediator.clients.permissions import Permission
from remediator.sandbox.journal import Received
from remediator.sandbox.world import World
from tests.support.cluster import Asked, Object, Stage
from tests.support.kinds import kind_of

_ADMIN = "remediator-tests"
"""User agent of the administrator."""


@dataclass
class EmulatedStage(Stage):
    """Needs `world`, which runs."""

    world: World = field(kw_only=True)

    def __post_init__(self) -> None:
        self.url = self.world.kubernetes_url

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(self.url, headers={"User-Agent": _ADMIN})

    async def credentials(self, permissions: Iterable[Permission]) -> Path:
        return self.world.kubeconfig(self.directory / f"remediator-{next(self._numbers)}.kubeconfig")

    async def audit(self) -> list[Asked]:
        return [_asked(one) for one in self.world.kubernetes.requests if not one.user_agent.startswith(_ADMIN)]

    async def sicken(self, name: str, behaviour: str, kind: str = "Deployment") -> None:
        self.world.sicken(self.namespace, name, behaviour, plural=kind_of(kind).plural)


def _asked(received: Received) -> Asked:
    body: Object | None
    try:
        body = received.json()
    except ValueError:
        body = None
    return Asked(received.method, received.path, received.query, "", received.user_agent, body)
