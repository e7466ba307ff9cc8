"""When the API server is asked what we may do, what is told of it, and for whom something is then lacking."""

import asyncio
from types import SimpleNamespace
from typing import Any

from structlog.testing import capture_logs

from remediator.clients.permissions import Permission
from remediator.engine.permission_watch import PermissionWatch
from remediator.errors import FactsMissingError
from remediator.metrics import Metrics
from remediator.playbooks.model import Playbook
from remediator.settings import Settings
from remediator.targets import Target
from tests.support.clock import ManualClock
from tests.support.playbooks import playbook

SETTINGS = Settings.model_validate(
    {"clusters": {"prod": {"namespaces": ["shop", "pay"]}}, "autonomy": {"start": "act"}}
)
PATCH, LOGS = Permission("apps", "deployments", "patch"), Permission("", "pods/log", "get")


class Server:
    """An API server that lets everything be done, but for what is refused."""

    def __init__(self) -> None:
        self.refused: set[tuple[Permission, str]] = set()
        self.silent = False
        self.asked = 0

    async def allowed(self, permission: Permission, namespace: str) -> bool:
        self.asked += 1
        if self.silent:
            raise FactsMissingError("no answer within 10 s")
        return (permission, namespace) not in self.refused


def watch(server: Server, clock: ManualClock, *playbooks: Playbook, settings: Settings = SETTINGS) -> PermissionWatch:
    clients: Any = {"prod": SimpleNamespace(access=server)}
    loaded: Any = SimpleNamespace(playbooks=playbooks or (playbook("restart", autonomy="act"),))
    return PermissionWatch(settings=settings, clients=clients, playbooks=lambda: loaded, clock=clock, metrics=Metrics())


def target(namespace: str) -> Target:
    return Target.kubernetes("prod", namespace, "deployment", "checkout")


async def test_only_the_playbook_and_the_place_that_lack_something_are_told_so(clock: ManualClock) -> None:
    server, restarting = Server(), playbook("restart", autonomy="act")
    watched = watch(server, clock, restarting)
    assert watched.lacking(restarting, target("shop")) == (), "nobody has asked"
    server.refused = {(PATCH, "shop"), (LOGS, "shop")}
    await watched.look()
    (lacking,) = watched.lacking(restarting, target("shop"))
    assert lacking.writes and lacking.text.startswith("needs patch on deployments in shop")
    assert watched.lacking(restarting, target("pay")) == ()
    assert watched.lacking(playbook("another"), target("shop")) == ()
    told = watched.details()
    assert (told["ok"], len(told["missing"])) == (False, 2), "what only evidence needs is named, too"


async def test_what_nobody_may_do_yet_is_not_called_missing(clock: ManualClock) -> None:
    server = Server()
    server.refused = {(PATCH, "shop")}
    proposing = playbook("restart", autonomy="propose")
    watched = watch(server, clock, proposing)
    await watched.look()
    assert watched.details() == {"ok": True, "missing": [], "not_asked": []}
    assert [one.writes for one in watched.lacking(proposing, target("shop"))] == [True]


async def test_each_change_is_logged_once(clock: ManualClock) -> None:
    server = Server()
    watched = watch(server, clock)
    with capture_logs() as logs:
        await watched.look()
        server.refused = {(PATCH, "shop")}
        await watched.look()
        await watched.look()
        server.refused = set()
        await watched.look()
        server.silent = True
        await watched.look()
        await watched.look()
    told = [(one["event"], one["log_level"]) for one in logs]
    good, missing = ("permissions_complete", "info"), ("permission_missing", "warning")
    assert told == [good, missing, good, ("permissions_not_checked", "warning")]


async def test_a_silent_server_is_asked_once_and_what_it_said_before_does_not_count(clock: ManualClock) -> None:
    server = Server()
    server.refused = {(PATCH, "shop")}
    watched = watch(server, clock)
    await watched.look()
    server.asked, server.silent = 0, True
    await watched.look()
    assert server.asked == 1
    assert watched.details() == {"ok": False, "missing": [], "not_asked": ["prod"]}


async def test_it_asks_at_the_start_after_a_reload_and_more_often_while_something_is_missing(
    clock: ManualClock,
) -> None:
    server = Server()
    watched = watch(server, clock)
    watched.look_soon()  # the first load, before it runs
    running = asyncio.create_task(watched.run())
    try:
        rounds = []
        for step in (0, 599, 2, "reload", 601, "refuse", 59, 2):
            server.asked = 0
            if step == "refuse":
                server.refused = {(PATCH, "shop")}
            if isinstance(step, str):
                watched.look_soon()
            await clock.advance(0 if isinstance(step, str) else step)
            rounds.append(server.asked > 0)
        assert rounds == [True, False, True, True, True, True, False, True]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
