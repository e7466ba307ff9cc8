"""Volumes that grow."""

from remediator.targets import Target
from tests.support import claims
from tests.support.action_case import ActionCase
from tests.support.cluster import Stage


async def _claim(stage: Stage) -> Target:
    await claims.claim(stage, await claims.storage_class(stage), asked="10Gi")
    return stage.target("data", "persistentvolumeclaim")


async def _grown(stage: Stage) -> int:
    """By how many steps of 5Gi."""
    asked: str = (await stage.get("PersistentVolumeClaim", "data"))["spec"]["resources"]["requests"]["storage"]
    return (int(asked.removesuffix("Gi")) - 10) // 5


CASES = (
    ActionCase(
        "kubernetes.expand_volume",
        prepare=_claim,
        changes=_grown,
        params={"by": "5Gi", "max_size": "100Gi"},
    ),
)
