"""The scenes. Each makes something happen in the simulated world, waits for the service, and checks world, store and pager."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from remediator.drills.demo_stage import DATABASE, NAMESPACE, NotAsToldError, Stage, with_aws
from remediator.drills.demo_story import Narrator
from remediator.sandbox import workloads
from remediator.sandbox.pagerduty import Incident
from remediator.store.incidents import IncidentRow
from remediator.store.runs import RunRow

SCENES = 5 if with_aws() else 4


async def set_the_stage(stage: Stage) -> None:
    """Three healthy services, and the alert rules over two of them."""
    for name in ("checkout", "payments", "catalog"):
        stage.world.deploy(NAMESPACE, name)
    for name in ("checkout", "payments", "catalog"):
        stage.timeline.waiting("three services come up in the simulated cluster ...")
        await stage.world.rolled_out(NAMESPACE, name)
    for name, alertname, told in (
        ("checkout", "ServiceDown", "its pods crash"),
        ("payments", "RolloutStuck", "its pods do not become ready"),
    ):
        stage.world.alert_when(
            lambda name=name: stage.sick(name),  # type: ignore[misc]
            alertname,
            {"namespace": NAMESPACE, "deployment": name, "severity": "critical"},
            {
                "summary": f"{NAMESPACE}/{name}: {told}",
                "runbook_url": f"https://runbooks.example/{alertname}",
            },
            for_s=0.5,
        )
    if with_aws():
        database = stage.world.aws.rds.put(DATABASE)
        stage.world.alert_when(
            lambda: not database.reachable,
            "DatabaseConnectionFailure",
            {"dbinstance_identifier": DATABASE, "severity": "critical"},
            {
                "summary": f"{DATABASE}: no client gets through",
                "runbook_url": "https://runbooks.example/database-failover",
            },
            for_s=0.5,
        )


async def play_all(stage: Stage, narrator: Narrator) -> None:
    """All of them, in order.

    Raises:
        NotAsToldError: a step did not go as told; nothing after it is played.
    """
    await crash_loop(stage, narrator)
    await cooldown(stage, narrator)
    page = await never_ready(stage, narrator)
    await duplicate(stage, narrator, page)
    if with_aws():
        await failover(stage, narrator)
    else:
        stage.timeline.say("A scene about a database at AWS is left out: it needs remediator[aws].", style="dim")


async def crash_loop(stage: Stage, narrator: Narrator) -> None:
    """A crash-looping service is restarted, verified and resolved."""
    stage.timeline.scene(
        1,
        SCENES,
        "A service crash-loops; a restart cures it",
        "shop/checkout ran into a bug that a fresh pod is free of.",
    )
    stage.world.sicken(NAMESPACE, "checkout")
    run = await _end_of_run(stage, "checkout")
    await narrator.catch_up()
    await _outcome(
        stage, run, "verified", "the fix is verified: rollout, pods and the alert itself agree, and it held for 2s"
    )
    incident = await _closed(stage, "checkout")
    await narrator.catch_up()
    stage.check("restarted exactly once", 1, stage.restarts("checkout"))
    _made_by_remediator(stage, "checkout")
    stage.check("the incident is closed", "closed", incident.state)
    _nobody_paged(stage)


async def cooldown(stage: Stage, narrator: Narrator) -> None:
    """A second alert inside the cooldown is denied, with the reason and when it could pass."""
    stage.timeline.scene(
        2,
        SCENES,
        "It crashes again, minutes too soon",
        "A second restart would only hide the bug, so the playbook's cooldown of 15m stands in the way.",
    )
    stage.world.sicken(NAMESPACE, "checkout")

    decision = await stage.until(
        "the second alert is decided", "a denial that names the cooldown", lambda: _denial(stage, "checkout")
    )
    await narrator.catch_up()
    reason = next((one for one in decision["reasons"] if one["guard"] == "cooldown"), None)
    if reason is None or reason["earliest"] is None:
        raise NotAsToldError("the denial says why", "the cooldown and its end", str(decision["reasons"]))
    free_at = datetime.fromisoformat(reason["earliest"])
    stage.check("denied for now, not refused", "wait", decision["kind"])
    stage.timeline.went(f"the reason is the cooldown, and it could pass at {free_at:%H:%M:%S}Z")
    stage.check("still restarted only once", 1, stage.restarts("checkout"))
    _nobody_paged(stage, "nobody is paged yet; if it still fired after 5m, somebody would be")
    stage.timeline.say(
        "Somebody rolls the release back by hand: the service recovers, the incident is over.", style="dim"
    )
    stage.world.sicken(NAMESPACE, "checkout", "healthy")
    incident = await _closed(stage, "checkout")
    await narrator.catch_up()
    stage.check("the incident is closed", "closed", incident.state)


async def never_ready(stage: Stage, narrator: Narrator) -> Incident:
    """A rollout that never becomes ready is paged, with everything that was tried."""
    stage.timeline.scene(
        3,
        SCENES,
        "A rollout never becomes ready; a person is paged",
        "shop/payments cannot start without a database that is gone. No restart cures that.",
    )
    stage.world.sicken(NAMESPACE, "payments", "never-ready")
    run = await _end_of_run(stage, "payments")
    await narrator.catch_up()
    await _outcome(stage, run, "refuted", "the restart was refuted: it did not help, and remediator says so")

    async def paged() -> Incident | None:
        return next(iter(stage.world.pagerduty.open()), None)

    page = await stage.until("a person is paged", "one open incident at PagerDuty", paged)
    decision = await stage.until(
        "the alert is decided again", "a denial, because the restart was refuted", lambda: _denial(stage, "payments")
    )
    await narrator.catch_up()
    stage.check("restarted exactly once, nothing blunter was tried", 1, stage.restarts("payments"))
    stage.check("it will not try again by itself", "refuse", decision["kind"])
    incident = await stage.incident_of("payments")
    stage.check("the incident stays open", "open", None if incident is None else incident.state)
    stage.check("one incident at PagerDuty", 1, len(stage.world.pagerduty.incidents()))
    stage.check("it is triggered, and nobody but a person acknowledges it", "triggered", page.status)
    tried = " ".join(str(line) for line in page.details.get("tried", ()))
    stage.check("the page tells what was tried", True, "rollout_restart" in tried and "refuted" in tried)
    stage.timeline.gap()
    show_page(stage, page)
    return page


async def duplicate(stage: Stage, narrator: Narrator, page: Incident) -> None:
    """The same webhook once more, byte for byte, changes nothing."""
    stage.timeline.scene(
        4,
        SCENES,
        "Alertmanager says it twice",
        "The delivery about shop/payments comes once more, byte for byte, as after a lost answer.",
    )
    sent = [one for one in stage.world.alertmanager.attempts if b'"RolloutStuck"' in one.body and one.status == 200]
    if not sent:
        raise NotAsToldError("the delivery can be repeated", "one delivery about shop/payments", "none")
    before = await stage.counts()
    answer = await stage.post(sent[0].body)
    stage.timeline.happened(
        stage.clock.now(),
        "alert",
        f"the same body again; answered 200: new {answer['new']}, repeats {answer['repeats']}",
    )
    stage.timeline.waiting("giving it time to do something that it should not ...")
    await stage.clock.sleep(1.0)
    await narrator.catch_up()
    after = await stage.counts()
    stage.timeline.counts(before, after)
    stage.check("it is known as a repeat", (0, 1), (answer["new"], answer["repeats"]))
    stage.check("nothing was changed by it, nothing was done twice", before, after)
    stage.check("the page stands as it was", ["triggered"], [one.status for one in stage.world.pagerduty.open()])
    stage.check("and it is the same one", page.id, stage.world.pagerduty.open()[0].id)


async def failover(stage: Stage, narrator: Narrator) -> None:
    """A database's primary is in trouble; a person reads the plan and lets it fail over."""
    stage.timeline.scene(
        5,
        SCENES,
        "A database at AWS cannot be reached; a person lets it fail over",
        f"The host of {DATABASE}, an RDS instance with a standby in another zone, is in trouble, and RDS has not noticed.",
    )
    rds = stage.world.aws.rds
    before = rds.instances[DATABASE].zone
    rds.break_host(DATABASE)

    async def waits() -> RunRow | None:
        return next((run for run in await stage.runs_of(DATABASE) if run.state == "approval"), None)

    run = await stage.until("a plan waits for a yes", "a run that waits for approval", waits, within_s=60.0)
    await narrator.catch_up()
    stage.check("nothing is sent before somebody says yes", [], stage.world.aws.writes)
    plan = await stage.approve(run.id)
    stage.timeline.happened(stage.clock.now(), "person", f"remediator approve {run.id} --plan {plan}")
    run = await _end_of_run(stage, DATABASE)
    await narrator.catch_up()
    await _outcome(
        stage, run, "verified", "the failover is verified: another zone writes, it is available, and the alert is over"
    )
    incident = await _closed(stage, DATABASE)
    await narrator.catch_up()
    sent = [(one.service, one.operation) for one in stage.world.aws.writes]
    stage.check("one request changed something at AWS", [("rds", "RebootDBInstance")], sent)
    stage.check("failed over exactly once", 1, rds.instances[DATABASE].failovers)
    stage.check(f"it no longer writes in {before}", True, rds.instances[DATABASE].zone != before)
    stage.check("the incident is closed", "closed", incident.state)


