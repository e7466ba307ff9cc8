"""Row 29: an address out of an alert, hostile as all labels are, is blocked for a time, and then let in again."""

from pathlib import Path

import pytest

from remediator.runs.cursor import Outcome
from remediator.sandbox.world import World
from tests.support.aws_account import account_settings
from tests.support.drill import LONG_S, paged
from tests.support.service import Service, firing, running

SHIPPED = Path("playbooks/block-address.yaml").read_text()
BY_HAND = "203.0.113.9/32"
ABUSIVE, ANOTHER = "93.184.216.34", "93.184.216.35"
TARGETS = "waf-address/regional:blocked-by-remediator/*"


def drill(lasts: str = "24h") -> str:
    """As shipped, but it acts, and a day is seconds."""
    text = SHIPPED.replace("for: 24h", f"for: {lasts}").replace("autonomy: propose", "autonomy: act")
    return text.replace("within: 5m", "within: 60s")


async def event(service: Service, address: str) -> None:
    await service.alert(firing("SecurityEvent", severity="high", address=address), group_key=address)


async def test_it_is_blocked_and_let_in_again_when_the_time_is_over(tmp_path: Path) -> None:
    """Its alert fires on, so its budget, of one, is what keeps it from being blocked anew."""
    async with World(speed=4) as world:
        kept = world.aws.wafv2.put("blocked-by-remediator", BY_HAND, description="by hand too")
        once = drill("3s").replace("{runs: 3,", "{runs: 1,")
        async with running(tmp_path, once, world=world, **account_settings(world, tmp_path, TARGETS)) as service:
            await event(service, ABUSIVE)

            async def both_over() -> bool:
                return [run.outcome for run in await service.runs() if run.state == "ended"] == [Outcome.VERIFIED] * 2

            await service.until(both_over, within_s=LONG_S, what="the run and its reverse")
            assert [one.params["Addresses"] for one in world.aws.writes] == [[BY_HAND, f"{ABUSIVE}/32"], [BY_HAND]]
            assert (kept.addresses, kept.description.partition(" remediator:")[0]) == ([BY_HAND], "by hand too")


async def test_several_are_blocked_at_once_each_for_its_own_time(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        kept = world.aws.wafv2.put("blocked-by-remediator")
        async with running(tmp_path, drill(), world=world, **account_settings(world, tmp_path, TARGETS)) as service:
            await event(service, ABUSIVE)
            await world.aws.until(lambda: len(kept.addresses) == 1, timeout_s=LONG_S)
            await event(service, ANOTHER)
            await world.aws.until(lambda: set(kept.addresses) == {f"{ABUSIVE}/32", f"{ANOTHER}/32"}, timeout_s=LONG_S)

            async def scheduled() -> bool:
                return len([run for run in await service.runs() if run.state == "scheduled"]) == 2

            await service.until(scheduled, within_s=LONG_S, what="a reverse of each")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("0.0.0.0/0", "is not one IP address"),
        ("10.1.2.3", "private or reserved"),
        ("2002:5db8:d822::1", "another address in disguise"),
        ("93.184.216.36", "within 93.184.216.36/32"),
    ],
    ids=["network", "private", "disguised", "allowed"],
)
async def test_what_must_not_be_blocked_is_not_and_somebody_is_paged(tmp_path: Path, address: str, told: str) -> None:
    async with World(speed=4) as world:
        world.aws.wafv2.put("blocked-by-remediator")
        text = drill().replace("192.0.2.0/24", "93.184.216.36/32")
        async with running(tmp_path, text, world=world, **account_settings(world, tmp_path, TARGETS)) as service:
            await event(service, address)
            await paged(service)
            assert await service.runs() == []
            assert world.aws.writes == []
            _, found = await service.api("GET", "decisions")
            assert told in str(found), found
