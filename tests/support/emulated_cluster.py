"""A stage on the emulator: a world of its own for every test."""

import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp

from remediator.clients.permissions import Right, in_cluster
from remediator.sandbox.journal import Received
from remediator.sandbox.kubeconfig import write_kubeconfig
from remediator.sandbox.world import World
from tests.support.cluster import Asked, Object, Stage
from tests.support.kinds import kind_of


@dataclass
class EmulatedStage(Stage):
    """Needs `world`, which runs."""

    world: World = field(kw_only=True)
    _users: dict[str, str] = field(default_factory=dict)
    """By what their requests carry."""

    def __post_init__(self) -> None:
        self.url = self.world.kubernetes_url

    def _open(self) -> aiohttp.ClientSession:
        token = secrets.token_urlsafe(8)
        self.world.kubernetes.grant(token, None, "admin")
        return aiohttp.ClientSession(self.url, headers={"Authorization": f"Bearer {token}"})

    async def credentials(self, permissions: Iterable[Right]) -> Path:
        name, token = f"remediator-{next(self._numbers)}", secrets.token_urlsafe(8)
        self._users[f"Bearer {token}"] = user = f"system:serviceaccount:{self.namespace}:{name}"
        rules = [
            (one.group, one.resource, one.verb, None if one.everywhere else self.namespace)
            for one in in_cluster(permissions)
        ]
        self.world.kubernetes.grant(token, rules, user)
        return write_kubeconfig(self.directory / f"{name}.kubeconfig", self.url, token)

    async def audit(self) -> list[Asked]:
        found = [(one, self._users.get(one.headers.get("Authorization", ""))) for one in self.world.kubernetes.requests]
        return [_asked(one, user) for one, user in found if user is not None]

    async def sicken(self, name: str, behaviour: str, kind: str = "Deployment") -> None:
        self.world.sicken(self.namespace, name, behaviour, plural=kind_of(kind).plural)


def _asked(received: Received, user: str) -> Asked:
    body: Object | None
    try:
        body = received.json()
    except ValueError:
        body = None
    return Asked(received.method, received.path, received.query, user, received.user_agent, body)
