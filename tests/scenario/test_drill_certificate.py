"""Row 16 from end to end: a certificate that runs out, the shipped playbook, a yes, and another certificate on the wire."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from remediator.clients import outside
from remediator.clients.certificates import Certificate, certificate_in
from remediator.clients.tls_probe import TlsProbe
from remediator.runs.cursor import Outcome
from remediator.sandbox.kubernetes import words
from remediator.sandbox.tls_endpoint import TlsEndpoint, in_secret
from remediator.sandbox.world import World
from tests.scenario.test_runs_go_wrong import only_run
from tests.support import certificates
from tests.support.emulated_cluster import EmulatedStage
from tests.support.service import TOKEN, Service, running

SHIPPED = (Path(__file__).parents[2] / "playbooks" / "certificate-renew.yaml").read_text()
WARN_WITHIN = timedelta(days=21)
SOON = timedelta(days=85)
"""Since it was issued for 90 days."""


def drill(port: int, autonomy: str = "approve", within: str = "30s") -> str:
    """As shipped, with a yes in place of a proposal, the endpoint's port, and waits of a drill: minutes are seconds."""
    text = SHIPPED.replace("within: 30m", f"within: {within}").replace("hold: 1m", "hold: 300ms")
    text = text.replace("tls_serves: {}", f"tls_serves: {{port: {port}}}")
    return text.replace("autonomy: propose", f"autonomy: {autonomy}")


@dataclass
class Scene:
    """A world in which a certificate runs out, and an endpoint that serves whatever is in its Secret."""

    world: World
    stage: EmulatedStage
    endpoint: TlsEndpoint

    def stored(self) -> Certificate:
        return certificate_in(in_secret(self.world.kubernetes, "shop", "web-tls")()[0])


@asynccontextmanager
async def running_out(directory: Path, issued_ago: timedelta = SOON) -> AsyncIterator[Scene]:
    async with World(speed=4, token="throwaway") as world, EmulatedStage("shop", directory, world=world) as stage:
        await certificates.issuer(stage, acme=True)
        await certificates.certificate(stage, issued_ago=issued_ago)
        async with TlsEndpoint(in_secret(world.kubernetes, "shop", "web-tls")) as endpoint:
            scene = Scene(world, stage, endpoint)
            labels = {"namespace": "cert-manager", "exported_namespace": "shop", "name": "web", "severity": "high"}
            world.alert_when(
                lambda: scene.stored().not_after - datetime.now(UTC) < WARN_WITHIN, "CertificateExpiry", labels
            )
            yield scene


@pytest.fixture(autouse=True)
def _hosts_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate's names lead to this machine, which is never asked outside the sandbox."""

    async def resolve(host: str, port: int) -> Sequence[str]:
        del host, port
        return ("127.0.0.1",)

    monkeypatch.setattr(outside, "TlsProbe", partial(TlsProbe, allow_loopback=True, resolve=resolve))


def listen(scene: Scene, service: Service) -> None:
    scene.world.send_alerts_to(f"{service.app.url}/webhook/alertmanager", bearer_token=TOKEN)


async def approve(service: Service) -> None:
    run_id = await only_run(service, "approval")
    _, asked = await service.api("GET", f"runs/{run_id}")
    order = {"plan": asked["approval"]["plan_hash"], "reason": "drill"}
    status, said = await service.api("POST", f"runs/{run_id}/approve", **order)
    assert status == 200, said


async def timeline(service: Service) -> str:
    [incident] = await service.incidents()
    _, found = await service.api("GET", f"incidents/{incident.id}")
    return "\n".join(event["text"] for event in found["timeline"])


async def test_after_a_yes_another_certificate_is_served_and_the_alert_ends(tmp_path: Path) -> None:
    async with running_out(tmp_path) as scene:
        before = scene.stored()
        async with running(tmp_path, drill(scene.endpoint.port), world=scene.world) as service:
            listen(scene, service)
            await approve(service)
            [run] = await service.ended()
            assert run.outcome == Outcome.VERIFIED, run.reason
            assert run.target == "kubernetes/sandbox/shop/certificate/web"
            after = scene.stored()
            assert (after.serial != before.serial, after.not_after > before.not_after) == (True, True)
            assert certificates.HOST in scene.endpoint.names

            async def closed() -> bool:
                return [incident.state for incident in await service.incidents()] == ["closed"]

            await service.until(closed, what="the alert ends and the incident closes")
            await service.until(lambda: not scene.world.pagerduty.open(), what="the page of the request is over")
            writes = scene.world.kubernetes.changes("certificates", "shop", "web")
            assert [one.fields for one in writes if one.manager.startswith("remediator")] == [frozenset({"status"})]
            told = await timeline(service)
            print(told)
    steps = (
        "CertificateExpiry",
        "have Issuer ca issue certificate shop/web anew",
        "alice approved",
        "evidence kept: certificate_issuance",
        "revision 2 after 1",
        "the certificate of revision 2 is served",
    )
    for step in steps:
        assert step in told, told


async def test_what_the_authority_refuses_is_paged_in_its_own_words_and_nothing_is_lost(tmp_path: Path) -> None:
    async with running_out(tmp_path) as scene:
        before = scene.stored()
        await certificates.answer(scene.stage, "fail")
        playbook = drill(scene.endpoint.port, "act", within="5s")
        async with running(tmp_path, playbook, world=scene.world, timings__look="500ms") as service:
            listen(scene, service)
            [run] = await service.ended()
            assert run.outcome == Outcome.REFUTED, run.reason
            [page] = await service.until(scene.world.pagerduty.open, what="somebody is paged")
            assert "urn:ietf:params:acme:error:unauthorized" in str(page.payload), page.payload
            assert scene.stored() == before
            found = await scene.stage.get("Certificate", "web")
            assert found["status"]["failedIssuanceAttempts"] == 1


@pytest.mark.parametrize("ready", [True, False], ids=["not-due", "issuer-not-ready"])
async def test_where_it_must_not_help_a_person_is_told_why_and_nothing_is_written(tmp_path: Path, ready: bool) -> None:
    async with running_out(tmp_path, SOON if not ready else timedelta(days=1)) as scene:
        if ready:  # an alert whose threshold is wrong
            labels = {"namespace": "shop", "name": "web", "severity": "high"}
            scene.world.alert_when(lambda: True, "CertificateExpiry", labels)
        else:
            await scene.stage.patch("Issuer", "ca", {"metadata": {"annotations": {words.READY: "False"}}})
            await scene.stage.until(
                "Issuer", "ca", lambda found: found["status"]["conditions"][0]["status"] == "False", what="not ready"
            )
        async with running(tmp_path, drill(scene.endpoint.port, "act"), world=scene.world) as service:
            listen(scene, service)
            [page] = await service.until(scene.world.pagerduty.open, what="somebody is paged")
            why = "the alert is early" if ready else "cannot reach its authority"
            assert why in str(page.payload), json.dumps(page.payload, indent=1, default=str)
            assert await service.runs() == []
            writes = scene.world.kubernetes.changes("certificates", "shop", "web")
            assert not [one for one in writes if one.manager.startswith("remediator")]


async def test_a_rehearsal_changes_nothing(tmp_path: Path) -> None:
    async with running_out(tmp_path) as scene:
        before = scene.stored()
        playbook = drill(scene.endpoint.port, "act")
        async with running(tmp_path, playbook, world=scene.world, mode="dry-run") as service:
            listen(scene, service)
            [run] = await service.ended()
            assert run.outcome == Outcome.REHEARSED, run.reason
            assert scene.stored() == before
            assert (await scene.stage.get("Certificate", "web"))["status"]["revision"] == 1
