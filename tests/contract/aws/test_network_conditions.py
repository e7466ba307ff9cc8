"""What conditions say of buckets, metrics, health checks, names and addresses: yes, no, and unknown where it is not known (S7)."""

from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from pydantic import ValidationError

from remediator.answers import Answer
from remediator.clients.aws import s3
from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.cloudwatch import Metric, newest
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.conditions.health_check_healthy import health
from remediator.targets import Target
from tests.contract.aws.cases import cache_cases, network_cases
from tests.support.aws_stage import AwsStage

CRON_JOB = Target.kubernetes("sandbox", "shop", "cronjob", "backup")


async def look(
    stage: AwsStage, name: str, target: Target = CRON_JOB, *, labels: dict[str, str] | None = None, **params: Any
) -> Look:
    """With exactly the rights that it declares."""
    condition = condition_named(name)
    chosen = condition.params.model_validate(params)
    world = World(None, None, None, account=stage.client(condition.permissions(target.kind, chosen)))
    known = Known(datetime.now(UTC), labels or {}, {"bucket": "backups", "check": "recovery"})
    return await condition.look(world, target, chosen, known)


def stored(stage: AwsStage, key: str, size: int, hours: float, bucket: str = "backups") -> None:
    stage.aws.s3.put(bucket, key, size, stage.clock.now() - timedelta(hours=hours))


async def test_a_backup_is_fresh_by_its_time_and_its_size_and_not_by_its_name(aws_stage: AwsStage) -> None:
    fresh: dict[str, Any] = {"bucket": "{{ vars.bucket }}", "prefix": "db/", "within": "3h", "min_size": "1MiB"}
    assert (await look(aws_stage, "s3_fresh", **fresh)).answer is Answer.UNKNOWN, "no such bucket"
    aws_stage.aws.s3.bucket("backups")
    assert (await look(aws_stage, "s3_fresh", **fresh)).answer is Answer.NO
    stored(aws_stage, "db/zzz-latest", 5 << 20, 30)
    stored(aws_stage, "db/empty", 0, 1)
    stored(aws_stage, "other/a", 5 << 20, 1)
    old = await look(aws_stage, "s3_fresh", **fresh)
    assert old.answer is Answer.NO and "zzz-latest" in old.seen
    stored(aws_stage, "db/aaa", 1 << 20, 2)
    assert (await look(aws_stage, "s3_fresh", **fresh)).answer is Answer.YES


async def test_a_backup_of_the_attempt_before_is_none_of_this_run(aws_stage: AwsStage) -> None:
    condition = condition_named("s3_fresh")
    chosen = condition.params.model_validate({"bucket": "backups", "within": "3h", "of_this_run": True})
    world = World(None, None, None, account=aws_stage.client(condition.permissions("cronjob", chosen)))
    begun = aws_stage.clock.now() - timedelta(minutes=10)
    stored(aws_stage, "db/failed-attempt", 5 << 20, 0.5)

    async def answer(run_since: datetime | None) -> Answer:
        return (await condition.look(world, CRON_JOB, chosen, Known(datetime.now(UTC), {}, run_since=run_since))).answer

    assert await answer(None) is Answer.UNKNOWN
    assert await answer(begun) is Answer.NO
    stored(aws_stage, "db/again", 5 << 20, 0.1)
    assert await answer(begun) is Answer.YES


