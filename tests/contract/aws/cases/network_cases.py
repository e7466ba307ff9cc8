"""Names that lead elsewhere, zones that are left, addresses that are blocked."""

from typing import Any

from remediator.sandbox.aws.route53 import Zone
from remediator.targets import Target
from tests.contract.aws.case import AwsCase, Refusal, Spoil
from tests.support.aws_stage import AwsStage

HOME, RECOVERY = "192.0.2.1", "192.0.2.2"
ABUSIVE, OTHERS = "93.184.216.34", "93.184.216.0/24"


def record(value: str = HOME, **more: Any) -> dict[str, Any]:
    return {"Name": "www.example.org", "Type": "A", "TTL": 60, "ResourceRecords": [{"Value": value}], **more}


def zone(stage: AwsStage) -> Zone:
    found: Zone = stage.aws.route53.zones["ZEXAMPLE"]
    return found


def _zone(stage: AwsStage, *records: dict[str, Any]) -> Target:
    made = stage.aws.route53.zone("example.org", id="ZEXAMPLE")
    stage.aws.route53.zone("example.org", private=True)
    for one in records:
        stage.aws.route53.put(made, one)
    return stage.target("route53-record", "www.example.org:A", "example.org")


async def weighted(stage: AwsStage) -> Target:
    """All weight at home, and a recovery site whose health check is well."""
    stage.aws.route53.health_check("recovery")
    return _zone(
        stage,
        record(SetIdentifier="home", Weight=100),
        record(RECOVERY, SetIdentifier="recovery", Weight=0, HealthCheckId="recovery"),
    )


async def simple(stage: AwsStage) -> Target:
    return _zone(stage, record())


async def pair(stage: AwsStage) -> Target:
    """A primary whose checkers still reach it, and a secondary."""
    stage.aws.route53.health_check("primary")
    return _zone(
        stage,
        record(SetIdentifier="home", Failover="PRIMARY", HealthCheckId="primary"),
        record(RECOVERY, SetIdentifier="recovery", Failover="SECONDARY"),
    )


def weights(stage: AwsStage) -> dict[str, int]:
    found = stage.aws.route53.found(zone(stage), "www.example.org", "A")
    return {one["SetIdentifier"]: one["Weight"] for one in found}


def mark(stage: AwsStage) -> bool:
    return bool(stage.aws.route53.found(zone(stage), "_remediator.www.example.org", "TXT"))


def led_by_weight(stage: AwsStage) -> int:
    """Records and mark go together; half of it would be wrong."""
    found = weights(stage)
    return {(100, 0, False): 0, (0, 100, True): 1}.get((found["home"], found["recovery"], mark(stage)), -1)


def led_by_value(stage: AwsStage) -> int:
    [one] = stage.aws.route53.found(zone(stage), "www.example.org", "A")
    value = one["ResourceRecords"][0]["Value"]
    return {(HOME, False): 0, (RECOVERY, True): 1}.get((value, mark(stage)), -1)


def led_by_check(stage: AwsStage) -> int:
    """Healthy as long as nobody told it otherwise, since its checkers do reach it."""
    return 0 if stage.aws.route53.health_checks["primary"].healthy else 1


def _no_records(stage: AwsStage) -> None:
    zone(stage).records.clear()


def _records(*records: dict[str, Any]) -> Spoil:
    def spoil(stage: AwsStage) -> None:
        _no_records(stage)
        for one in records:
            stage.aws.route53.put(zone(stage), one)

    return spoil


def _recovery_is_down(stage: AwsStage) -> None:
    stage.aws.route53.health_checks["recovery"].sees = False


def _primary_is_told(stage: AwsStage) -> None:
    check = stage.aws.route53.health_checks["primary"]
    check.inverted = check.disabled = True


async def front(stage: AwsStage) -> Target:
    stage.aws.elbv2.put("front")
    return stage.target("load-balancer", "front")


def shifts(stage: AwsStage) -> int:
    return len(stage.aws.arc_zonal_shift.active(_arn(stage)))


def _arn(stage: AwsStage) -> str:
    return str(stage.aws.elbv2.load_balancers["front"].arn)


def _shifted(stage: AwsStage) -> None:
    stage.aws.arc_zonal_shift.put(_arn(stage), "euc1-az2")


def _autoshifted(stage: AwsStage) -> None:
    stage.aws.arc_zonal_shift.autoshifted[_arn(stage)] = "euc1-az2"


def _unmanaged(stage: AwsStage) -> None:
    stage.aws.arc_zonal_shift.unmanaged.add(_arn(stage))


