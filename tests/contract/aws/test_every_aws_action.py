"""What holds for every action at AWS (S15, S16, S21). A new action needs an ``AwsCase``: without one the first test fails."""

import copy
from typing import Any

import pytest

from remediator.actions import ACTIONS
from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.clients.permissions import IamPermission
from remediator.errors import FactsMissingError
from remediator.runs.cursor import Cursor, Outcome, Phase
from remediator.runs.plan import Fidelity
from remediator.sandbox.aws.models import iam_action
from tests.contract.aws.case import AwsCase, Refusal
from tests.contract.aws.cases.every import AWS_CASES
from tests.contract.aws.doing_aws import DoingAws
from tests.support.aws_stage import AwsStage

every_case = pytest.mark.parametrize("case", AWS_CASES, ids=lambda case: case.id)
FIRST_OF_ITS_SERVICE = {case.write[0]: case for case in reversed(AWS_CASES)}.values()
LOST = [
    *((kind, case) for kind in ("drop", "lose_answer") for case in AWS_CASES),
    *((kind, case) for kind in ("reset", "status 500") for case in FIRST_OF_ITS_SERVICE),
]
"""What leaves it unknown whether the write was done. Only with `lose_answer` it was. What differs by protocol alone: once for each."""
AT_THE_DOOR = [(kind, case) for kind in ("throttled", "expired") for case in FIRST_OF_ITS_SERVICE]
CRASHES = [(point, case) for point in ("send.aws.before", "send.aws.after") for case in FIRST_OF_ITS_SERVICE]


def named(play: tuple[str, AwsCase]) -> str:
    return f"{play[1].id}-{play[0].replace(' ', '-')}"


class Crash(BaseException):
    """The process ends here."""


def state(stage: AwsStage) -> dict[str, Any]:
    """All that the services of AWS hold."""
    kept = {}
    for name, service in stage.aws._services.items():
        held = {key: value for key, value in vars(service).items() if key not in ("cloud", "account")}
        kept[name] = copy.deepcopy({key: value for key, value in held.items() if not callable(value)})
    return kept


def test_every_action_at_aws_has_a_case() -> None:
    assert {case.action for case in AWS_CASES} == {one.name for one in ACTIONS if one.name.startswith("aws.")}


@every_case
async def test_it_is_done_once_and_seen_to_be_done(aws_stage: AwsStage, case: AwsCase) -> None:
    """Also: planning changes nothing, and before anything was sent no mark of ours is found."""
    target = await case.prepare(aws_stage)
    assert case.changes(aws_stage) == 0
    doing = await DoingAws.case(aws_stage, case, target)
    plan = await doing.plan()
    assert plan.approval_hash == (await doing.plan()).approval_hash
    assert (await doing.landed(plan)).answer is not Answer.YES
    assert aws_stage.aws.writes == [] and case.changes(aws_stage) == 0
    run = doing.run(case)
    cursor = await run.go()
    assert cursor.outcome is Outcome.VERIFIED, (cursor.note, run.told)
    assert case.changes(aws_stage) == case.times
    assert [(one.service, one.operation) for one in aws_stage.aws.writes] == [case.write] * case.times


@every_case
async def test_a_dry_run_sends_no_write(aws_stage: AwsStage, case: AwsCase) -> None:
    """Where EC2 has a dry-run of its own, that one is sent."""
    target = await case.prepare(aws_stage)
    doing = await DoingAws.case(aws_stage, case, target, dry_run=True)
    plan = await doing.plan()
    before = state(aws_stage)
    cursor = await doing.run(case).go()
    assert cursor.outcome is Outcome.REHEARSED, cursor.note
    assert state(aws_stage) == before
    assert case.changes(aws_stage) == 0 and aws_stage.aws.writes == []
    assert bool([one for one in aws_stage.aws.asked if one.dry_run]) == case.dry_run_of_its_own
    assert plan.fidelity is (Fidelity.SERVER if case.dry_run_of_its_own else Fidelity.SIMULATED)
    unasked = await DoingAws.case(aws_stage, case, target, dry_run=True, simulation=False)
    assert (await unasked.plan()).fidelity is (Fidelity.SERVER if case.dry_run_of_its_own else Fidelity.RECORDED)


