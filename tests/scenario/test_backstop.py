"""S30 with a real Alertmanager: remediator delays pages, it never owns them. The shipped files, their durations made short."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from remediator.durations import parse_duration
from remediator.playbooks.index import OWN_ALERTS
from remediator.sandbox.pagerduty import Incident
from remediator.sandbox.pagerduty import PagerDuty as Sink
from remediator.settings import Settings
from tests.support import alertmanager as am
from tests.support.needs import Programs

FILES = ("live.yml", "trial.yml")
FASTER = 300.0
"""The backstop's 20m become 4s."""
BACKSTOP_S = 4.0


@dataclass
class House:
    """A real Alertmanager between a fake remediator and a simulated PagerDuty."""

    alertmanager: am.Alertmanager
    remediator: am.Remediator
    pagerduty: Sink

    async def paged(self, alertname: str, within_s: float = 60.0) -> Incident:
        """Wait until PagerDuty has an incident of this alert."""
        async with asyncio.timeout(within_s):
            while not self.pages(alertname):  # noqa: ASYNC110 - the sink has no signal to wait for
                await asyncio.sleep(0.02)
        return self.pages(alertname)[0]

    def pages(self, alertname: str) -> list[Incident]:
        return [one for one in self.pagerduty.incidents() if alertname in one.summary]


@asynccontextmanager
async def house(file: str, directory: Path, command: Sequence[str]) -> AsyncIterator[House]:
    sink = Sink()
    await sink.start()
    try:
        async with am.fake_remediator() as remediator:
            text = am.shortened((am.DEPLOYED / file).read_text(), by=FASTER)
            config = am.readdressed(text, directory, remediator=remediator.url, pagerduty=sink.url)
            async with am.running(config, directory, command) as alertmanager:
                yield House(alertmanager, remediator, sink)
    finally:
        await sink.stop()


@pytest.fixture
async def live(tmp_path: Path, program: Programs) -> AsyncIterator[House]:
    async with house("live.yml", tmp_path, program("alertmanager")) as built:
        yield built


@pytest.fixture
async def trial(tmp_path: Path, program: Programs) -> AsyncIterator[House]:
    async with house("trial.yml", tmp_path, program("alertmanager")) as built:
        yield built


@pytest.mark.real
@pytest.mark.slow
async def test_what_nobody_fixes_reaches_people_by_the_backstop_and_not_before(live: House) -> None:
    loop = asyncio.get_running_loop()
    await live.alertmanager.push("HighErrorRate", {"severity": "critical", "namespace": "shop"})
    fired_s = loop.time()
    await live.remediator.heard("HighErrorRate")
    assert live.pages("HighErrorRate") == []
    incident = await live.paged("HighErrorRate")
    assert loop.time() - fired_s > BACKSTOP_S - 0.5
    assert (incident.status, incident.severity, incident.routing_key) == ("triggered", "critical", am.ROUTING_KEY)
    assert live.remediator.tokens == {f"Bearer {am.TOKEN}"}


@pytest.mark.real
@pytest.mark.slow
async def test_what_is_fixed_in_time_pagerduty_never_hears_of(live: House) -> None:
    await live.alertmanager.push("Fixed", {"severity": "critical"})
    await live.remediator.heard("Fixed")
    await live.alertmanager.push("Fixed", {"severity": "critical"}, resolved=True)
    await live.remediator.heard("Fixed", "resolved")
    await live.alertmanager.push("StaysBroken", {"severity": "critical"})
    await live.paged("StaysBroken")  # fired later: had the backstop told of the first, it would have come before
    assert live.pages("Fixed") == []


