"""``aws.acm_restore_validation``: just the records that are missing, where they belong, and ACM renews by itself."""

from datetime import timedelta
from typing import Any

import pytest

from remediator.actions.aws.acm_restore_validation import AcmRestoreValidation
from remediator.answers import Answer
from remediator.clients.aws.validation_records import Zone, marked_ttl, zones_for
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.errors import OvertakenError
from tests.contract.aws.cases.acm_cases import (
    IMPORTED,
    ISSUED,
    NAMES,
    certificate,
    imported,
    issued,
    put_record,
    restored,
)
from tests.contract.aws.doing_aws import FIRST, SECOND, DoingAws
from tests.support.aws_stage import AwsStage


async def doing(stage: AwsStage, **params: Any) -> DoingAws:
    return await DoingAws.on(stage, "aws.acm_restore_validation", await issued(stage), **params)


async def asked(stage: AwsStage, name: str, id: str = ISSUED, **params: object) -> Look:
    """What a condition sees, with just the rights that it declares."""
    condition = condition_named(name)
    chosen = condition.params.model_validate(params)
    api = stage.client(condition.permissions("acm-certificate", chosen))
    world = World(None, None, None, account=api)
    known = Known(now=stage.clock.now(), labels={})
    return await condition.look(world, stage.target("acm-certificate", id), chosen, known)


async def test_acm_renews_once_its_records_are_back(aws_stage: AwsStage) -> None:
    step = await doing(aws_stage)
    assert (await asked(aws_stage, "acm_renewable")).answer is Answer.YES
    stuck = await asked(aws_stage, "acm_renewed")
    assert stuck.answer is Answer.NO and "PENDING_VALIDATION" in stuck.seen and "pay.shop.example" in stuck.seen
    before = certificate(aws_stage).not_after
    plan = await step.plan()
    applied = await step.apply(plan)
    assert (await step.verified(plan, applied)).answer is Answer.YES
    aws_stage.pass_time(300)
    renewed = await asked(aws_stage, "acm_renewed", valid_for="300d")
    assert renewed.answer is Answer.YES, renewed.seen
    assert certificate(aws_stage).renewals == 1 and certificate(aws_stage).not_after > before + timedelta(days=300)


async def test_only_what_is_missing_is_made(aws_stage: AwsStage) -> None:
    step = await doing(aws_stage)
    put_record(aws_stage, "shop.example", ttl=60)
    plan = await step.plan()
    assert [one.field for one in plan.changes] == [f"record {certificate(aws_stage).record('pay.shop.example')[0]}"]
    await step.apply(plan)
    assert restored(aws_stage) == 1
    undo = await step.undo_plan(plan)
    assert undo is not None
    await step.apply(undo, SECOND)
    assert [one["TTL"] for one in aws_stage.aws.route53.zones["ZSHOP"].records.values()] == [60], "that one is not ours"


async def test_a_record_changed_since_is_left_alone_by_the_undo(aws_stage: AwsStage) -> None:
    step = await doing(aws_stage)
    plan = await step.plan()
    await step.apply(plan)
    undo = await step.undo_plan(plan)
    put_record(aws_stage, "shop.example", ttl=60)
    assert await step.undo_plan(plan) is None
    assert undo is not None
    with pytest.raises(OvertakenError):
        await step.apply(undo, SECOND)
    assert restored(aws_stage) == 1


async def test_records_that_came_back_by_themselves_are_not_ours(aws_stage: AwsStage) -> None:
    step = await doing(aws_stage)
    plan = await step.plan()
    for name in NAMES:
        put_record(aws_stage, name)
    assert (await step.landed(plan)).answer is Answer.NO
    with pytest.raises(OvertakenError, match="every validation record"):
        await step.apply(plan)


async def test_the_zone_can_be_named_where_there_are_several(aws_stage: AwsStage) -> None:
    step = await doing(aws_stage, zone="pay.shop.example")
    zone = aws_stage.aws.route53.zone("pay.shop.example")
    await step.apply(await step.plan())
    assert [one["Name"] for one in zone.records.values()] == [certificate(aws_stage).record("pay.shop.example")[0]]
    assert not aws_stage.aws.route53.zones["ZSHOP"].records


async def test_a_renewal_that_ended_meanwhile_is_overtaken(aws_stage: AwsStage) -> None:
    step = await doing(aws_stage)
    plan = await step.plan()
    certificate(aws_stage).renewal = "SUCCESS"
    with pytest.raises(OvertakenError, match="renewal"):
        await step.apply(plan)
    assert restored(aws_stage) == 0


async def test_what_was_imported_is_renewed_by_import_only(aws_stage: AwsStage) -> None:
    await imported(aws_stage)
    assert (await asked(aws_stage, "acm_renewable", IMPORTED)).answer is Answer.NO
    assert (await asked(aws_stage, "acm_renewable", IMPORTED, by="import")).answer is Answer.YES
    assert (await asked(aws_stage, "acm_renewed", IMPORTED)).answer is Answer.NO
    assert (await asked(aws_stage, "acm_renewed", IMPORTED, valid_for="5d")).answer is Answer.YES
    assert (await asked(aws_stage, "acm_renewed", "0000")).answer is Answer.UNKNOWN


async def test_a_name_of_another_account_is_never_asked_for(aws_stage: AwsStage) -> None:
    step = await doing(aws_stage)
    elsewhere = type(step.target).aws("444455556666", step.target.region, "acm-certificate", ISSUED)
    with pytest.raises(ValueError, match="no certificate of account 111122223333"):
        await AcmRestoreValidation().plan(step.ctx(), elsewhere, step.params)
    assert aws_stage.asked() == []


def test_the_zone_of_a_record_is_the_longest_that_ends_its_name() -> None:
    zones = [
        Zone("example.", "Z1"),
        Zone("shop.example.", "Z2"),
        Zone("hop.example.", "Z3"),
        Zone("a.shop.example.", "Z4"),
    ]
    assert zones_for("_1.shop.example.", zones) == (zones[1],)
    assert zones_for("_1.A.SHOP.example.", zones) == (zones[3],)
    assert zones_for("_1.workshop.example.", zones) == (zones[0],)
    assert zones_for("_1.other.", zones) == ()


def test_a_mark_is_no_number_that_others_choose() -> None:
    marks = {marked_ttl(f"int_{number:026d}") for number in range(300)}
    assert len(marks) > 100 and not marks & {60, 300, 600} and max(marks) < 600
    assert marked_ttl(FIRST) == marked_ttl(FIRST)
