"""The client itself: whose account it is in, how often a write leaves, what its errors say. By the real botocore."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from remediator.answers import Answer
from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.connect import AwsAccounts
from remediator.clients.aws.errors import AwsRefusedError, MissingPermissionError
from remediator.clients.permissions import IamPermission
from remediator.clients.transport import WritePermit, permit
from remediator.errors import FactsMissingError, NotSentError, OutcomeUnknownError, StepError, TransientError
from remediator.sandbox.aws.cloud import ACCOUNT, REGION
from remediator.settings import AwsAccount
from tests.contract.aws.cases.acm_cases import ISSUED, issued
from tests.support.aws_stage import AwsStage

OTHER = "444455556666"
ROLE = f"arn:aws:iam::{OTHER}:role/ops/remediator"
KEY = "-----BEGIN PRIVATE KEY-----\nMIGHAgEAMBMGByqGSM49\n-----END PRIVATE KEY-----"


@asynccontextmanager
async def client(stage: AwsStage, *, dry_run: bool = False, **more: Any) -> AsyncIterator[AwsApi]:
    """As settings make it."""
    file = stage.directory / "credentials"
    file.write_text("[main]\naws_access_key_id = AKIALIVE\naws_secret_access_key = sandbox\n")
    settings = {
        "id": ACCOUNT,
        "regions": [REGION],
        "profile": "main",
        "credentials_file": file,
        "endpoint_url": stage.aws.url,
        "loopback_only": True,
        **more,
    }
    accounts = AwsAccounts(
        {"main": AwsAccount.model_validate(settings)}, dry_run=dry_run, clock=stage.clock, timeout_s=60.0
    )
    try:
        yield next(iter(accounts.places.values()))
    finally:
        await accounts.close()


def leave(stage: AwsStage) -> Any:
    """The right to write."""
    return permit(WritePermit(stage.clock.boottime() + 300))


async def describe(api: AwsApi) -> dict[str, Any]:
    return await api.read("acm", "describe_certificate", CertificateArn=arn(api))


def arn(api: AwsApi) -> str:
    return f"arn:aws:acm:{api.region}:{api.account}:certificate/{ISSUED}"


async def reboot(api: AwsApi) -> object:
    return await api.write("rds", "reboot_db_instance", DBInstanceIdentifier="orders")


async def test_nothing_is_asked_of_another_account(aws_stage: AwsStage) -> None:
    """The profile is of one account, settings name another, in which things have the same names."""
    await issued(aws_stage)
    async with client(aws_stage, id=OTHER) as api:
        with pytest.raises(FactsMissingError, match=f"of account {ACCOUNT}, and settings say {OTHER}"):
            await describe(api)
        with leave(aws_stage), pytest.raises(AwsRefusedError) as refused:
            await reboot(api)
    assert refused.value.code == "WrongAccount"
    assert {one.operation for one in aws_stage.aws.asked} == {"GetCallerIdentity"}


async def test_nothing_leaves_while_it_is_not_known_whose_account_it_is(aws_stage: AwsStage) -> None:
    aws_stage.aws.fault("sts", "GetCallerIdentity", "denied", times=None)
    async with client(aws_stage) as api:
        with pytest.raises(FactsMissingError, match="whose credential it is could not be asked"):
            await describe(api)
        with leave(aws_stage), pytest.raises(TransientError, match="nothing was sent"):
            await reboot(api)
    assert aws_stage.aws.writes == []


async def test_a_credential_that_is_not_accepted_is_told_in_words_that_can_be_read(aws_stage: AwsStage) -> None:
    """What looks like a secret is taken out of texts, and must not be taken for one here."""
    aws_stage.aws.fault("sts", "GetCallerIdentity", "expired", times=None)
    async with client(aws_stage) as api:
        with pytest.raises(FactsMissingError, match=r"ExpiredToken: The security token included") as told:
            await describe(api)
        with leave(aws_stage), pytest.raises(TransientError, match=r"ExpiredToken: The security token included"):
            await reboot(api)
    assert "redacted" not in str(told.value)


async def test_whose_it_is_is_asked_again_after_an_hour(aws_stage: AwsStage) -> None:
    await issued(aws_stage)

    def times() -> int:
        return [one.operation for one in aws_stage.aws.asked].count("GetCallerIdentity")

    async with client(aws_stage) as api:
        for _ in range(3):
            await describe(api)
        assert times() == 1
        aws_stage.pass_time(3700)
        await describe(api)
        assert times() == 2


async def test_a_role_is_assumed_and_its_account_is_the_one_that_counts(aws_stage: AwsStage) -> None:
    aws_stage.aws.sts.roles[ROLE] = None
    there = aws_stage.aws.in_account(OTHER)
    there.acm.issued(ISSUED, "shop.example")
    async with client(aws_stage, id=OTHER, role_arn=ROLE, external_id="x-1") as api:
        assert (await describe(api))["Certificate"]["DomainName"] == "shop.example"
    [assumed] = [one for one in aws_stage.aws.asked if one.operation == "AssumeRole"]
    assert (assumed.params["RoleArn"], assumed.params["ExternalId"]) == (ROLE, "x-1")


async def test_a_role_that_may_not_be_assumed_means_that_nothing_was_done(aws_stage: AwsStage) -> None:
    """Not that the outcome is unknown: only the question for the role has left."""
    aws_stage.aws.sts.roles["arn:aws:iam::444455556666:role/another"] = None
    async with client(aws_stage, id=OTHER, role_arn=ROLE) as api:
        with leave(aws_stage), pytest.raises(TransientError, match="nothing was sent"):
            await reboot(api)
    assert aws_stage.aws.writes == []


async def test_a_redirect_is_not_followed(aws_stage: AwsStage) -> None:
    """To wherever it leads: the write has left once, and nobody knows what became of it."""
    async with client(aws_stage) as api:
        aws_stage.aws._listener.faults.add(
            match=lambda received: b"RebootDBInstance" in received.body,
            kind="status 307",
            times=None,
            headers={"Location": f"{aws_stage.aws.url}/elsewhere"},
        )
        with leave(aws_stage), pytest.raises(OutcomeUnknownError):
            await reboot(api)
    assert len(aws_stage.aws.writes) == 1
    assert not [one for one in aws_stage.aws.requests if one.path == "/elsewhere"]


@pytest.mark.parametrize("kind", ["drop", "reset", "status 500", "status 503", "throttled", "expired", "lose_answer"])
async def test_a_write_leaves_once_whatever_its_method(aws_stage: AwsStage, kind: str) -> None:
    """A DELETE, which HTTP libraries like to repeat, over a connection that was used before."""
    shift = {"zonalShiftId": "6d6d6d6d-1111-2222-3333-444444444444"}
    async with client(aws_stage) as api:
        with leave(aws_stage):
            with pytest.raises(StepError):
                await api.write("arc-zonal-shift", "cancel_zonal_shift", **shift)
            before = len(aws_stage.aws.writes)
            aws_stage.aws.fault("arc-zonal-shift", "CancelZonalShift", kind, times=None)
            with pytest.raises((OutcomeUnknownError, TransientError)):
                await api.write("arc-zonal-shift", "cancel_zonal_shift", **shift)
    assert len(aws_stage.aws.writes) - before == 1


async def test_a_dry_run_cannot_send_a_write_even_by_hand(aws_stage: AwsStage) -> None:
    """Past our own wrapper, with a permit in hand, by the library's own client of either use."""
    async with client(aws_stage, dry_run=True) as api:
        for use in ("read", "write"):
            raw = await api._sessions.client("rds", REGION, use)
            with leave(aws_stage), pytest.raises(Exception, match="not sent"):
                await raw.reboot_db_instance(DBInstanceIdentifier="orders")
            raw = await api._sessions.client("ec2", REGION, use)
            with leave(aws_stage), pytest.raises(Exception, match="not sent"):
                await raw.reboot_instances(InstanceIds=["i-1"])
    assert not [one for one in aws_stage.aws.asked if one.writes]


