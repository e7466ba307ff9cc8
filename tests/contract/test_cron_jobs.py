"""kubernetes.run_cronjob and its conditions, on the emulator and on a real API server."""

from datetime import UTC, datetime
from typing import Any

import pytest

from remediator.actions.base import PlanRefusedError
from remediator.answers import Answer
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.errors import OvertakenError, TransientError
from remediator.runs.plan import Plan
from tests.contract.doing import FIRST, SECOND, Doing
from tests.support import cron_jobs
from tests.support.clock import T0
from tests.support.cluster import Object, Stage

RUNS_ON = "succeed-after:600"


async def running(stage: Stage, **params: Any) -> Doing:
    return await Doing.on(stage, "kubernetes.run_cronjob", stage.target("backup", "cronjob"), **params)


async def look(stage: Stage, condition: str, *done: Plan) -> Look:
    asking = condition_named(condition)
    chosen = asking.params()
    client = await stage.client(asking.permissions("cronjob", chosen))
    target = stage.target("backup", "cronjob")
    return await asking.look(World(client, None, None), target, chosen, Known(T0, {}, done=done))


async def only_job(stage: Stage) -> Object:
    (job,) = await cron_jobs.jobs(stage)
    return job


async def test_the_job_is_what_kubectl_would_make(stage: Stage) -> None:
    made = await cron_jobs.cron_job(stage)
    plan = await (await running(stage)).do()
    metadata = (await only_job(stage))["metadata"]
    assert len(metadata["name"]) <= 63
    assert metadata["name"].startswith("backup-")
    assert metadata["labels"]["team"] == "database"
    assert metadata["annotations"]["purpose"] == "backup"
    assert metadata["annotations"]["cronjob.kubernetes.io/instantiate"] == "manual"
    assert metadata["annotations"]["remediator.dev/intent"] == FIRST
    (owner,) = metadata["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("CronJob", made["metadata"]["uid"], True)
    assert not owner.get("blockOwnerDeletion")
    assert plan.summary == f"run CronJob {stage.namespace}/backup once, now"


async def test_success_is_seen(stage: Stage) -> None:
    await cron_jobs.cron_job(stage)
    doing = await running(stage)
    plan = await doing.do()
    assert await cron_jobs.ended(stage, (await only_job(stage))["metadata"]["name"]) == "Complete"
    assert await doing.verify(plan) is Answer.YES
    assert (await look(stage, "job_complete", plan)).answer is Answer.YES
    assert (await look(stage, "job_running", plan)).answer is Answer.NO
    assert await doing.undo_plan(plan) is None


async def test_failure_is_seen_and_is_an_end(stage: Stage) -> None:
    await cron_jobs.cron_job(stage, behaviour="fail")
    doing = await running(stage)
    plan = await doing.do()
    assert await cron_jobs.ended(stage, (await only_job(stage))["metadata"]["name"]) == "Failed"
    assert await doing.verify(plan) is Answer.YES
    failed = await look(stage, "job_complete", plan)
    assert failed.answer is Answer.NO
    assert "BackoffLimitExceeded" in failed.seen


async def test_not_while_one_runs(stage: Stage) -> None:
    await cron_jobs.cron_job(stage, behaviour=RUNS_ON, spec={"concurrencyPolicy": "Allow"})
    doing = await running(stage)
    plan = await doing.do()
    assert await doing.verify(plan) is Answer.NO
    assert (await look(stage, "job_running")).answer is Answer.YES
    assert (await look(stage, "job_complete", plan)).answer is Answer.NO
    with pytest.raises(PlanRefusedError) as refused:
        await doing.plan()
    assert (refused.value.code, refused.value.kind) == ("job_running", "wait")


async def test_one_that_began_after_the_plan_stops_it(stage: Stage) -> None:
    await cron_jobs.cron_job(stage, behaviour=RUNS_ON)
    doing = await running(stage)
    plan = await doing.plan()
    await doing.apply(plan, FIRST)
    with pytest.raises(OvertakenError, match="running"):
        await doing.apply(plan, SECOND)
    await only_job(stage)


async def test_sent_again_it_is_found_done(stage: Stage) -> None:
    await cron_jobs.cron_job(stage)
    doing = await running(stage)
    plan = await doing.plan()
    await doing.apply(plan)
    assert "found done already" in (await doing.apply(plan)).summary
    await only_job(stage)
    assert (await doing.landed(plan)).answer is Answer.YES
    assert (await doing.landed(plan, SECOND, datetime.now(UTC))).answer is Answer.NO


async def test_the_name_follows_from_the_intent_and_is_refused_to_others(stage: Stage) -> None:
    """Somebody else has a Job of that name: it is neither taken for ours nor replaced."""
    await cron_jobs.cron_job(stage)
    doing = await running(stage)
    plan = await doing.do()
    job = await only_job(stage)
    name = job["metadata"]["name"]
    await stage.delete("Job", name, {"propagationPolicy": "Background"})
    await stage.gone("Job", name)
    other = {key: job["spec"]["template"]["spec"][key] for key in ("containers", "restartPolicy")}
    await stage.create({"kind": "Job", "metadata": {"name": name}, "spec": {"template": {"spec": other}}})
    with pytest.raises(TransientError):
        await doing.apply(plan)
    assert (await only_job(stage))["metadata"].get("ownerReferences") is None


async def test_a_suspended_one_runs_only_if_the_playbook_says_so(stage: Stage) -> None:
    await cron_jobs.cron_job(stage, spec={"suspend": True})
    with pytest.raises(PlanRefusedError, match="suspended: accept") as refused:
        await (await running(stage)).plan()
    assert refused.value.kind == "refuse"
    await (await running(stage, suspended="accept")).do()
    await only_job(stage)
    assert (await stage.get("CronJob", "backup"))["spec"]["suspend"] is True


@pytest.mark.parametrize(
    "kept", [{"spec": {"successfulJobsHistoryLimit": 0}}, {"job": {"ttlSecondsAfterFinished": 0}}], ids=["limit", "ttl"]
)
async def test_where_jobs_vanish_their_absence_proves_nothing(stage: Stage, kept: dict[str, Any]) -> None:
    """A second backup because the first one's traces are gone would be one too many."""
    await cron_jobs.cron_job(stage, **kept)
    doing = await running(stage)
    plan = await doing.plan()
    assert (await doing.landed(plan, begun_at=datetime.now(UTC))).answer is Answer.UNKNOWN


async def test_a_job_that_is_gone_is_no_success(stage: Stage) -> None:
    await cron_jobs.cron_job(stage)
    doing = await running(stage)
    plan = await doing.do()
    name = (await only_job(stage))["metadata"]["name"]
    await stage.delete("Job", name, {"propagationPolicy": "Background"})
    await stage.gone("Job", name)
    assert await doing.verify(plan) is Answer.UNKNOWN
    assert (await look(stage, "job_complete", plan)).answer is Answer.UNKNOWN


async def test_a_mark_in_the_template_makes_no_job_ours(stage: Stage) -> None:
    """A CronJob written after the example of a Job of ours: each of its Jobs bears that mark."""
    await cron_jobs.cron_job(stage)
    marked = {"metadata": {"annotations": {"remediator.dev/intent": SECOND}}}
    await stage.patch("CronJob", "backup", {"spec": {"jobTemplate": marked}})
    doing = await running(stage)
    plan = await doing.do()
    ours = await only_job(stage)
    assert await cron_jobs.ended(stage, ours["metadata"]["name"]) == "Complete"
    owners = ours["metadata"]["ownerReferences"]
    spec = (await stage.get("CronJob", "backup"))["spec"]["jobTemplate"]["spec"]
    metadata = {"name": "backup-by-hand", "ownerReferences": owners, **marked["metadata"]}
    await stage.create({"kind": "Job", "metadata": metadata, "spec": {**spec, "suspend": True}})
    assert (await look(stage, "job_complete", plan)).answer is Answer.YES
    assert await doing.verify(plan) is Answer.YES
    assert (await doing.landed(plan, SECOND)).answer is not Answer.YES


async def test_before_any_run_the_newest_job_counts(stage: Stage) -> None:
    await cron_jobs.cron_job(stage, behaviour="fail")
    assert (await look(stage, "job_complete")).answer is Answer.NO
    await (await running(stage)).do()
    await cron_jobs.ended(stage, (await only_job(stage))["metadata"]["name"])
    assert (await look(stage, "job_complete")).answer is Answer.NO
    assert (await look(stage, "job_running")).answer is Answer.NO


async def test_a_cron_job_that_was_made_again_is_another(stage: Stage) -> None:
    await cron_jobs.cron_job(stage)
    doing = await running(stage)
    plan = await doing.plan()
    await stage.delete("CronJob", "backup")
    await stage.gone("CronJob", "backup")
    with pytest.raises(OvertakenError, match="gone"):
        await doing.apply(plan)
    await cron_jobs.cron_job(stage)
    with pytest.raises(OvertakenError, match="made again"):
        await doing.apply(plan)
    assert await cron_jobs.jobs(stage) == []
    assert (await doing.landed(plan)).answer is Answer.UNKNOWN
    assert await doing.verify(plan) is Answer.UNKNOWN


async def test_another_template_than_planned_is_not_run(stage: Stage) -> None:
    await cron_jobs.cron_job(stage)
    doing = await running(stage)
    plan = await doing.plan()
    await stage.patch("CronJob", "backup", {"spec": {"jobTemplate": {"spec": {"backoffLimit": 3}}}})
    with pytest.raises(OvertakenError, match="template"):
        await doing.apply(plan)
