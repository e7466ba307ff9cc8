"""The particular traps of Route 53 and of AWS WAF: what others write meanwhile, what is only nearly what it seems."""

from typing import Any

import pytest

from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.clients.aws.route53 import plain_value
from remediator.clients.permissions import IamPermission
from remediator.conditions import condition_named
from remediator.conditions.base import Known, World
from remediator.errors import FactsMissingError, OvertakenError, TransientError
from remediator.runs.plan import Fidelity
from remediator.sandbox.aws.service import Refused
from remediator.targets import Target
from tests.contract.aws.cases import cache_cases
from tests.contract.aws.cases import network_cases as cases
from tests.contract.aws.doing_aws import FIRST, SECOND, DoingAws
from tests.support.aws_stage import SIMULATION, AwsStage


async def failover(stage: AwsStage) -> DoingAws:
    return await DoingAws.on(stage, "aws.route53_failover", await cases.weighted(stage), to="recovery")


async def test_weights_that_somebody_changed_since_the_plan_are_left(aws_stage: AwsStage) -> None:
    doing = await failover(aws_stage)
    plan = await doing.plan()
    aws_stage.aws.route53.put(cases.zone(aws_stage), cases.record(SetIdentifier="home", Weight=50))
    with pytest.raises(OvertakenError, match="sets"):
        await doing.apply(plan)
    assert aws_stage.aws.writes == []


async def test_an_undo_leaves_what_somebody_wrote_since(aws_stage: AwsStage) -> None:
    doing = await failover(aws_stage)
    plan = await doing.plan()
    await doing.apply(plan)
    assert (await doing.undo_plan(plan)) is not None
    assert (await doing.undo_plan(plan, SECOND)) is None, "not ours"
    aws_stage.aws.route53.put(cases.zone(aws_stage), cases.record("192.0.2.3", SetIdentifier="third", Weight=7))
    assert (await doing.undo_plan(plan)) is None


async def test_the_mark_of_an_earlier_failover_is_none_of_this_one(aws_stage: AwsStage) -> None:
    """Somebody put the weights back by hand, and the mark stayed."""
    doing = await failover(aws_stage)
    await doing.apply(await doing.plan(), FIRST)
    for record in (
        cases.record(SetIdentifier="home", Weight=100),
        cases.record(cases.RECOVERY, SetIdentifier="recovery", Weight=0, HealthCheckId="recovery"),
    ):
        aws_stage.aws.route53.put(cases.zone(aws_stage), record)
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    assert (await doing.landed(plan, SECOND, begun_at)).answer is Answer.NO
    await doing.apply(plan, SECOND)
    assert (await doing.landed(plan, SECOND, begun_at)).answer is Answer.YES
    assert (await doing.landed(plan, FIRST, begun_at)).answer is not Answer.YES


async def test_a_share_that_the_recovery_record_has_is_kept_and_the_others_have_none(aws_stage: AwsStage) -> None:
    """Three regions: two were answering."""
    target = await cases.weighted(aws_stage)
    zone = cases.zone(aws_stage)
    aws_stage.aws.route53.put(zone, cases.record("192.0.2.3", SetIdentifier="third", Weight=5))
    aws_stage.aws.route53.put(zone, cases.record(cases.RECOVERY, SetIdentifier="recovery", Weight=20))
    doing = await DoingAws.on(aws_stage, "aws.route53_failover", target, to="recovery")
    await doing.apply(await doing.plan())
    assert cases.weights(aws_stage) == {"home": 0, "recovery": 20, "third": 0}


async def test_several_public_zones_of_one_name_need_an_id(aws_stage: AwsStage) -> None:
    await cases.weighted(aws_stage)
    aws_stage.aws.route53.zone("example.org", id="ZOTHER")
    by_name = aws_stage.target("route53-record", "www.example.org:A", "example.org")
    doing = await DoingAws.on(aws_stage, "aws.route53_failover", by_name, to="recovery")
    with pytest.raises(FactsMissingError, match="ZEXAMPLE"):
        await doing.plan()
    by_id = aws_stage.target("route53-record", "www.example.org:A", "ZEXAMPLE")
    doing = await DoingAws.on(aws_stage, "aws.route53_failover", by_id, to="recovery")
    assert (await doing.plan()).uid == "ZEXAMPLE/www.example.org/A"


async def test_a_name_with_a_star_is_not_failed_over(aws_stage: AwsStage) -> None:
    await cases.weighted(aws_stage)
    target = aws_stage.target("route53-record", "*.example.org:A", "example.org")
    doing = await DoingAws.on(aws_stage, "aws.route53_failover", target, to="recovery")
    with pytest.raises(PlanRefusedError) as refused:
        await doing.plan()
    assert refused.value.code == "wildcard"


