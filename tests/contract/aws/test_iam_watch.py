"""What IAM would refuse is told before any alert comes, and so is a credential of another account."""

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs
from typer.testing import CliRunner

from remediator.cli.program import app
from remediator.engine.permission_watch import PermissionWatch
from remediator.metrics import Metrics
from remediator.sandbox.aws.cloud import ACCOUNT, REGION
from remediator.settings import Settings
from tests.support.aws_stage import SIMULATION, AwsStage
from tests.support.clock import ManualClock
from tests.support.playbooks import document, playbook, remedy, write

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


async def test_before_anybody_was_asked_the_account_counts_as_not_asked(aws_stage: AwsStage) -> None:
    assert watch(aws_stage).details() == {"ok": False, "missing": [], "not_asked": [PLACE]}


@pytest.mark.parametrize(
    ("may", "account", "code", "said"),
    [
        ((*READS, CHANGE, *SIMULATION), ACCOUNT, 0, "1 playbook good"),
        (
            (*READS, *SIMULATION),
            ACCOUNT,
            1,
            f"error: settings accounts.main: needs {CHANGE} on arn:aws:route53:::hosted",
        ),
        (READS, ACCOUNT, 0, "warning: settings accounts.main: IAM's simulation gave no answer"),
        (
            (),
            "444455556666",
            1,
            f"error: settings accounts.main in {REGION}: what is allowed there could not be asked: ",
        ),
    ],
    ids=["good", "lacking", "not simulated", "another account"],
)
async def test_check_asks_accounts_too(
    aws_stage: AwsStage, tmp_path: Path, may: tuple[str, ...], account: str, code: int, said: str
) -> None:
    aws_stage.aws.grant("AKIACHECK", may)
    (tmp_path / "credentials").write_text("[default]\naws_access_key_id = AKIACHECK\naws_secret_access_key = sandbox\n")
    target = {"acm_certificate": {"name": "{{ labels.certificate_arn }}"}}
    file = write(tmp_path / "acm.yaml", document("acm", target=target, remedies=[RESTORE], autonomy="approve"))
    main = {
        "id": account,
        "regions": [REGION],
        "targets": ["acm-certificate/*"],
        "credentials_file": str(tmp_path / "credentials"),
        "endpoint_url": aws_stage.aws.url,
        "loopback_only": True,
    }
    settings = {
        "accounts": {"main": main},
        "autonomy": {"start": "approve"},
        "timings": {"request": "60s", "lease": "3m"},
    }
    (tmp_path / "remediator.yaml").write_text(json.dumps(settings))
    command = ["check", str(file), "--cluster", "--config", str(tmp_path / "remediator.yaml")]
    done = await asyncio.to_thread(CliRunner(env={"REMEDIATOR_CONFIG": ""}).invoke, app, command)
    assert said in " ".join(done.output.split())
    assert done.exit_code == code
    assert aws_stage.aws.writes == []