@every_case
async def test_what_was_refuted_is_put_back_where_it_can_be(aws_stage: AwsStage, case: AwsCase) -> None:
    """Also: all methods together ask for exactly what is declared."""
    target = await case.prepare(aws_stage)
    doing = await DoingAws.case(aws_stage, case, target)
    plan = await doing.plan()
    await doing.landed(plan)
    run = doing.run(case, if_refuted="undo", verified=Answer.NO)
    cursor = await run.go()
    assert cursor.outcome is Outcome.REFUTED, (cursor.note, run.told)
    assert ("undone" if case.undoable else "left as it is") in cursor.note, (cursor.note, run.told)
    assert case.changes(aws_stage) == (0 if case.undoable else case.times)
    wanted = [one.action for one in doing.rights if isinstance(one, IamPermission)]
    assert {one.action for one in aws_stage.asked()} == set(wanted) - case.extra
    assert len(set(doing.rights)) == len(doing.rights), "named twice"
    writes = {one.action for one in doing.rights if isinstance(one, IamPermission) and one.writes}
    assert {one.action for one in aws_stage.aws.writes} <= writes


@every_case
async def test_a_permission_that_is_missing_is_named(aws_stage: AwsStage, case: AwsCase) -> None:
    """In words that an operator can act upon, whichever it is; without the simulation, which would tell of a write beforehand."""
    target = await case.prepare(aws_stage)
    rights = (await DoingAws.case(aws_stage, case, target)).rights
    for left_out in rights:
        if not isinstance(left_out, IamPermission) or left_out.action in case.extra:
            continue
        rest = tuple(one for one in rights if one != left_out)
        if left_out.action in {one.action for one in rest if isinstance(one, IamPermission)}:
            continue  # the same on another resource: this AWS grants actions
        if any(isinstance(one, IamPermission) and one.action == left_out.action for one in rest):
            continue  # the same action on another resource: this AWS looks at actions alone
        doing = await DoingAws.case(aws_stage, case, target, rights=rest, simulation=False)
        told = " ".join(await _all_methods(doing, case)).lower().replace("_", "")
        assert left_out.action.lower() in told or "missing permission" in told, (left_out, told)
        is_the_write = left_out.action == iam_action(*case.write)
        assert case.changes(aws_stage) in ((0,) if is_the_write else (0, case.times))
        if case.changes(aws_stage):
            break


@every_case
async def test_a_write_that_iam_would_deny_is_not_planned(aws_stage: AwsStage, case: AwsCase) -> None:
    target = await case.prepare(aws_stage)
    rights = (await DoingAws.case(aws_stage, case, target)).rights
    reads = tuple(one for one in rights if not (isinstance(one, IamPermission) and one.writes))
    if case.dry_run_of_its_own:
        dry = await DoingAws.case(aws_stage, case, target, rights=reads, dry_run=True)
        cursor = await dry.run(case).go()
        assert cursor.outcome is Outcome.FAILED and "missing permission" in cursor.note, cursor
        return
    doing = await DoingAws.case(aws_stage, case, target, rights=reads)
    with pytest.raises(PlanRefusedError) as refused:
        await doing.plan()
    assert refused.value.code == "permission_missing"


@pytest.mark.parametrize(
    ("case", "refusal"),
    [(case, one) for case in AWS_CASES for one in case.refusals],
    ids=[f"{case.id}-{one.name}" for case in AWS_CASES for one in case.refusals],
)
async def test_it_is_refused_in_the_wrong_state(aws_stage: AwsStage, case: AwsCase, refusal: Refusal) -> None:
    target = await case.prepare(aws_stage)
    refusal.spoil(aws_stage)
    doing = await DoingAws.case(aws_stage, case, target)
    with pytest.raises(PlanRefusedError) as refused:
        await doing.plan()
    assert refused.value.code == refusal.code, str(refused.value)
    assert aws_stage.aws.writes == []