@pytest.mark.real
@pytest.mark.slow
async def test_an_alert_that_joins_others_of_its_name_waits_by_itself(live: House) -> None:
    await live.alertmanager.push("HighErrorRate", {"severity": "critical", "pod": "a"})
    await live.paged("HighErrorRate")
    await live.alertmanager.push("HighErrorRate", {"severity": "critical", "pod": "b"})
    await live.remediator.heard("HighErrorRate", times=2)
    await live.alertmanager.push("HighErrorRate", {"severity": "critical", "pod": "b"}, resolved=True)
    await live.remediator.heard("HighErrorRate", "resolved")
    await live.alertmanager.push("StaysBroken", {"severity": "critical"})
    await live.paged("StaysBroken")
    assert len(live.pages("HighErrorRate")) == 1


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("labels", [{}, {"severity": "high"}, {"severity": "P1"}, {"severity": "sev-nobody-knows"}])
async def test_severities_that_are_told_like_high_have_a_backstop(live: House, labels: dict[str, str]) -> None:
    await live.alertmanager.push("Odd", labels)
    await live.remediator.heard("Odd")
    assert (await live.paged("Odd")).severity == "error"


@pytest.mark.real
@pytest.mark.slow
async def test_other_severities_go_to_remediator_alone(live: House) -> None:
    for severity in ("medium", "warning", "Warning", "low", "info", "none"):
        await live.alertmanager.push("Small", {"severity": severity})
    await live.alertmanager.push("StaysBroken", {"severity": "high"})
    await live.remediator.heard("Small", times=6)
    await live.paged("StaysBroken")
    assert live.pages("Small") == []


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
async def test_alerts_about_remediator_go_to_people_at_once_and_never_to_remediator(
    tmp_path: Path, program: Programs, file: str
) -> None:
    async with house(file, tmp_path, program("alertmanager")) as built:
        await built.alertmanager.push(f"{OWN_ALERTS}Down", {"severity": "critical"})
        await built.paged(f"{OWN_ALERTS}Down", within_s=3)
        await built.alertmanager.push("HighErrorRate", {"severity": "critical"})
        await built.remediator.heard("HighErrorRate")
        assert built.remediator.alerts(f"{OWN_ALERTS}Down") == []


@pytest.mark.real
@pytest.mark.slow
@pytest.mark.parametrize("file", FILES)
async def test_the_heartbeat_reaches_remediator_again_and_again_and_pages_nobody(
    tmp_path: Path, program: Programs, file: str
) -> None:
    async with house(file, tmp_path, program("alertmanager")) as built:
        await built.alertmanager.push("Watchdog", {"severity": "none"})
        await built.remediator.heard("Watchdog", times=3)
        assert len(built.pagerduty.requests) == 0


@pytest.mark.real
@pytest.mark.slow
async def test_on_trial_people_are_paged_as_before_and_remediator_hears_it_too(trial: House) -> None:
    await trial.alertmanager.push("HighErrorRate", {"severity": "critical"})
    await trial.paged("HighErrorRate", within_s=BACKSTOP_S - 0.5)
    await trial.remediator.heard("HighErrorRate")
    await trial.alertmanager.push("HighErrorRate", {"severity": "critical"}, resolved=True)
    await trial.remediator.heard("HighErrorRate", "resolved")


@pytest.mark.real
@pytest.mark.parametrize("file", FILES)
async def test_amtool_accepts_the_shipped_file(program: Programs, file: str) -> None:
    process = await asyncio.create_subprocess_exec(
        *program("amtool"),
        "check-config",
        str(am.DEPLOYED / file),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()


def _routes(file: str) -> list[dict[str, Any]]:
    return am.routes(yaml.safe_load((am.DEPLOYED / file).read_text()))


def test_the_backstop_waits_longer_than_remediator_may_take_by_default() -> None:
    longest = max(Settings().escalation.page_after.values())
    backstop = _routes("live.yml")[-1]
    assert backstop["receiver"] == "pagerduty"
    assert parse_duration(backstop["group_wait"]) == longest + timedelta(minutes=5)


@pytest.mark.parametrize("file", FILES)
def test_the_heartbeat_is_repeated_well_within_what_counts_as_lost(file: str) -> None:
    escalation = Settings().escalation
    (heartbeat,) = [one for one in _routes(file) if one.get("matchers") == [f'alertname="{escalation.watchdog}"']]
    assert heartbeat["receiver"] == "remediator"
    assert 2 * parse_duration(heartbeat["repeat_interval"]) < escalation.watchdog_within
