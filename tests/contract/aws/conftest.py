"""Actions of ours against the simulated AWS, over HTTP and through the real botocore."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from remediator.sandbox.world import World
from tests.support.aws_stage import AwsStage
from tests.support.emulated_cluster import EmulatedStage


@pytest.fixture
async def aws_stage(tmp_path: Path) -> AsyncIterator[AwsStage]:
    async with (
        World(speed=10) as world,
        EmulatedStage("shop", tmp_path, world=world) as cluster,
        AwsStage(world, cluster, tmp_path) as stage,
    ):
        yield stage
