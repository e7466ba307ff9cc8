"""S32: whatever happens to an incident, while it is not fixed a person has been told and the page stands."""

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from remediator.alerts.severity import Severity
from remediator.escalation import levels
from remediator.escalation.facts import AnswerFacts, IncidentFacts, RunFacts, Told
from remediator.escalation.policy import Rules, judge
from remediator.playbooks.rules import Escalation
from remediator.settings import Escalation as Settings
from tests.support.clock import T0

SETTINGS = Settings()
LONG = timedelta(minutes=20)
"""Longer than page_after and close_within."""

VERDICTS = st.sampled_from(
    [
        ("deny", "wait"),
        ("deny", "refuse"),
        ("propose", None),
        ("observe", None),
        ("superseded", None),
        ("no_playbook", None),
    ]
)
OUTCOMES = st.sampled_from(
    ["verified", "informed", "refuted", "unknown", "failed", "overtaken", "cancelled", "rehearsed", "withdrawn"]
)
STATES = st.sampled_from(["approval asked", "approval", "ready", "running", "waiting", "watching", "needs_person"])
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("decide"), VERDICTS),
        st.tuples(st.just("run"), STATES),
        st.tuples(st.just("end"), OUTCOMES),
        st.tuples(st.just("close"), st.none()),
        st.tuples(st.just("fire"), st.none()),
        st.tuples(st.just("pass"), st.integers(1, 40)),
    ),
    max_size=14,
)
RULES = st.sampled_from(
    [
        {},
        {"p": [{"on": ["refuse", "failed"], "policy": "high"}]},
        {"p": [{"on": ["verified"], "policy": "high"}]},
        {"p": [{"on": ["unfixed"], "after": "1m", "policy": "high"}]},
        {"p": [{"on": ["refuted"], "after": "10m", "policy": "high"}]},
    ]
)


@dataclass
class World:
    """One incident as decider, runner and escalator would move it."""

    rules: Rules
    now: datetime = T0
    facts: IncidentFacts = field(
        default_factory=lambda: IncidentFacts(T0, "inc_1", Severity.CRITICAL, T0, 0, frozenset({Severity.CRITICAL}), 1)
    )
    open: bool = True

    def happen(self, what: str, how: object) -> None:
        facts = self.facts
        match what, how:
            case "decide", (str() as verdict, kind) if self.open:
                facts = replace(facts, answers=(AnswerFacts("p", verdict, kind, Severity.CRITICAL, self.now),))  # type: ignore[arg-type]
            case "run", str() as state if self.open and all(run.ended for run in facts.runs):
                name = f"run_{len(facts.runs)}"
                new = RunFacts(name, "p", state.split()[0], None, self.now, asks_approval="asked" in state)
                if state == "watching":
                    new = replace(new, state="waiting", outcome="unknown")
                facts = replace(facts, runs=(*facts.runs, new))
            case "end", str() as outcome if facts.runs and not facts.runs[-1].ended:
                last = replace(facts.runs[-1], state="ended", outcome=outcome, since=self.now, asks_approval=False)
                if outcome == "withdrawn":
                    last = replace(last, outcome="cancelled", withdrawn=True)
                facts = replace(facts, runs=(*facts.runs[:-1], last))
            case "close", _:
                facts = replace(facts, firing=frozenset(), unclosed=0, answers=())
            case "fire", _:
                if not self.open:
                    self.open = True
                    ended = self.now
                    kept = tuple(run for run in facts.runs if not run.ended or run.since > ended)
                    facts = replace(facts, recurrences=facts.recurrences + 1, runs=kept)
                facts = replace(facts, firing=frozenset({Severity.CRITICAL}), unclosed=1)
            case "pass", int() as minutes:
                self.pass_time(timedelta(minutes=minutes))
        self.facts = facts
        self.judge()

    def pass_time(self, span: timedelta) -> None:
        """As the escalator would: looking whenever a look is due."""
        end = self.now + span
        while (again := self.judge()) is not None and again <= end:
            assert again > self.now, "a look that changes nothing asks for itself again"
            self.now = again
        self.now = end
        self.judge()

    def judge(self) -> datetime | None:
        if not self.open:
            return None
        for _ in range(20):
            self.facts = replace(self.facts, now=self.now)
            judgement = judge(self.facts, self.rules, SETTINGS)
            told = self.facts.told
            key = levels.dedup_key(self.facts.incident_id, self.facts.recurrences)
            if judgement.page is not None:
                told = (*told, Told(key, "trigger", judgement.page.cause))
            if judgement.resolve and not judgement.close:
                held = levels.holding(told, key)
                assert held and all(cause.startswith("approve:") for cause in held), "only requests are withdrawn (S34)"
            if judgement.resolve:
                told += tuple(Told(k, "resolve", f"over+{levels.resolves(told, k)}") for k in levels.triggered(told))
            self.facts = replace(self.facts, told=told)
            if judgement.close:
                self.open = False
                return None
            if judgement.page is None and not judgement.resolve:
                return judgement.look_again_at
        raise AssertionError("judging does not come to rest")


def world_after(events: list[tuple[str, object]], rules: dict[str, list[dict[str, object]]]) -> World:
    world = World({name: [Escalation.model_validate(rule) for rule in own] for name, own in rules.items()})
    world.judge()
    for what, how in events:
        world.happen(what, how)
    return world


@given(EVENTS, RULES)
def test_an_unfixed_incident_is_triggered_after_every_resolve(
    events: list[tuple[str, object]], rules: dict[str, list[dict[str, object]]]
) -> None:
    world = world_after(events, rules)
    world.happen("fire", None)
    world.pass_time(LONG)
    key = levels.dedup_key("inc_1", world.facts.recurrences)
    assert key in levels.triggered(world.facts.told)


@given(EVENTS, RULES)
def test_an_incident_that_is_over_leaves_no_page_standing(
    events: list[tuple[str, object]], rules: dict[str, list[dict[str, object]]]
) -> None:
    world = world_after(events, rules)
    world.happen("end", "failed")
    world.happen("close", None)
    assert not world.open
    assert levels.triggered(world.facts.told) == ()


@given(EVENTS, RULES, st.sampled_from(["refuted", "unknown", "failed", "cancelled", "overtaken", "informed"]))
def test_every_ending_but_verified_leads_to_a_page_in_time(
    events: list[tuple[str, object]], rules: dict[str, list[dict[str, object]]], outcome: str
) -> None:
    world = world_after(events, rules)
    world.happen("fire", None)
    world.happen("end", "withdrawn")
    world.happen("run", "running")
    world.happen("end", outcome)
    world.pass_time(timedelta(minutes=15))
    key = levels.dedup_key("inc_1", world.facts.recurrences)
    assert key in levels.triggered(world.facts.told)


@given(EVENTS, RULES)
def test_one_message_per_key_action_and_cause(
    events: list[tuple[str, object]], rules: dict[str, list[dict[str, object]]]
) -> None:
    told = world_after(events, rules).facts.told
    assert len(set(told)) == len(told)


def test_nothing_can_acknowledge() -> None:
    assert set(get_args(Told.__dataclass_fields__["action"].type)) == {"trigger", "resolve"}