@every_case
async def test_a_write_that_is_denied_ends_it(aws_stage: AwsStage, case: AwsCase) -> None:
    target = await case.prepare(aws_stage)
    doing = await DoingAws.case(aws_stage, case, target)
    aws_stage.aws.fault(*case.write, "denied", times=None)
    run = doing.run(case)
    cursor = await run.go()
    assert cursor.outcome is Outcome.FAILED, (cursor, run.told)
    assert "missing permission" in cursor.note
    assert case.changes(aws_stage) == 0 and len(aws_stage.aws.writes) == 1


@pytest.mark.parametrize("play", AT_THE_DOOR, ids=named)
async def test_a_write_turned_away_at_the_door_is_tried_again(aws_stage: AwsStage, play: tuple[str, AwsCase]) -> None:
    kind, case = play
    target = await case.prepare(aws_stage)
    doing = await DoingAws.case(aws_stage, case, target)
    fault = aws_stage.aws.fault(*case.write, kind)
    run = doing.run(case)
    cursor = await run.go()
    assert fault.hits == 1
    assert cursor.outcome is Outcome.VERIFIED, (cursor.note, run.told)
    assert case.changes(aws_stage) == case.times
    assert len(aws_stage.aws.writes) == case.times + 1


@pytest.mark.parametrize("play", LOST, ids=named)
async def test_a_lost_write_is_looked_for_and_done_at_most_once(aws_stage: AwsStage, play: tuple[str, AwsCase]) -> None:
    kind, case = play
    target = await case.prepare(aws_stage)
    doing = await DoingAws.case(aws_stage, case, target)
    fault = aws_stage.aws.fault(*case.write, kind)
    run = doing.run(case)
    cursor = await run.go()
    assert fault.hits == 1
    _assert_true_end(aws_stage, case, cursor, run.told)
    if kind == "lose_answer":
        assert case.changes(aws_stage) == case.times, run.told
        assert len(aws_stage.aws.writes) == case.times, "sent again although it was done"


def _assert_true_end(stage: AwsStage, case: AwsCase, cursor: Cursor, told: list[str]) -> None:
    changes = case.changes(stage)
    assert changes <= case.times, told
    if cursor.phase is not Phase.PERSON:
        assert cursor.outcome is Outcome.VERIFIED, (cursor, told)
        assert changes == case.times, told


@pytest.mark.parametrize("play", CRASHES, ids=named)
async def test_after_a_crash_around_the_write_it_is_known_or_asked(
    aws_stage: AwsStage, play: tuple[str, AwsCase]
) -> None:
    """The process dies just before the first byte, or once the answer came; a new one finds the step begun.

    For `landed` that is what a lost request or a lost answer is, which every action is asked about above.
    """
    point, case = play

    def crash(at: str) -> None:
        if at == point:
            raise Crash

    target = await case.prepare(aws_stage)
    doing = await DoingAws.case(aws_stage, case, target, probe=crash)
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    with pytest.raises(Crash):
        await doing.apply(plan)
    done = 1 if point.endswith("after") else 0
    assert len(aws_stage.aws.writes) == done
    again = await DoingAws.case(aws_stage, case, target)
    look = await again.settled(plan, begun_at)
    assert look.answer in (Answer.of(bool(done)), Answer.UNKNOWN), look.seen
    if look.answer is Answer.NO:
        applied = await again.apply(await again.plan(own_changes=True))
        verified = await again.verified(plan, applied)
        assert verified.answer is Answer.YES, verified.seen
    assert len(aws_stage.aws.writes) <= 1
    if look.answer is not Answer.UNKNOWN:
        aws_stage.pass_time(3600)
        assert case.changes(aws_stage) in (1, case.times)


async def _all_methods(doing: DoingAws, case: AwsCase) -> list[str]:
    """Plan, apply, verify, undo and, before and after, landed. Returns all that was said."""
    try:
        plan = await doing.plan()
    except (FactsMissingError, PlanRefusedError) as error:
        return [str(error)]
    before = await doing.landed(plan)
    run = doing.run(case, if_refuted="undo", verified=Answer.NO)
    cursor = await run.go()
    return [before.seen, cursor.note, *run.told]
