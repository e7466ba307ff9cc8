"""Whom an alert of remediator's own is judged by, of which no Alertmanager knows."""

from typing import cast

from remediator.clients.alertmanager import AlertmanagerPeers
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.engine.worlds import Fixed, Worlds

CLUSTER = cast(KubernetesClient, object())
ONE, TWO = cast(AlertmanagerPeers, object()), cast(AlertmanagerPeers, object())


def worlds(**clusters: str) -> Worlds:
    """One Alertmanager for each source, which fixes that cluster."""
    peers = dict(zip(clusters, (ONE, TWO), strict=False))
    fixed = {source: Fixed(cluster) for source, cluster in clusters.items()}
    return Worlds(kubernetes={"prod": CLUSTER}, prometheus={}, alertmanagers=peers, fixed=fixed)


def nearby(found: Worlds, source: str) -> tuple[AlertmanagerPeers | None, AlertmanagerPeers | None]:
    world = found.of("prod", source)
    assert world is not None
    return world.alertmanager, world.nearby


def test_the_only_alertmanager_of_the_cluster_is_near() -> None:
    assert nearby(worlds(a="prod", b="staging"), "watcher") == (None, ONE)


def test_of_two_neither_is() -> None:
    assert nearby(worlds(a="prod", b="prod"), "watcher") == (None, None)


def test_an_alert_of_a_source_has_its_own_only() -> None:
    assert nearby(worlds(a="staging", b="prod"), "a") == (ONE, None)
    assert nearby(worlds(a="prod"), "elsewhere") == (None, None)
