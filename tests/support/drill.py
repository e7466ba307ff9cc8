"""A drill of a shipped playbook by hand: alerts come in, somebody says yes, and the end is waited for.

The first question to AWS loads botocore's models, which takes a slow machine a while: so every wait is long. It ends when it is over.
"""

from pathlib import Path

from remediator.sandbox.world import World
from remediator.store.runs import RunRow
from tests.support.service import TOKEN, Service

LONG_S = 120.0
PLAYBOOKS = Path(__file__).parents[2] / "playbooks"


def listen(world: World, service: Service) -> None:
    """The world's Alertmanager sends what fires to the service."""
    world.send_alerts_to(f"{service.app.url}/webhook/alertmanager", bearer_token=TOKEN)


async def in_state(service: Service, state: str) -> RunRow:
    """The only run, once it is in this state."""

    async def found() -> RunRow | None:
        runs = await service.runs()
        return runs[0] if len(runs) == 1 and runs[0].state == state else None

    run: RunRow = await service.until(found, within_s=LONG_S, what=f"a run in state {state}")
    return run


async def paged(service: Service) -> None:
    await service.until(service.world.pagerduty.open, within_s=LONG_S, what="somebody is paged")


async def approve(service: Service) -> None:
    """A yes to the plan that is shown."""
    run_id = (await in_state(service, "approval")).id
    _, asked = await service.api("GET", f"runs/{run_id}")
    status, said = await service.api(
        "POST", f"runs/{run_id}/approve", reason="drill", plan=asked["approval"]["plan_hash"]
    )
    assert status == 200, said


async def timeline(service: Service) -> str:
    """What the only incident's report tells, line by line."""
    [incident] = await service.incidents()
    _, story = await service.api("GET", f"incidents/{incident.id}")
    return "\n".join(f"{event['at']} {event['text']}" for event in story["timeline"])
