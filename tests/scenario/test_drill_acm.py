"""Row 17 from end to end: a certificate of ACM near its end, the shipped playbook, a yes, the records back in DNS, and ACM renews."""

import re
from datetime import timedelta
from pathlib import Path

from remediator.runs.cursor import Outcome
from remediator.sandbox.aws.acm import Certificate
from remediator.sandbox.world import World
from remediator.store.runs import RunRow
from tests.support.aws_account import account_settings
from tests.support.service import TOKEN, Service, running

SHIPPED = Path("playbooks/certificate-renew-acm.yaml").read_text()
LONG_S = 120.0
ID = "7f0c1d2e-0000-4000-8000-000000000001"
ARN = f"arn:aws:acm:eu-central-1:111122223333:certificate/{ID}"


def drill(autonomy: str) -> str:
    """As shipped, with a yes in place of a proposal, and waits of a drill: hours are seconds."""
    text = SHIPPED.replace("within: 12h", "within: 90s").replace("hold: 1m", "hold: 300ms")
    return re.sub(r"^autonomy: propose$", f"autonomy: {autonomy}", text, flags=re.MULTILINE)


def stuck(world: World) -> Certificate:
    """Somebody cleaned up the zone: ACM waits for its records, and the certificate ends in two weeks."""
    made: Certificate = world.aws.acm.issued(ID, "shop.example", "*.shop.example", left=timedelta(days=14))
    world.aws.route53.zone("shop.example", id="ZSHOP")
    world.aws.acm.renew(ID)
    labels = {"certificate_arn": ARN, "severity": "high"}
    world.alert_when(lambda: made.renewals == 0, "AcmCertificateExpiry", labels)
    return made


def listen(world: World, service: Service) -> None:
    world.send_alerts_to(f"{service.app.url}/webhook/alertmanager", bearer_token=TOKEN)


async def in_state(service: Service, state: str) -> RunRow:
    """The only run, once it is in this state. The first question to AWS loads botocore's models, which takes a slow machine a while."""

    async def found() -> RunRow | None:
        runs = await service.runs()
        return runs[0] if len(runs) == 1 and runs[0].state == state else None

    run: RunRow = await service.until(found, within_s=LONG_S, what=f"a run in state {state}")
    return run


async def test_the_records_come_back_after_a_yes_and_acm_renews(tmp_path: Path) -> None:
    async with World(speed=4) as world:
        certificate = stuck(world)
        settings = account_settings(world, tmp_path, "acm-certificate/*")
        async with running(tmp_path, drill("approve"), world=world, **settings) as service:
            listen(world, service)
            run_id = (await in_state(service, "approval")).id
            _, asked = await service.api("GET", f"runs/{run_id}")
            assert world.aws.writes == []
            status, said = await service.api(
                "POST", f"runs/{run_id}/approve", reason="drill", plan=asked["approval"]["plan_hash"]
            )
            assert status == 200, said
            run = await in_state(service, "ended")
            assert run.outcome == Outcome.VERIFIED, run.reason
            assert run.target == f"aws/111122223333/eu-central-1/acm-certificate/{ID}"
            assert [one.operation for one in world.aws.writes] == ["ChangeResourceRecordSets"]
            name, value = certificate.record("shop.example")
            [record] = world.aws.route53.found(world.aws.route53.zones["ZSHOP"], name, "CNAME")
            assert record["ResourceRecords"] == [{"Value": value}]
            assert certificate.renewals == 1
            await service.until(
                lambda: not world.pagerduty.open(), within_s=LONG_S, what="the page of the request is over"
            )
            [incident] = await service.incidents()
            _, story = await service.api("GET", f"incidents/{incident.id}")
            told = "\n".join(str(event["text"]) for event in story["timeline"])
    for word in ("AcmCertificateExpiry", "alice approved", f"create CNAME {name}", "renewal SUCCESS", "verified"):
        assert word in told, told


async def test_where_nothing_is_missing_a_person_is_told_why(tmp_path: Path) -> None:
    """The records are there; what keeps ACM from renewing is something else, which no record cures."""
    async with World(speed=4) as world:
        certificate = stuck(world)
        certificate.renewal, certificate.renewal_reason = "FAILED", "CAA_ERROR"
        name, value = certificate.record("shop.example")
        record = {"Name": name, "Type": "CNAME", "TTL": 300, "ResourceRecords": [{"Value": value}]}
        world.aws.route53.put(world.aws.route53.zones["ZSHOP"], record)
        settings = account_settings(world, tmp_path, "acm-certificate/*")
        async with running(tmp_path, drill("act"), world=world, **settings) as service:
            listen(world, service)
            await service.until(world.pagerduty.open, within_s=LONG_S, what="somebody is paged")
            assert await service.runs() == [] and world.aws.writes == []
            [incident] = await service.incidents()
            _, story = await service.api("GET", f"incidents/{incident.id}")
            told = "\n".join(str(event["text"]) for event in story["timeline"])
    assert "CAA_ERROR" in told and "every validation record" in told, told