async def test_a_health_check_that_is_inverted_already_is_told_to_be_unhealthy_for_sure(aws_stage: AwsStage) -> None:
    """Inverted alone it says healthy while its checkers see nothing: only with Disabled beside it it does not depend on them."""
    target = await cases.pair(aws_stage)
    check = aws_stage.aws.route53.health_checks["primary"]
    check.inverted, check.sees = True, False
    assert cases.led_by_check(aws_stage) == 0
    doing = await DoingAws.on(aws_stage, "aws.route53_failover", target, away_from_primary=True)
    plan = await doing.plan()
    assert [change.field for change in plan.changes] == ["Disabled"]
    await doing.apply(plan)
    assert cases.led_by_check(aws_stage) == 1
    undo = await doing.undo_plan(plan)
    assert undo is not None
    await doing.apply(undo, SECOND)
    assert (check.inverted, check.disabled) == (True, False)


async def test_a_health_check_that_was_written_since_is_left(aws_stage: AwsStage) -> None:
    target = await cases.pair(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.route53_failover", target, away_from_primary=True)
    plan = await doing.plan()
    begun_at = aws_stage.clock.now()
    aws_stage.aws.route53.health_checks["primary"].version += 1
    with pytest.raises(OvertakenError):
        await doing.apply(plan)
    assert (await doing.landed(plan, FIRST, begun_at)).answer is Answer.UNKNOWN
    assert aws_stage.aws.writes == []


async def test_a_set_that_others_write_meanwhile_is_read_again_and_loses_nothing(aws_stage: AwsStage) -> None:
    target = await cases.blockable(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.waf_block_address", target)
    plan = await doing.plan()
    kept = aws_stage.aws.wafv2.ip_sets["blocked"]
    kept.addresses.append("203.0.113.10/32")
    locked = Refused("WAFOptimisticLockException", "somebody was quicker")
    aws_stage.aws.fault("wafv2", "UpdateIPSet", "refused", refused=locked, times=2)
    await doing.apply(plan)
    assert kept.addresses == ["203.0.113.9/32", "203.0.113.10/32", f"{cases.ABUSIVE}/32"]
    assert kept.writes == 1
    undo = await doing.undo_plan(plan)
    assert undo is not None
    await doing.apply(undo, SECOND)
    assert kept.addresses == ["203.0.113.9/32", "203.0.113.10/32"]
    assert (await doing.landed(undo, SECOND)).answer is Answer.YES


async def test_a_set_that_is_written_all_the_time_is_given_up_for_now(aws_stage: AwsStage) -> None:
    doing = await DoingAws.on(aws_stage, "aws.waf_block_address", await cases.blockable(aws_stage))
    plan = await doing.plan()
    locked = Refused("WAFOptimisticLockException", "somebody was quicker")
    aws_stage.aws.fault("wafv2", "UpdateIPSet", "refused", refused=locked, times=None)
    with pytest.raises(TransientError, match="each time"):
        await doing.apply(plan)
    assert cases.blocked(aws_stage) == 0


async def test_a_set_that_goes_in_this_very_moment_is_gone(aws_stage: AwsStage) -> None:
    doing = await DoingAws.on(aws_stage, "aws.waf_block_address", await cases.blockable(aws_stage))
    plan = await doing.plan()
    gone = Refused("WAFNonexistentItemException", "there is no such set")
    aws_stage.aws.fault("wafv2", "UpdateIPSet", "refused", refused=gone)
    with pytest.raises(OvertakenError, match="gone"):
        await doing.apply(plan)


async def test_marks_leave_the_words_of_people_whole(aws_stage: AwsStage) -> None:
    """There is room for 256 characters; the oldest marks go first, and with no room at all it is unknown who wrote."""
    target = await cases.blockable(aws_stage)
    kept = aws_stage.aws.wafv2.ip_sets["blocked"]
    doing = await DoingAws.on(aws_stage, "aws.waf_block_address", target)
    for words, answer in (("w" * 200, Answer.YES), ("w" * 250, Answer.UNKNOWN)):
        kept.description = words
        aws_stage.aws.wafv2.write("blocked", ["203.0.113.9/32"])
        plan = await doing.plan()
        await doing.apply(plan)
        assert kept.description.startswith(words) and len(kept.description) <= 256
        assert (await doing.landed(plan)).answer is answer


@pytest.mark.parametrize(
    ("address", "params", "code"),
    [
        ("10.0.0.1", {}, "address_not_public"),
        ("100.64.0.1", {}, "address_not_public"),
        ("169.254.169.254", {}, "address_not_public"),
        ("192.0.2.1", {}, "address_not_public"),
        ("224.0.0.1", {}, "address_not_public"),
        ("255.255.255.255", {}, "address_not_public"),
        ("fd00::1", {}, "address_not_public"),
        ("2001:db8::1", {}, "address_not_public"),
        ("2002:5db8:d822::1", {}, "address_not_public"),
        ("64:ff9b::5db8:d822", {}, "address_not_public"),
        (cases.ABUSIVE, {"never": ["93.184.216.34"]}, "address_allowed"),
        (cases.ABUSIVE, {"never": ["93.184.0.0/16"]}, "address_allowed"),
        (cases.ABUSIVE, {"never": ["93.184.216.200"], "ipv4_prefix": 24}, "address_allowed"),
    ],
)
async def test_what_must_stay_reachable_is_not_blocked(
    aws_stage: AwsStage, address: str, params: dict[str, Any], code: str
) -> None:
    await cases.blockable(aws_stage)
    target = aws_stage.target("waf-address", address, "regional:blocked")
    doing = await DoingAws.on(aws_stage, "aws.waf_block_address", target, **params)
    with pytest.raises(PlanRefusedError) as refused:
        await doing.plan()
    assert refused.value.code == code
    assert aws_stage.aws.asked == [], "refused before anybody is asked"


async def test_the_playbook_says_how_much_around_an_address_is_blocked(aws_stage: AwsStage) -> None:
    aws_stage.aws.wafv2.put("blocked6", version="IPV6")
    target = aws_stage.target("waf-address", "2A00:1450:4001:82b::200e", "regional:blocked6")
    doing = await DoingAws.on(aws_stage, "aws.waf_block_address", target, ipv6_prefix=64)
    plan = await doing.plan()
    await doing.apply(plan)
    assert aws_stage.aws.wafv2.ip_sets["blocked6"].addresses == ["2a00:1450:4001:82b::/64"]


async def test_an_entry_is_taken_out_however_the_set_spells_it(aws_stage: AwsStage) -> None:
    aws_stage.aws.wafv2.put("blocked6", version="IPV6")
    target = aws_stage.target("waf-address", "2a00:1450:4001:82b::200e", "regional:blocked6")
    doing = await DoingAws.on(aws_stage, "aws.waf_block_address", target)
    plan = await doing.plan()
    await doing.apply(plan)
    kept = aws_stage.aws.wafv2.ip_sets["blocked6"]
    kept.addresses = ["2A00:1450:4001:082B:0000:0000:0000:200E/128"]
    undo = await doing.undo_plan(plan)
    assert undo is not None
    await doing.apply(undo, SECOND)
    assert kept.addresses == []


async def test_a_set_that_was_made_again_is_left(aws_stage: AwsStage) -> None:
    doing = await DoingAws.on(aws_stage, "aws.waf_block_address", await cases.blockable(aws_stage))
    plan = await doing.plan()
    await doing.apply(plan)
    aws_stage.aws.wafv2.ip_sets.clear()
    aws_stage.aws.wafv2.put("blocked", f"{cases.ABUSIVE}/32")
    assert await doing.undo_plan(plan) is None
    assert (await doing.landed(plan)).answer is Answer.UNKNOWN


async def test_sets_of_cloudfront_are_asked_for_in_their_region_alone(aws_stage: AwsStage) -> None:
    target = aws_stage.target("waf-address", cases.ABUSIVE, "cloudfront:blocked")
    doing = await DoingAws.on(aws_stage, "aws.waf_block_address", target)
    with pytest.raises(FactsMissingError, match="us-east-1"):
        await doing.plan()


async def test_a_write_that_was_given_up_and_arrived_after_all_is_found(aws_stage: AwsStage) -> None:
    """It is neither sent again nor taken for somebody else's, or what was blocked for a time would stay blocked."""
    address = await cases.blockable(aws_stage)
    name = await cases.weighted(aws_stage)
    balancer = await cases.front(aws_stage)
    for action, target, params in (
        ("aws.waf_block_address", address, {}),
        ("aws.route53_failover", name, {"to": "recovery"}),
        ("aws.zonal_shift", balancer, {"away_from": "euc1-az1"}),
    ):
        doing = await DoingAws.on(aws_stage, action, target, **params)  # type: ignore[arg-type]  # parameters alone
        plan = await doing.plan()
        await doing.apply(plan)
        sent = len(aws_stage.aws.writes)
        again = await doing.apply(plan)
        assert "found done already" in again.summary
        assert (await doing.verified(plan, again)).answer is Answer.YES
        undo = await doing.undo_plan(plan)
        assert undo is not None
        await doing.apply(undo, SECOND)
        assert "found done already" in (await doing.apply(undo, SECOND)).summary
        assert len(aws_stage.aws.writes) == sent + 1


async def test_a_health_check_that_somebody_switched_just_so_is_not_taken_for_ours(aws_stage: AwsStage) -> None:
    """A check has no mark, so before anything was sent only the version tells, and it says that somebody wrote."""
    target = await cases.pair(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.route53_failover", target, away_from_primary=True)
    plan = await doing.plan()
    check = aws_stage.aws.route53.health_checks["primary"]
    check.inverted = check.disabled = True
    check.version += 1
    with pytest.raises(OvertakenError, match="version"):
        await doing.apply(plan)
    assert aws_stage.aws.writes == []


async def test_a_policy_that_is_narrower_than_what_is_declared_lets_a_plan_be_made(aws_stage: AwsStage) -> None:
    """An operator may name the one zone, set or balancer: IAM is asked about just that, or what is allowed would be refused."""
    cluster = "arn:aws:elasticache:eu-central-1:111122223333:cluster:sessions-*"
    address = await cases.blockable(aws_stage)
    name = await cases.weighted(aws_stage)
    balancer = await cases.front(aws_stage)
    group = await cache_cases.sessions(aws_stage)
    zone = "arn:aws:route53:::hostedzone/ZEXAMPLE"
    one_set = (
        f"arn:aws:wafv2:eu-central-1:111122223333:regional/ipset/blocked/{aws_stage.aws.wafv2.ip_sets['blocked'].id}"
    )
    front = aws_stage.aws.elbv2.load_balancers["front"].arn
    await planned(aws_stage, "aws.route53_failover", name, zone, to="recovery")
    await planned(aws_stage, "aws.waf_block_address", address, one_set)
    await planned(aws_stage, "aws.zonal_shift", balancer, front, away_from="euc1-az1")
    await planned(aws_stage, "aws.elasticache_failover", group, cluster)
    aws_stage.aws.route53.zones.clear()
    check = "arn:aws:route53:::healthcheck/primary"
    await planned(aws_stage, "aws.route53_failover", await cases.pair(aws_stage), check, away_from_primary=True)


async def planned(stage: AwsStage, action: str, target: Target, arn: str, **params: Any) -> None:
    """With the writes allowed on this alone, beside what names the target itself; and refused where it is another."""
    for allowed, refused in ((arn, False), (f"{arn}-other", True)):
        doing = await DoingAws.on(stage, action, target, **params)
        rights = [one for one in doing.rights if isinstance(one, IamPermission)]
        named = target.name if target.kind == "elasticache-group" else "-"
        narrow = [(one.action, allowed if one.writes else "*") for one in rights]
        narrow += [(one.action, f"arn:*:{named}") for one in rights if one.writes]
        stage.aws.grant(list(stage.aws.principals)[-1], [*narrow, *SIMULATION])
        if refused:
            with pytest.raises(PlanRefusedError) as told:
                await doing.plan()
            assert told.value.code == "permission_missing"
        else:
            assert (await doing.plan()).fidelity is Fidelity.SIMULATED


async def test_what_is_to_be_answered_is_known_where_the_recovery_record_keeps_its_share(aws_stage: AwsStage) -> None:
    """It is not written then, and `dns_answers` must know it all the same, or no such failover is ever verified."""
    target = await cases.weighted(aws_stage)
    share = cases.record(cases.RECOVERY, SetIdentifier="recovery", Weight=20, HealthCheckId="recovery")
    aws_stage.aws.route53.put(cases.zone(aws_stage), share)
    doing = await DoingAws.on(aws_stage, "aws.route53_failover", target, to="recovery")
    plan = await doing.plan()
    await doing.apply(plan)
    aws_stage.pass_time(120)
    asked = condition_named("dns_answers")
    world = World(None, None, None, account=doing.stage.client())
    known = Known(aws_stage.clock.now(), {}, done=(plan,))
    look = await asked.look(world, target, asked.params.model_validate({}), known)
    assert look.answer is Answer.YES, look.seen


def test_an_address_has_one_spelling_whoever_wrote_it() -> None:
    assert plain_value("2A00:1450:4001:082B:0:0:0:200E") == plain_value("2a00:1450:4001:82b::200e")
    assert plain_value("WWW.example.org.") == "www.example.org"


async def test_a_health_check_that_others_wrote_as_well_is_neither_ours_nor_put_back(aws_stage: AwsStage) -> None:
    """That it says what we wanted does not tell who wrote last (S15)."""
    target = await cases.pair(aws_stage)
    doing = await DoingAws.on(aws_stage, "aws.route53_failover", target, away_from_primary=True)
    plan = await doing.plan()
    await doing.apply(plan)
    assert (await doing.landed(plan)).answer is Answer.YES
    aws_stage.aws.route53.health_checks["primary"].version += 1
    assert (await doing.landed(plan)).answer is Answer.UNKNOWN
    assert await doing.undo_plan(plan) is None
