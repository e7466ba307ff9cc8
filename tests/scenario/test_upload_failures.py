"""Row 23: uploads fail. The worker is restarted when the bucket answers; without one, its last lines are kept and people told."""

import re
from pathlib import Path

from remediator.runs.cursor import Outcome
from remediator.sandbox.world import World
from tests.support.aws_account import account_settings
from tests.support.drill import LONG_S, in_state
from tests.support.service import Service, firing, running

SHIPPED = Path("playbooks/upload-failure-diagnose.yaml").read_text()


def drill() -> str:
    """As shipped, but it acts, and minutes are seconds."""
    text = SHIPPED.replace("within: 20m", "within: 60s").replace("hold: 5m", "hold: 300ms")
    return text.replace("autonomy: propose", "autonomy: act")


async def failing(world: World, service: Service) -> None:
    world.prometheus.script(re.compile(".*file_uploads_total.*", re.DOTALL), 0.001)
    await service.alert(firing("FileUploadFailures", severity="low", namespace="shop", deployment="uploads"))


async def test_the_worker_is_restarted_when_the_bucket_answers(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        world.deploy("shop", "uploads")
        await world.rolled_out("shop", "uploads", timeout_s=LONG_S)
        world.aws.s3.bucket("files")
        async with running(tmp_path, drill(), world=world, **account_settings(world, tmp_path)) as service:
            await failing(world, service)
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.VERIFIED, run.reason
            template = world.kubernetes.get("deployments", "shop", "uploads")["spec"]["template"]
            assert "remediator.dev/intent" in template["metadata"]["annotations"]


async def test_without_the_bucket_nothing_is_restarted_and_the_workers_lines_are_kept(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        world.deploy("shop", "uploads")
        await world.rolled_out("shop", "uploads", timeout_s=LONG_S)
        async with running(tmp_path, drill(), world=world, **account_settings(world, tmp_path)) as service:
            await failing(world, service)
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.INFORMED, run.reason
            template = world.kubernetes.get("deployments", "shop", "uploads")["spec"]["template"]
            assert "remediator.dev/intent" not in template["metadata"].get("annotations", {})