def show_page(stage: Stage, page: Incident) -> None:
    """The page as the engineer sees it."""
    sections = [
        (heading, [str(line) for line in page.details.get(name, ())])
        for name, heading in (("do_next", "do next"), ("state", "state"), ("tried", "tried"), ("seen", "seen"))
    ]
    links = [f"{link.get('text', '')}: {link.get('href', '')}" for link in page.links]
    title = f"PagerDuty #{page.number}, {page.severity}, {page.status} {page.created_at:%H:%M:%S}Z"
    stage.timeline.page(title, page.summary, [*sections, ("links", links)])


async def _denial(stage: Stage, name: str) -> Mapping[str, Any] | None:
    incident = await stage.incident_of(name)
    found = [] if incident is None else await stage.decisions(incident.id)
    return next((one for one in found if one["current"] and one["verdict"] == "deny"), None)


async def _end_of_run(stage: Stage, name: str) -> RunRow:
    return await stage.until(
        f"remediator deals with {_known_as(name)}",
        "a run that ends",
        lambda: stage.ended_run_of(name),
        within_s=60.0,
    )


async def _closed(stage: Stage, name: str) -> IncidentRow:
    async def closed() -> IncidentRow | None:
        found = await stage.incident_of(name)
        return found if found is not None and found.state == "closed" else None

    return await stage.until(f"{_known_as(name)} is over", "its incident closes", closed)


def _known_as(name: str) -> str:
    return name if name == DATABASE else f"{NAMESPACE}/{name}"


async def _outcome(stage: Stage, run: RunRow, expected: str, told: str) -> None:
    if run.outcome != expected:
        story = await stage.story(run.incident_id)
        looks = [one["text"] for one in (story.timeline if story is not None else ()) if one["event"] == "looked"]
        last = f"; it {looks[-1]}" if looks else ""
        raise NotAsToldError(told, f"the run ends {expected}", f"it ended {run.outcome}: {run.reason}{last}")
    stage.timeline.went(told)


def _made_by_remediator(stage: Stage, name: str) -> None:
    changes = stage.world.kubernetes.changes("deployments", NAMESPACE, name, "spec.template")
    stage.check("and by nobody but remediator", ["remediator"], sorted({change.manager for change in changes}))
    stage.check(
        "its pods are all new and ready",
        True,
        workloads.is_rolled_out(stage.world.kubernetes, "deployments", NAMESPACE, name),
    )


def _nobody_paged(stage: Stage, told: str = "nobody was paged") -> None:
    stage.check(told, [], [page.summary for page in stage.world.pagerduty.incidents()])