async def test_a_live_write_needs_a_permit(aws_stage: AwsStage) -> None:
    async with client(aws_stage) as api:
        with pytest.raises(NotSentError):
            await reboot(api)
    assert aws_stage.aws.writes == []


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("wrong", [{"PrivateKey": 7, "Certificate": KEY}, {"PrivateKey": [KEY], "Certificate": b"x"}])
async def test_an_error_about_parameters_shows_no_value(
    aws_stage: AwsStage, dry_run: bool, wrong: dict[str, object]
) -> None:
    async with client(aws_stage, dry_run=dry_run) as api:
        with leave(aws_stage), capture_logs() as logs, pytest.raises(AwsRefusedError) as refused:
            await api.write("acm", "import_certificate", CertificateArn=arn(api), Tags=[{"Key": KEY}, KEY], **wrong)
    assert "Invalid type for parameter PrivateKey" in str(refused.value)
    assert "MIGH" not in f"{refused.value} {logs}"


async def test_a_proxy_of_the_environment_is_not_used_where_only_loopback_is(
    aws_stage: AwsStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await issued(aws_stage)
    for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://proxy.invalid:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    async with client(aws_stage) as api:
        assert await describe(api)


async def test_an_endpoint_of_the_environment_is_not_asked_where_only_loopback_is(
    aws_stage: AwsStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL_ACM", "http://acm.invalid")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://aws.invalid")
    await issued(aws_stage)
    async with client(aws_stage) as api:
        assert await describe(api)


async def test_nobody_is_asked_for_a_credential_where_only_loopback_is(
    aws_stage: AwsStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither AWS for a pod's role nor the machine's metadata service: the endpoint of settings is not theirs."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "token").write_text("throwaway")
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws_stage.aws.url)
    monkeypatch.setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws_stage.aws.url)
    async with client(aws_stage, profile=None, credentials_file=tmp_path / "none") as api:
        with pytest.raises(FactsMissingError, match="Unable to locate credentials"):
            await describe(api)
    assert list(aws_stage.aws.requests) == []


SIMULATED = IamPermission(
    "acm:ImportCertificate", "arn:{partition}:acm:{region}:{account}:certificate/{name}", writes=True
)


async def test_what_iam_would_say_is_asked_with_what_the_request_would_bring(aws_stage: AwsStage) -> None:
    target = await issued(aws_stage)
    named = IamPermission(
        "route53:ChangeResourceRecordSets", "*", writes=True, conditions=(("Op", "some:key", "CNAME"),)
    )
    async with client(aws_stage) as api:
        assert await api.allowed((SIMULATED, named), target) is Answer.YES
        before = len(aws_stage.aws.asked)
        assert await api.allowed((named, SIMULATED), target) is Answer.YES
        assert len(aws_stage.aws.asked) == before, "the same is not asked again"
        other = replace(named, conditions=(("Op", "some:key", "A"),))
        assert await api.allowed((other,), target) is Answer.YES
        assert len(aws_stage.aws.asked) == before + 1, "of another condition it says nothing"
    asked = [one.params for one in aws_stage.aws.asked[:before] if one.operation == "SimulatePrincipalPolicy"]
    assert [one.get("ResourceArns") for one in asked] == [[arn(api)], None]
    contexts = [{one["ContextKeyName"]: one["ContextKeyValues"] for one in each["ContextEntries"]} for each in asked]
    assert contexts == [
        {"aws:RequestedRegion": [REGION]},
        {"aws:RequestedRegion": ["us-east-1"], "some:key": ["CNAME"]},
    ]


async def test_a_no_of_iam_is_asked_again_sooner_than_a_yes(aws_stage: AwsStage) -> None:
    target = await issued(aws_stage)
    api = aws_stage.client([])
    assert await api.allowed((SIMULATED,), target) is Answer.NO
    aws_stage.aws.grant("AKIALIVE0001")
    assert await api.allowed((SIMULATED,), target) is Answer.NO
    aws_stage.pass_time(61)
    assert await api.allowed((SIMULATED,), target) is Answer.YES


async def test_where_the_simulation_may_not_be_asked_nobody_knows(aws_stage: AwsStage) -> None:
    target = await issued(aws_stage)
    api = aws_stage.client([SIMULATED], simulation=False)
    assert await api.allowed((SIMULATED,), target) is Answer.UNKNOWN
    with pytest.raises(MissingPermissionError, match="acm:DescribeCertificate"):
        await describe(api)


async def test_a_list_that_does_not_end_is_a_missing_fact(aws_stage: AwsStage) -> None:
    for number in range(230):
        aws_stage.aws.route53.zone(f"z{number:03d}.example")
    async with client(aws_stage) as api:
        found = await api.pages("route53", "list_hosted_zones", "HostedZones", MaxItems="50")
        assert len({one["Id"] for one in found}) == 230
        with pytest.raises(FactsMissingError, match="longer than 50 pages"):
            await api.pages("route53", "list_hosted_zones", "HostedZones", MaxItems="1")


@pytest.mark.parametrize("other", [False, True], ids=["same account", "another account"])
async def test_a_credential_in_a_file_that_was_replaced_is_taken_up(aws_stage: AwsStage, other: bool) -> None:
    """The old one is taken no more; nobody restarts remediator for that. Whose the new one is, is asked anew."""
    await issued(aws_stage)
    old = aws_stage.aws.know("AKIALIVE")
    aws_stage.aws.know("AKIANEXT", account=OTHER if other else ACCOUNT)
    async with client(aws_stage) as api:
        await describe(api)
        old.expired = True
        (aws_stage.directory / "credentials").write_text(
            "[main]\naws_access_key_id = AKIANEXT\naws_secret_access_key = sandbox\n"
        )
        with pytest.raises(FactsMissingError, match="Expired"):
            await describe(api)
        if other:
            with leave(aws_stage), pytest.raises(AwsRefusedError) as refused:
                await reboot(api)
            assert refused.value.code == "WrongAccount"
        else:
            assert await describe(api)
    assert aws_stage.aws.writes == []
