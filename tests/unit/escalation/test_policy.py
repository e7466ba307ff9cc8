"""S31 as a table: what pages at once, what waits, what never pages, and when it is over (S35)."""

from dataclasses import replace
from datetime import timedelta

import pytest

from remediator.alerts.severity import Severity
from remediator.escalation.facts import AnswerFacts, IncidentFacts, RunFacts, Told
from remediator.escalation.policy import Judgement, Rules, judge
from remediator.playbooks.rules import Escalation
from remediator.settings import Escalation as Settings
from tests.support.clock import T0

KEY = "inc_1/L1"
CRITICAL_AFTER = timedelta(minutes=5)
CLOSE_WITHIN = timedelta(minutes=15)
REMIND = timedelta(minutes=30)


def facts(
    *answers: AnswerFacts, runs: tuple[RunFacts, ...] = (), after: timedelta = timedelta(0), told: tuple[str, ...] = ()
) -> IncidentFacts:
    """An incident with one critical alert that fires, ``after`` its first delivery."""
    return IncidentFacts(
        now=T0 + after,
        incident_id="inc_1",
        severity=Severity.CRITICAL,
        opened_at=T0,
        firing=frozenset({Severity.CRITICAL}),
        unclosed=1,
        answers=answers,
        runs=runs,
        told=tuple(Told(KEY, "trigger", cause) for cause in told),
    )


def answer(verdict: str, kind: str | None = None, playbook: str | None = "restart") -> AnswerFacts:
    return AnswerFacts(playbook, verdict, kind, Severity.CRITICAL, T0)


def run(state: str, outcome: str | None = None, at: timedelta = timedelta(0), **more: bool) -> RunFacts:
    return RunFacts(more.pop("name", "run_1"), "restart", state, outcome, T0 + at, **more)  # type: ignore[arg-type]


def judged(given: IncidentFacts, rules: Rules | None = None, settings: Settings | None = None) -> Judgement:
    return judge(given, rules or {}, settings or Settings())


def word(judgement: Judgement) -> str | None:
    return None if judgement.page is None else judgement.page.word


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (facts(answer("deny", "refuse")), "refuse"),
        (facts(answer("propose")), "propose"),
        (facts(answer("observe")), "observe"),
        (facts(answer("no_playbook", playbook=None)), "no_playbook"),
        (facts(runs=(run("approval", asks_approval=True),)), "approve"),
        (facts(runs=(run("ended", "refuted"),)), "refuted"),
        (facts(runs=(run("ended", "unknown"),)), "unknown"),
        (facts(runs=(run("waiting", "unknown"),)), "unknown"),
        (facts(runs=(run("running", "unknown"),)), "unknown"),
        (facts(runs=(run("ended", "failed"),)), "failed"),
        (facts(runs=(run("ended", "cancelled"),)), "cancelled"),
        (facts(runs=(run("needs_person"),)), "needs_person"),
    ],
)
def test_pages_at_once_when_no_run_is_under_way(given: IncidentFacts, told: str) -> None:
    judgement = judged(given)
    assert word(judgement) == told
    assert judgement.page is not None and judgement.page.policy == "critical" and judgement.page.since == T0


@pytest.mark.parametrize(
    "given",
    [
        facts(answer("deny", "wait")),
        facts(answer("superseded")),
        facts(),
        facts(runs=(run("ended", "overtaken"),)),
        facts(runs=(run("ended", "informed"),)),
        facts(runs=(run("ended", "rehearsed"),)),
        facts(runs=(run("ready"),)),
        facts(runs=(run("running"),)),
        facts(runs=(run("waiting"),)),
        facts(runs=(run("approval"),)),  # approved, not yet claimed
        facts(runs=(run("ended", "cancelled", withdrawn=True),)),
        facts(answer("deny", "refuse"), runs=(run("running"),)),
        facts(answer("no_playbook", playbook=None), runs=(run("waiting"),)),
        facts(answer("observe"), runs=(run("ready"),)),
    ],
)
def test_waits_for_page_after_and_then_pages_as_unfixed(given: IncidentFacts) -> None:
    early = judged(given)
    assert early.page is None
    assert early.look_again_at == T0 + CRITICAL_AFTER
    late = judged(replace(given, now=T0 + CRITICAL_AFTER))
    assert late.page is not None