async def test_the_newest_may_stand_on_any_page(aws_stage: AwsStage, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh: dict[str, Any] = {"bucket": "backups", "within": "3h"}
    for number in range(1200):
        stored(aws_stage, f"{number:05d}", 1, 30)
    stored(aws_stage, "01100", 1, 1)
    assert (await look(aws_stage, "s3_fresh", **fresh)).answer is Answer.YES
    monkeypatch.setattr(s3, "LIST_LIMIT", 1000)
    cut = await look(aws_stage, "s3_fresh", **fresh)
    assert cut.answer is Answer.UNKNOWN and "narrow prefix" in cut.seen
    stored(aws_stage, "00001", 1, 1)
    assert (await look(aws_stage, "s3_fresh", **fresh)).answer is Answer.YES, "what was seen is enough"


async def test_labels_may_choose_a_prefix_and_never_a_bucket(aws_stage: AwsStage) -> None:
    stored(aws_stage, "orders/1", 1, 1)
    asked: dict[str, Any] = {"bucket": "backups", "prefix": "{{ labels.db }}/", "within": "3h"}
    assert (await look(aws_stage, "s3_fresh", labels={"db": "orders"}, **asked)).answer is Answer.YES
    assert (await look(aws_stage, "s3_fresh", labels={"db": "a\nb"}, **asked)).answer is Answer.UNKNOWN
    assert (await look(aws_stage, "s3_fresh", **asked)).answer is Answer.UNKNOWN
    for bucket in ("{{ labels.bucket }}", "Backups", "a", "a/b"):
        with pytest.raises(ValidationError):
            condition_named("s3_reachable").params.model_validate({"bucket": bucket})


async def test_a_bucket_that_is_not_there_is_a_no_and_one_that_may_not_be_seen_is_unknown(aws_stage: AwsStage) -> None:
    assert (await look(aws_stage, "s3_reachable", bucket="files")).answer is Answer.NO
    aws_stage.aws.s3.bucket("files")
    assert (await look(aws_stage, "s3_reachable", bucket="files")).answer is Answer.YES
    aws_stage.aws.deny("s3:ListBucket")
    denied = await look(aws_stage, "s3_reachable", bucket="files")
    assert denied.answer is Answer.UNKNOWN and "missing permission" in denied.seen


async def test_a_metric_without_a_value_is_unknown(aws_stage: AwsStage) -> None:
    asked: dict[str, Any] = {
        "namespace": "AWS/ElastiCache",
        "metric": "EngineCPUUtilization",
        "dimensions": {"CacheClusterId": "{{ labels.node }}"},
    }
    labels = {"node": "sessions-001"}
    assert (await look(aws_stage, "cloudwatch", labels=labels, below=90, **asked)).answer is Answer.UNKNOWN
    aws_stage.aws.cloudwatch.put("AWS/ElastiCache", "EngineCPUUtilization", {"CacheClusterId": "sessions-001"}, 42.0)
    assert (await look(aws_stage, "cloudwatch", labels=labels, below=90, **asked)).answer is Answer.YES
    assert (await look(aws_stage, "cloudwatch", labels=labels, above=90, **asked)).answer is Answer.NO
    assert (await look(aws_stage, "cloudwatch", below=90, **asked)).answer is Answer.UNKNOWN, "no such label"
    for wrong in ({}, {"below": 1, "above": 1}, {"below": 1, "period": "90s"}, {"below": 1, "within": "1m"}):
        with pytest.raises(ValidationError):
            condition_named("cloudwatch").params.model_validate({**asked, **wrong})


async def test_what_is_counted_is_known_of_a_period_that_is_over() -> None:
    """CloudWatch also tells of the one under way: a handful of seconds of it would look like a collapse."""
    now = datetime(2026, 11, 30, 12, 10, 20, tzinfo=UTC)
    minutes = [now.replace(second=0) - timedelta(minutes=ago) for ago in (0, 1, 2)]

    class Told:
        def now(self) -> datetime:
            return now

        async def read(self, *_: str, **__: Any) -> dict[str, Any]:
            return {"MetricDataResults": [{"Id": "m0", "Timestamps": minutes, "Values": [3.0, 600.0, 590.0]}]}

    values = {}
    for stat in ("Sum", "SampleCount", "Maximum"):
        found = await newest(cast(AwsApi, Told()), Metric("Shop", "Requests", stat=stat), timedelta(minutes=5))
        values[stat] = found and found.value
    assert values == {"Sum": 600.0, "SampleCount": 600.0, "Maximum": 3.0}
    asked = {"namespace": "Shop", "metric": "Requests", "statistic": "Sum", "period": "5m", "within": "6m", "below": 1}
    with pytest.raises(ValidationError, match="twice the period"):
        condition_named("cloudwatch").params.model_validate(asked)


async def test_what_a_checker_saw_long_ago_is_nothing_seen() -> None:
    now = datetime(2026, 11, 30, 12, tzinfo=UTC)

    class Told:
        ago = timedelta(minutes=4)

        def now(self) -> datetime:
            return now

        async def read(self, _: str, operation: str, **__: Any) -> dict[str, Any]:
            if operation == "get_health_check":
                return {"HealthCheck": {"Id": "x", "HealthCheckVersion": 1, "HealthCheckConfig": {"Type": "HTTPS"}}}
            report = {"Status": "Success: HTTP Status Code 200, OK", "CheckedTime": now - self.ago}
            return {"HealthCheckObservations": [{"Region": "eu-west-1", "StatusReport": report}]}

    told = Told()
    assert (await health(cast(AwsApi, told), "x")).answer is Answer.YES
    told.ago = timedelta(minutes=6)
    assert (await health(cast(AwsApi, told), "x")).answer is Answer.UNKNOWN


async def test_a_health_check_is_what_its_checkers_see(aws_stage: AwsStage) -> None:
    asked: dict[str, Any] = {"id": "{{ vars.check }}"}
    assert (await look(aws_stage, "health_check_healthy", **asked)).answer is Answer.UNKNOWN, "no such check"
    check = aws_stage.aws.route53.health_check("recovery")
    assert (await look(aws_stage, "health_check_healthy", **asked)).answer is Answer.YES
    check.inverted = check.disabled = True
    assert (await look(aws_stage, "health_check_healthy", **asked)).answer is Answer.YES
    check.sees = False
    assert (await look(aws_stage, "health_check_healthy", **asked)).answer is Answer.NO
    check.type = "CALCULATED"
    assert (await look(aws_stage, "health_check_healthy", **asked)).answer is Answer.UNKNOWN


async def test_a_name_is_answered_by_what_its_servers_have(aws_stage: AwsStage) -> None:
    target = await network_cases.weighted(aws_stage)
    assert (await look(aws_stage, "dns_answers", target)).answer is Answer.UNKNOWN, "nothing says what is expected"
    assert (await look(aws_stage, "dns_answers", target, values=[network_cases.HOME])).answer is Answer.YES
    assert (await look(aws_stage, "dns_answers", target, values=[network_cases.RECOVERY])).answer is Answer.NO
    other = aws_stage.target("route53-record", "none.example.org:A", "example.org")
    assert (await look(aws_stage, "dns_answers", other, values=["192.0.2.9"])).answer is Answer.NO
    assert (await look(aws_stage, "dns_answers", values=["192.0.2.9"])).answer is Answer.UNKNOWN
    both = [{"Value": network_cases.HOME}, {"Value": network_cases.RECOVERY}]
    network_cases.zone(aws_stage).served.clear()
    aws_stage.aws.route53.put(network_cases.zone(aws_stage), network_cases.record() | {"ResourceRecords": both})
    seen = await look(aws_stage, "dns_answers", target, values=[network_cases.RECOVERY])
    assert seen.answer is Answer.NO and network_cases.RECOVERY in seen.seen.partition("wanted")[0], seen


async def test_a_cache_is_ready_with_a_replica_that_is_known_to_be_in_sync(aws_stage: AwsStage) -> None:
    target = await cache_cases.sessions(aws_stage)
    assert (await look(aws_stage, "elasticache_failover_ready", target)).answer is Answer.YES
    assert (await look(aws_stage, "elasticache_available", target)).answer is Answer.YES
    assert (await look(aws_stage, "elasticache_primary_moved", target)).answer is Answer.UNKNOWN, (
        "no failover of this run"
    )
    for lag_s, answer in ((30.0, Answer.NO), (None, Answer.UNKNOWN)):
        for member in cache_cases.group(aws_stage).node_groups[0].members:
            member.lag_s = lag_s
        assert (await look(aws_stage, "elasticache_failover_ready", target)).answer is answer
    aws_stage.aws.elasticache.call_failover("sessions")
    assert (await look(aws_stage, "elasticache_failover_ready", target)).answer is Answer.NO
    assert (await look(aws_stage, "elasticache_available", target)).answer is Answer.NO
    assert (await look(aws_stage, "elasticache_available")).answer is Answer.UNKNOWN


async def test_addresses_are_judged_without_asking_anybody(aws_stage: AwsStage) -> None:
    target = await network_cases.blockable(aws_stage)
    among = ["93.184.216.0/24"]
    assert (await look(aws_stage, "waf_contains", target)).answer is Answer.NO
    aws_stage.aws.wafv2.write("blocked", ["93.184.216.0/24"])
    assert (await look(aws_stage, "waf_contains", target)).answer is Answer.YES
    assert (await look(aws_stage, "address_public", target)).answer is Answer.YES
    assert (await look(aws_stage, "address_allowed", target, among=among)).answer is Answer.YES
    label: dict[str, Any] = {"address": "{{ labels.address }}"}
    for address, public, allowed in (
        ("10.0.0.1", Answer.NO, Answer.NO),
        ("::ffff:93.184.216.34", Answer.NO, Answer.NO),
        ("93.184.216.34/32", Answer.UNKNOWN, Answer.UNKNOWN),
    ):
        labels = {"address": address}
        assert (await look(aws_stage, "address_public", labels=labels, **label)).answer is public
        assert (await look(aws_stage, "address_allowed", labels=labels, among=among, **label)).answer is allowed
