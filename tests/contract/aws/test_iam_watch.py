"""What IAM would refuse is told before any alert comes, and so is a credential of another account."""

from types import SimpleNamespace
from typing import Any

from structlog.testing import capture_logs

from remediator.engine.permission_watch import PermissionWatch
from remediator.metrics import Metrics
from remediator.sandbox.aws.cloud import ACCOUNT, REGION
from remediator.settings import Settings
from tests.support.aws_stage import SIMULATION, AwsStage
from tests.support.clock import ManualClock
from tests.support.playbooks import playbook, remedy

PLACE = f"{ACCOUNT}/{REGION}"
RESTORE = remedy(
    name="restore",
    steps=[{"aws.acm_restore_validation": {}}],
    verify={"within": "6h", "hold": "1m", "all": [{"acm_renewed": {}}]},
)
READS = (
    "acm:DescribeCertificate",
    "route53:ListHostedZones",
    "route53:ListResourceRecordSets",
    "route53:GetChange",
)
CHANGE = "route53:ChangeResourceRecordSets"


def watch(stage: AwsStage, *may: str, autonomy: str = "act", account: str = ACCOUNT) -> PermissionWatch:
    api = stage.client([])
    stage.aws.grant("AKIALIVE0001", may)
    settings = Settings.model_validate(
        {
            "accounts": {"main": {"id": account, "regions": [REGION], "targets": ["acm-certificate/*"]}},
            "autonomy": {"start": "act"},
        }
    )
    if account != ACCOUNT:
        api.account = account
    target = {"acm_certificate": {"name": "{{ labels.certificate_arn }}"}}
    loaded: Any = SimpleNamespace(playbooks=(playbook("acm", target=target, remedies=[RESTORE], autonomy=autonomy),))
    return PermissionWatch(
        settings=settings,
        clients={},
        aws={f"{account}/{REGION}": api},
        playbooks=lambda: loaded,
        clock=ManualClock(),
        metrics=Metrics(),
    )


async def test_all_that_is_needed_is_there(aws_stage: AwsStage) -> None:
    watched = watch(aws_stage, *READS, CHANGE, *SIMULATION)
    with capture_logs() as logs:
        await watched.look()
    assert watched.details() == {"ok": True, "missing": [], "not_asked": []}
    assert [one["event"] for one in logs] == ["permissions_complete"]
    assert aws_stage.aws.writes == []


async def test_what_is_missing_is_named_and_once(aws_stage: AwsStage) -> None:
    watched = watch(aws_stage, *READS, *SIMULATION)
    with capture_logs() as logs:
        await watched.look()
        await watched.look()
    told = [one["permission"] for one in logs if one["event"] == "permission_missing"]
    assert told == [f"needs {CHANGE} on arn:aws:route53:::hostedzone/* (account {ACCOUNT}, {REGION}; for playbook acm)"]
    assert watched.details() == {"ok": False, "missing": told, "not_asked": []}


async def test_what_nobody_may_do_yet_is_not_called_missing(aws_stage: AwsStage) -> None:
    watched = watch(aws_stage, *READS, *SIMULATION, autonomy="propose")
    await watched.look()
    assert watched.details()["ok"] is True


async def test_where_the_simulation_may_not_be_asked_nothing_is_called_missing(aws_stage: AwsStage) -> None:
    watched = watch(aws_stage, *READS)
    await watched.look()
    assert watched.details() == {"ok": True, "missing": [], "not_asked": [], "not_simulated": [ACCOUNT]}
    asked = [one.operation for one in aws_stage.aws.asked if one.service == "iam"]
    assert len(asked) == 1, "one no is enough"


async def test_a_credential_of_another_account_is_told_at_once(aws_stage: AwsStage) -> None:
    watched = watch(aws_stage, *READS, CHANGE, *SIMULATION, account="444455556666")
    with capture_logs() as logs:
        await watched.look()
    [told] = [one for one in logs if one["event"] == "permissions_not_checked"]
    assert f"of account {ACCOUNT}, and settings say 444455556666" in told["reason"]
    assert watched.details()["not_asked"] == [f"444455556666/{REGION}"]