@pytest.mark.parametrize("outcome", ["overtaken", "informed"])
def test_the_clock_runs_from_the_first_alert_not_from_the_run(outcome: str) -> None:
    given = facts(runs=(run("ended", outcome, at=timedelta(minutes=4)),), after=CRITICAL_AFTER)
    assert word(judged(given)) == "unfixed"


def test_a_verified_run_waits_close_within_for_its_alerts_to_close() -> None:
    ended = run("ended", "verified", at=timedelta(minutes=3))
    closes_by = timedelta(minutes=3) + CLOSE_WITHIN
    before = judged(facts(answer("deny", "wait"), runs=(ended,), after=closes_by - timedelta(seconds=1)))
    assert before.page is None and before.look_again_at == T0 + closes_by and before.verified_at == ended.since
    assert word(judged(facts(answer("deny", "wait"), runs=(ended,), after=closes_by))) == "unfixed"


def test_a_refusal_pages_also_after_a_verified_run_unless_another_playbook_still_waits() -> None:
    ended = run("ended", "verified")
    assert word(judged(facts(answer("deny", "refuse"), runs=(ended,)))) == "refuse"
    beside = replace(answer("deny", "refuse"), beside_wait=True)
    assert word(judged(facts(beside, runs=(ended,)))) is None
    assert word(judged(facts(beside))) == "refuse"


def test_a_later_ending_takes_the_verified_one_back() -> None:
    runs = (run("ended", "verified"), run("ended", "refuted", at=timedelta(minutes=1), name="run_2"))  # type: ignore[arg-type]
    judgement = judged(facts(runs=runs, after=timedelta(minutes=1)))
    assert word(judgement) == "refuted" and judgement.verified_at is None


def test_closed_before_nobody_is_told() -> None:
    given = replace(facts(answer("deny", "wait"), after=timedelta(minutes=4)), firing=frozenset(), unclosed=0)
    judgement = judged(given)
    assert (judgement.page, judgement.resolve, judgement.close) == (None, False, True)


def test_over_resolves_what_was_triggered() -> None:
    given = replace(facts(told=("unfixed",)), firing=frozenset(), unclosed=0)
    judgement = judged(given)
    assert judgement.resolve and judgement.close


@pytest.mark.parametrize("state", ["ready", "running", "waiting", "needs_person", "approval"])
def test_an_active_run_keeps_it_open_although_its_alerts_closed(state: str) -> None:
    given = replace(facts(runs=(run(state),), told=("x",)), firing=frozenset(), unclosed=0)
    judgement = judged(given)
    assert not judgement.close and not judgement.resolve


def test_a_request_that_nobody_answered_does_not_keep_it_open() -> None:
    given = replace(facts(runs=(run("approval", asks_approval=True),)), firing=frozenset(), unclosed=0)
    assert judged(given).close


def test_a_doubtful_alert_keeps_it_open() -> None:
    given = replace(facts(told=("unfixed",)), firing=frozenset(), unclosed=1)
    judgement = judged(given)
    assert not judgement.close and not judgement.resolve


@pytest.mark.parametrize("severity", [Severity.MEDIUM, Severity.LOW, Severity.NONE])
def test_other_severities_are_only_recorded(severity: Severity) -> None:
    answers = (replace(answer("deny", "refuse"), severity=severity),)
    given = replace(
        facts(*answers, runs=(run("needs_person"),), after=timedelta(days=1)),
        severity=severity,
        firing=frozenset({severity}),
    )
    assert judged(given).page is None


def test_unknown_severity_is_told_like_high() -> None:
    given = replace(facts(answer("deny", "wait")), severity=Severity.UNKNOWN, firing=frozenset({Severity.UNKNOWN}))
    assert judged(given).look_again_at == T0 + timedelta(minutes=15)
    late = judged(replace(given, now=T0 + timedelta(minutes=15)))
    assert late.page is not None and late.page.policy == "high"


def test_what_was_told_is_not_told_again() -> None:
    assert judged(facts(runs=(run("ended", "failed"),), told=("failed:run_1",))).page is None


def test_a_new_ending_is_told_although_the_incident_is_triggered_and_unfixed_is_not() -> None:
    told = ("refuse:restart",)
    assert word(judged(facts(runs=(run("ended", "failed"),), told=told))) == "failed"
    assert judged(facts(answer("deny", "wait"), told=told, after=timedelta(hours=1))).page is None


