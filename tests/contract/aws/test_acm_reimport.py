"""``aws.acm_reimport``: only a better certificate of the same names, under the same ARN, and its key is seen by nobody else."""

import re
from datetime import timedelta

import pytest
from structlog.testing import capture_logs

from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.errors import OvertakenError, StepError
from tests.contract.aws.cases.acm_cases import IMPORTED, SECRET, certificate, imported, imports, newer, put_secret
from tests.contract.aws.doing_aws import DoingAws
from tests.support.aws_stage import AwsStage
from tests.support.key_pairs import KeyPair, key_pair

PARAMS = {"namespace": "shop", "secret": SECRET}


async def doing(stage: AwsStage, secret: str = SECRET, *, dry_run: bool = False) -> DoingAws:
    target = stage.target("acm-certificate", IMPORTED)
    return await DoingAws.on(stage, "aws.acm_reimport", target, dry_run=dry_run, namespace="shop", secret=secret)


async def refusal(stage: AwsStage, pair: KeyPair) -> str:
    """Of a plan with this in the Secret."""
    await put_secret(stage, pair, "other")
    with pytest.raises(PlanRefusedError) as refused:
        await (await doing(stage, "other")).plan()
    assert b64_lines(pair).isdisjoint(str(refused.value).split())
    return refused.value.code


def b64_lines(pair: KeyPair) -> set[str]:
    return {line for line in pair.key.decode().splitlines() if len(line) > 20}


async def test_only_what_is_better_is_imported(aws_stage: AwsStage) -> None:
    await imported(aws_stage)
    good = newer(aws_stage)
    refused = {
        "key_mismatch": KeyPair(good.chain, newer(aws_stage).key),
        "other_names": newer(aws_stage, "shop.example", "evil.example"),
        "other_key_type": newer(aws_stage, "shop.example", "www.shop.example", use_rsa=True),
        "not_newer": newer(aws_stage, "shop.example", "www.shop.example", days=5),
        "expires_too_soon": newer(aws_stage, days=0),
        "not_valid_yet": key_pair(
            "shop.example", "www.shop.example", until=aws_stage.clock.now() + timedelta(days=90), days=60
        ),
        "temporary_certificate": newer(aws_stage, issuer="cert-manager.local"),
        "secret_unreadable": KeyPair(good.chain, good.key[:80]),
    }
    for code, pair in refused.items():
        assert await refusal(aws_stage, pair) == code
        await aws_stage.cluster.delete("Secret", "other")
    with pytest.raises(PlanRefusedError, match="Secret shop/none does not exist"):
        await (await doing(aws_stage, "none")).plan()
    assert imports(aws_stage) == 0 and aws_stage.aws.writes == []


async def test_what_is_there_already_is_waited_for(aws_stage: AwsStage) -> None:
    """The Secret has not been renewed yet: the next decision may find it so."""
    await imported(aws_stage)
    step = await doing(aws_stage)
    await step.apply(await step.plan())
    with pytest.raises(PlanRefusedError) as refused:
        await step.plan()
    assert (refused.value.code, refused.value.kind) == ("same_certificate", "wait")


@pytest.mark.parametrize("dry_run", [False, True])
async def test_the_key_goes_into_the_one_request_and_nowhere_else(aws_stage: AwsStage, dry_run: bool) -> None:
    await imported(aws_stage)
    pair = newer(aws_stage)
    await put_secret(aws_stage, pair, "fresh")
    step = await doing(aws_stage, "fresh", dry_run=dry_run)
    with capture_logs() as logs:
        plan = await step.plan()
        applied = await step.apply(plan)
        looked = await step.landed(plan)
    told = f"{plan} {plan.to_json()} {applied} {looked} {logs}"
    assert not [line for line in b64_lines(pair) if line in told]
    assert "PRIVATE KEY" not in told
    sent = [one.params for one in aws_stage.aws.writes]
    assert [one["PrivateKey"] for one in sent] == ([] if dry_run else [pair.key])
    assert all(one.keys() == {"CertificateArn", "Certificate", "PrivateKey"} for one in sent), "tags may not be given"
    assert certificate(aws_stage, IMPORTED).private_key == (b"" if dry_run else pair.key)


async def test_an_error_of_the_request_says_nothing_of_the_key(aws_stage: AwsStage) -> None:
    await imported(aws_stage)
    pair = newer(aws_stage)
    await put_secret(aws_stage, pair, "fresh")
    step = await doing(aws_stage, "fresh")
    plan = await step.plan()
    for kind in ("denied", "status 500", "drop"):
        aws_stage.aws.fault("acm", "ImportCertificate", kind)
        with pytest.raises(StepError) as failed:
            await step.apply(plan)
        assert not [line for line in b64_lines(pair) if line in str(failed.value)]


async def test_a_secret_that_changed_since_the_plan_is_not_imported(aws_stage: AwsStage) -> None:
    target = await imported(aws_stage)
    step = await doing(aws_stage)
    plan = await step.plan()
    await aws_stage.cluster.delete("Secret", SECRET)
    await put_secret(aws_stage, newer(aws_stage))
    with pytest.raises(OvertakenError):
        await step.apply(plan)
    assert imports(aws_stage) == 0 and str(target) in str(plan.target)


async def test_one_that_somebody_else_imported_is_not_taken_for_ours(aws_stage: AwsStage) -> None:
    await imported(aws_stage)
    step = await doing(aws_stage)
    plan = await step.plan()
    theirs = certificate(aws_stage, IMPORTED)
    theirs.serial, theirs.imported_at = 77, aws_stage.clock.now()
    assert (await step.landed(plan)).answer is Answer.UNKNOWN
    theirs.serial = int(str(plan.changes[0].after), 16)
    theirs.imported_at = aws_stage.clock.now() - timedelta(minutes=5)
    assert (await step.landed(plan)).answer is Answer.UNKNOWN


def test_the_secret_is_named_by_the_playbook_in_kubernetes_names() -> None:
    from pydantic import ValidationError

    from remediator.actions.aws.acm_reimport import Params

    for wrong in ({"namespace": "shop/../kube-system"}, {"secret": "a?x=y"}, {"namespace": "Shop"}, {"secret": "-"}):
        with pytest.raises(ValidationError):
            Params.model_validate({**PARAMS, **wrong})
    assert re.fullmatch(r"\w+", Params.model_validate(PARAMS).namespace)
