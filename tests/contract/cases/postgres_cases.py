"""Databases that switch over."""

from remediator.targets import Target
from tests.support import postgres
from tests.support.action_case import ActionCase
from tests.support.cluster import Stage


async def _healthy(stage: Stage) -> Target:
    await postgres.cluster(stage)
    return stage.target("db", "postgrescluster")


async def _moved(stage: Stage) -> int:
    """Is the primary to be another one than at first?"""
    return int((await stage.get("Cluster", "db"))["status"]["targetPrimary"] != "db-1")


CASES = (ActionCase("kubernetes.postgres_switchover", prepare=_healthy, changes=_moved),)