def test_a_person_is_reminded_as_a_new_trigger_on_the_same_key() -> None:
    given = facts(runs=(run("needs_person"),), told=("needs_person:run_1",))
    waiting = judged(replace(given, now=T0 + REMIND - timedelta(seconds=1)))
    assert waiting.page is None and waiting.look_again_at == T0 + REMIND
    reminded = judged(replace(given, now=T0 + REMIND))
    assert reminded.page is not None and reminded.page.cause == "needs_person:run_1#1"
    assert reminded.look_again_at == T0 + 2 * REMIND


def test_an_answered_request_is_withdrawn_when_nothing_else_holds_the_page_open() -> None:
    approved = run("approval")
    withdrawn = judged(facts(runs=(approved,), told=("approve:run_1",)))
    assert withdrawn.resolve and not withdrawn.close
    held = judged(facts(runs=(approved,), told=("approve:run_1", "unfixed"), after=timedelta(minutes=6)))
    assert not held.resolve
    overdue = judged(facts(runs=(approved,), told=("approve:run_1",), after=timedelta(minutes=6)))
    assert not overdue.resolve


def test_a_rejected_request_stays_a_page() -> None:
    judgement = judged(facts(runs=(run("ended", "cancelled"),), told=("approve:run_1",)))
    assert word(judgement) == "cancelled" and not judgement.resolve


def test_after_a_resolve_the_same_cause_is_told_again() -> None:
    given = facts(answer("deny", "wait"), after=CRITICAL_AFTER)
    told = (Told(KEY, "trigger", "unfixed"), Told(KEY, "resolve", "over+0"))
    judgement = judged(replace(given, told=told))
    assert judgement.page is not None and judgement.page.cause == "unfixed+1"


def test_a_reopened_incident_has_a_key_of_its_own() -> None:
    given = replace(facts(answer("deny", "refuse")), recurrences=1, told=(Told(KEY, "trigger", "refuse:restart"),))
    assert word(judged(given)) == "refuse"


def rules(*entries: dict[str, object]) -> Rules:
    return {"restart": tuple(Escalation.model_validate(entry) for entry in entries)}


def test_escalate_chooses_the_policy() -> None:
    own = rules({"on": ["refuse", "failed"], "policy": "shop"})
    for given in (facts(answer("deny", "refuse")), facts(runs=(run("ended", "refuted"),))):
        page = judged(given, own).page
        assert page is not None and page.policy == "shop"


def test_what_escalate_leaves_out_waits_for_unfixed_and_never_longer() -> None:
    own = rules({"on": ["refuted"], "policy": "shop"})
    given = facts(answer("deny", "refuse"), runs=(run("ended", "failed"),))
    assert judged(given, own).page is None
    assert word(judged(replace(given, now=T0 + CRITICAL_AFTER), own)) == "unfixed"


def test_escalate_cannot_keep_a_run_that_needs_a_person_silent() -> None:
    own = rules({"on": ["refuse"], "policy": "shop"})
    assert word(judged(facts(runs=(run("needs_person"),)), own)) == "needs_person"


def test_escalate_can_tell_of_more() -> None:
    own = rules({"on": ["overtaken", "verified"], "policy": "shop"})
    assert word(judged(facts(runs=(run("ended", "overtaken"),)), own)) == "overtaken"
    assert word(judged(facts(runs=(run("ended", "verified"),)), own)) == "verified"


def test_unfixed_after_of_the_playbook_is_page_after() -> None:
    own = rules({"on": ["unfixed"], "after": "2m", "policy": "shop"})
    given = facts(answer("deny", "wait"))
    assert judged(given, own).look_again_at == T0 + timedelta(minutes=2)
    page = judged(replace(given, now=T0 + timedelta(minutes=2)), own).page
    assert page is not None and (page.word, page.policy) == ("unfixed", "shop")


def test_the_level_of_a_policy_can_wait() -> None:
    slow = Settings.model_validate({"policies": {"critical": {"levels": [{"after": "1m"}]}}})
    given = facts(answer("deny", "refuse"))
    assert judged(given, settings=slow).look_again_at == T0 + timedelta(minutes=1)
    assert word(judged(replace(given, now=T0 + timedelta(minutes=1)), settings=slow)) == "refuse"


def test_a_notice_is_told_at_once_and_gives_way_without_a_resolve() -> None:
    notice = replace(facts(), had_alerts=False, firing=frozenset(), unclosed=0)
    assert word(judged(notice)) == "notice"
    told = replace(notice, told=(Told(KEY, "trigger", "notice"),), now=T0 + timedelta(hours=1))
    judgement = judged(told)
    assert judgement.close and not judgement.resolve
