"""No alert tells of a certificate that runs out: remediator's own watcher does, and it is renewed, or the renewal proposed."""

import base64
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from remediator import marked_yaml
from remediator.clients import outside
from remediator.clients.tls_probe import TlsProbe
from remediator.engine.needs import needs, needs_of_watcher
from remediator.playbooks.model import Playbook
from remediator.sandbox.tls_endpoint import TlsEndpoint
from remediator.sandbox.world import World
from remediator.settings import CertificateSettings, Cluster
from tests.support import certificates
from tests.support.emulated_cluster import EmulatedStage
from tests.support.key_pairs import key_pair
from tests.support.service import running

RENEW = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {name: renew}
match: [['alertname="CertificateExpiry"', 'kind="certificate"']]
target: {certificate: {namespace: "{{ labels.namespace }}", name: "{{ labels.name }}"}}
autonomy: act
remedies:
  - name: renew
    when: [{issuer_ready: {}}]
    steps: [{certmanager.renew: {}}]
    verify: {within: 90s, hold: 300ms, all: [{certificate_renewed: {}}]}
"""
SHIPPED = (Path(__file__).parents[2] / "playbooks" / "certificate-renew.yaml").read_text()


LONG_S = 90.0
# Longer times than usual: a decision that had to wait for an answer would come again only after a minute.
WATCHED: dict[str, Any] = {
    **{"certificates__watch": True, "certificates__every": "1s"},
    **{"timings__request": "8s", "timings__lease": "20s"},
}


async def least(stage: EmulatedStage, playbook: str) -> dict[str, Any]:
    """Settings with the permissions that are printed for this playbook and for the watcher, and no other."""
    clusters = {"sandbox": Cluster(namespaces=("shop",))}
    wanted = (
        *needs([Playbook.model_validate(marked_yaml.load(playbook, "playbook").value)], clusters),
        *needs_of_watcher(CertificateSettings(watch=True), clusters),
    )
    return {"clusters__sandbox__kubeconfig": str(await stage.credentials(need.permission for need in wanted))}


async def test_the_certificate_is_renewed_and_what_was_raised_is_over(tmp_path: Path) -> None:
    async with World(speed=4) as world, EmulatedStage("shop", tmp_path, world=world) as stage:
        await certificates.issuer(stage)
        await certificates.certificate(stage)
        async with running(tmp_path, RENEW, world=world, **WATCHED, **await least(stage, RENEW)) as service:

            async def ended() -> list[Any]:
                return [one for one in await service.runs() if one.state == "ended"]

            [run] = await service.until(ended, within_s=LONG_S, what="the run has ended")
            assert run.outcome == "verified", run.reason
            assert (await stage.get("Certificate", "web"))["status"]["revision"] == 2

            async def closed() -> bool:
                return [one.state for one in await service.incidents()] == ["closed"]

            await service.until(closed, within_s=LONG_S, what="the watcher sees that it was renewed")
            story = await service.story(run.incident_id)
            raised = [(one.source, one.severity, one.state) for one in story.episodes]
            assert raised == [("watcher", "medium", "closed")]
            assert world.pagerduty.incidents() == []
            assert len(await service.runs()) == 1


async def test_as_shipped_the_renewal_is_proposed(tmp_path: Path) -> None:
    """The playbook asks of the cluster's Alertmanager, which knows nothing of this one, whether the authority's limits are reached."""
    async with World(speed=4) as world, EmulatedStage("shop", tmp_path, world=world) as stage:
        await certificates.issuer(stage)
        await certificates.certificate(stage)
        async with running(tmp_path, SHIPPED, world=world, **WATCHED, **await least(stage, SHIPPED)) as service:
            [incident] = await service.until(service.incidents, within_s=LONG_S, what="an incident")

            async def proposed() -> list[Any]:
                story = await service.story(incident.id)
                return [one for one in story.decisions if one["verdict"] == "propose"]

            [made] = await service.until(proposed, within_s=LONG_S, what="a proposal")
            assert "have Issuer ca issue certificate shop/web anew" in made["plan"]["steps"][0]["summary"]
            assert (await stage.get("Certificate", "web"))["status"]["revision"] == 1


async def test_what_nobody_can_renew_here_is_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An endpoint outside the cluster, and a TLS Secret that no Certificate writes: each has its page, which ends by itself."""
    monkeypatch.setattr(outside, "TlsProbe", partial(TlsProbe, allow_loopback=True))
    end = datetime.now(UTC) + timedelta(days=3)
    mail, shop = key_pair("mail.example.net", until=end), key_pair("shop.example.net", until=end)
    async with (
        World(speed=4, token="throwaway") as world,
        EmulatedStage("shop", tmp_path, world=world) as stage,
        TlsEndpoint(lambda: (mail.chain, mail.key), starttls="smtp") as server,
    ):
        data = {"tls.crt": coded(shop.chain), "tls.key": coded(shop.key)}
        await stage.create({"kind": "Secret", "metadata": {"name": "shop"}, "type": "kubernetes.io/tls", "data": data})
        endpoint = {"host": "127.0.0.1", "port": server.port, "starttls": "smtp"}
        more: dict[str, Any] = {"certificates__secrets": True, "certificates__endpoints": [endpoint]}
        async with running(tmp_path, RENEW, world=world, **WATCHED, **more) as service:

            def paged() -> list[str]:
                fired = [one.details["fired"][0]["summary"] for one in world.pagerduty.open()]
                return sorted(said.partition(" runs out ")[0] for said in fired)

            of_secret = "the certificate in Secret shop/shop in sandbox"
            of_server = f"the certificate that 127.0.0.1:{server.port} serves"
            await service.until(lambda: paged() == [of_secret, of_server], within_s=LONG_S, what="both are paged")
            assert [one.severity for one in await service.incidents()] == ["high", "high"]
            later = key_pair("shop.example.net", until=end + timedelta(days=90))
            await stage.patch("Secret", "shop", {"data": {"tls.crt": coded(later.chain), "tls.key": coded(later.key)}})
            await service.until(
                lambda: paged() == [of_server], within_s=LONG_S, what="what was put right by hand is over"
            )


def coded(data: bytes) -> str:
    return base64.b64encode(data).decode()