def _zones(*names: str) -> Spoil:
    def spoil(stage: AwsStage) -> None:
        stage.aws.elbv2.load_balancers["front"].zones = names

    return spoil


async def blockable(stage: AwsStage) -> Target:
    stage.aws.wafv2.put("blocked", "203.0.113.9/32", description="for the firewall")
    return stage.target("waf-address", ABUSIVE, "regional:blocked")


def blocked(stage: AwsStage) -> int:
    """What others put there stays, and so do their words."""
    kept = stage.aws.wafv2.ip_sets["blocked"]
    assert "203.0.113.9/32" in kept.addresses
    assert kept.description.startswith("for the firewall")
    return int(kept.addresses.count(f"{ABUSIVE}/32"))


def _holds(*addresses: str) -> Spoil:
    def spoil(stage: AwsStage) -> None:
        stage.aws.wafv2.write("blocked", list(addresses))

    return spoil


def _for_ipv6(stage: AwsStage) -> None:
    stage.aws.wafv2.ip_sets["blocked"].version = "IPV6"


_WHOLE = [f"10.{number // 256}.{number % 256}.1/32" for number in range(10_000)]

CASES = (
    AwsCase(
        "aws.route53_failover",
        name="weights",
        prepare=weighted,
        changes=led_by_weight,
        write=("route53", "ChangeResourceRecordSets"),
        params={"to": "recovery"},
        undoable=True,
        # Asked for only where the zone is given by its id.
        extra=frozenset({"route53:GetHostedZone"}),
        refusals=(
            Refusal("gone", _no_records, "target_not_found"),
            Refusal("simple", _records(record()), "not_weighted"),
            Refusal("no-such-set", _records(record(SetIdentifier="home", Weight=1)), "no_such_set"),
            Refusal(
                "there-already",
                _records(record(SetIdentifier="home", Weight=0), record(RECOVERY, SetIdentifier="recovery", Weight=9)),
                "nothing_to_change",
            ),
            Refusal("recovery-down", _recovery_is_down, "recovery_unhealthy"),
        ),
    ),
    AwsCase(
        "aws.route53_failover",
        name="values",
        prepare=simple,
        changes=led_by_value,
        write=("route53", "ChangeResourceRecordSets"),
        params={"values": [RECOVERY]},
        undoable=True,
        extra=frozenset({"route53:GetHostedZone"}),
        refusals=(
            Refusal("weighted", _records(record(SetIdentifier="home", Weight=1)), "not_simple"),
            Refusal("there-already", _records(record(RECOVERY)), "nothing_to_change"),
        ),
    ),
    AwsCase(
        "aws.route53_failover",
        name="primary",
        prepare=pair,
        changes=led_by_check,
        write=("route53", "UpdateHealthCheck"),
        params={"away_from_primary": True},
        undoable=True,
        extra=frozenset({"route53:GetHostedZone"}),
        refusals=(
            Refusal("told-already", _primary_is_told, "nothing_to_change"),
            Refusal("no-pair", _records(record()), "no_failover_pair"),
            Refusal(
                "no-check",
                _records(
                    record(SetIdentifier="home", Failover="PRIMARY"),
                    record(RECOVERY, SetIdentifier="recovery", Failover="SECONDARY"),
                ),
                "no_health_check",
            ),
        ),
    ),
    AwsCase(
        "aws.zonal_shift",
        prepare=front,
        changes=shifts,
        write=("arc-zonal-shift", "StartZonalShift"),
        params={"away_from": "euc1-az1", "expires_in": "12h"},
        undoable=True,
        refusals=(
            Refusal("shifted", _shifted, "shift_under_way"),
            Refusal("autoshifted", _autoshifted, "autoshift_under_way"),
            Refusal("one-zone", _zones("eu-central-1a"), "no_zone_left"),
            Refusal("no-zone", _zones(), "no_such_zone"),
            Refusal("unmanaged", _unmanaged, "target_not_found"),
            Refusal("gone", lambda stage: stage.aws.elbv2.load_balancers.clear(), "target_not_found"),
        ),
    ),
    AwsCase(
        "aws.waf_block_address",
        prepare=blockable,
        changes=blocked,
        write=("wafv2", "UpdateIPSet"),
        params={"never": ["192.0.2.0/24"]},
        undoable=True,
        refusals=(
            Refusal("blocked-already", _holds(OTHERS), "nothing_to_change"),
            Refusal("full", _holds(*_WHOLE), "set_is_full"),
            Refusal("ipv6-set", _for_ipv6, "wrong_kind_of_address"),
            Refusal("gone", lambda stage: stage.aws.wafv2.ip_sets.clear(), "target_not_found"),
        ),
    ),
)
