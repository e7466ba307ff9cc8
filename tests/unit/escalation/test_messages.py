"""What a page says, and that it always fits."""

import json
import shlex
from datetime import timedelta

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st

from remediator.alerts.severity import Severity
from remediator.cli.program import app
from remediator.escalation import messages
from remediator.escalation.next_steps import CHOICES
from remediator.escalation.situation import AnswerLine
from remediator.runs.cursor import Question
from remediator.sandbox.pagerduty_events import parse
from tests.support.clock import T0
from tests.support.situations import alert, page, run, situation


def event(message: dict[str, object]) -> bytes:
    """As the channel sends it."""
    payload = {name: value for name, value in message.items() if name != "links" and value is not None}
    whole = {"routing_key": "k" * 32, "event_action": "trigger", "dedup_key": "d" * 255, "payload": payload}
    return json.dumps(whole | {"links": message["links"], "client": "remediator", "client_url": "u" * 2000}).encode()


def test_a_refuted_run_is_told_with_what_was_tried_and_left_behind() -> None:
    told = messages.page(situation(runs=(run(),)), page("refuted", "run_1"))
    assert told["summary"] == (
        "HighErrorRate on shop/checkout [kubernetes/prod/shop/deployment/checkout]: "
        "restart-it was tried and did not work: no remedy is left"
    )
    details = told["custom_details"]
    assert details["tried"] == [
        "12:00:00Z restart-it (run_1): refuted at 12:00:00Z: no remedy is left",
        "12:00:00Z kubernetes.rollout_restart: restart shop/checkout: done at 12:00:00Z",
    ]
    assert details["do_next"][0].startswith("Take over: follow the runbook")
    assert details["do_next"][1] == "Left behind by run_1: kubernetes.rollout_restart: restart shop/checkout (done)"
    assert details["state"][0] == "1 of 1 alerts open, the first came 5m ago"
    assert told["severity"] == "critical"


def test_links_lead_to_the_incident_the_runbooks_and_the_sources() -> None:
    one = alert(
        annotations={"runbook_url": "https://runbooks.example/err"},
        generator_url="https://prometheus.example/graph?g0.expr=up",
        external_url="https://alertmanager.example",
    )
    told = messages.page(situation(alerts=(one,), runbooks=("https://runbooks.example/restart",)), page())
    assert [link["href"] for link in told["links"]] == [
        "https://remediator.example/api/v1/incidents/inc_1",
        "https://runbooks.example/restart",
        "https://runbooks.example/err",
        "https://prometheus.example/graph?g0.expr=up",
        "https://alertmanager.example",
    ]


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "https://x/ y",
        "https://x/\u202e",
        'https://x/"onclick=',
        "ftp://x",
        "",
        "https://" + "x" * 3000,
    ],
)
def test_hostile_links_are_left_out(link: str) -> None:
    told = messages.page(situation(alerts=(alert(annotations={"runbook_url": link}),), external_url=""), page())
    assert told["links"] == []


def test_control_and_direction_characters_are_cleaned() -> None:
    evil = "a\x00b\nc\u202ed\ud800e\u2028f\x1b[31m"
    told = messages.page(situation(title=evil, alerts=(alert(labels={evil: evil}),)), page())
    assert told["summary"].startswith("a b c d e f [31m [")
    assert told["custom_details"]["fired"][0]["labels"] == {"a b c d e f [31m": "a b c d e f [31m"}


HOSTILE = st.one_of(
    st.text(st.characters(), max_size=40),
    st.sampled_from(["\U0001f600" * 4_000, "x" * 100_000, "\ud800" * 500, "\n" * 900]),
)
LABELS = st.dictionaries(HOSTILE, HOSTILE, max_size=4)


@given(
    title=HOSTILE, labels=LABELS, reason=HOSTILE, word=st.sampled_from(["unfixed", "refuted", "no_playbook", "notice"])
)
def test_whatever_comes_from_outside_pagerduty_takes_it(
    title: str, labels: dict[str, str], reason: str, word: str
) -> None:
    told = messages.page(
        situation(
            title=title,
            alerts=(alert(name=title, labels=labels, annotations={"summary": reason, **labels}),),
            runs=(run(reason=reason),),
            events=((T0, reason),),
            answers=(AnswerLine(title, "deny", "refuse", (reason,), (reason,), (reason,)),),
        ),
        page(word, "run_1" if word == "refuted" else ""),
    )
    assert parse(event(told), T0).payload["summary"]
    assert len(told["summary"].encode("utf-16-le")) <= 2 * 1024


def test_too_much_is_cut_from_the_least_important_end() -> None:
    wide = "\U0001f600"  # 12 bytes in JSON, two characters for PagerDuty
    labels = {f"label{n}": wide * 300 for n in range(60)}
    many = tuple(alert(labels=labels, annotations={"description": wide * 600}) for _ in range(200))
    runs = tuple(run(id=f"run_{n}", reason=wide * 900) for n in range(60))
    told = messages.page(
        situation(alerts=many, total=5_000, firing=5_000, runs=runs, events=((T0, wide * 500),) * 900),
        page("refuted", "run_59"),
    )
    assert len(event(told)) < 512_000
    details = told["custom_details"]
    assert "more left out" in details["seen"][-1]
    assert details["do_next"][1].startswith("Left behind by run_59")
    assert details["state"][0] == "5000 of 5000 alerts open, the first came 5m ago"
    assert parse(event(told), T0).payload["severity"] == "critical"


def test_severity_unknown_is_an_error_at_pagerduty() -> None:
    assert messages.page(situation(severity=Severity.UNKNOWN), page())["severity"] == "error"


def test_outside_of_live_the_page_says_so() -> None:
    told = messages.page(situation(mode="dry-run"), page())
    assert told["custom_details"]["state"][0].startswith("mode dry-run")


def test_every_question_has_an_answer_on_the_command_line() -> None:
    assert set(CHOICES) == {question.value for question in Question}


@pytest.mark.parametrize("question", list(Question))
def test_commands_in_pages_are_commands_that_exist(question: Question) -> None:
    asked = run(id="run_2", state="needs_person", outcome=None, question=question.value, question_text="did it?")
    waits = run(id="run_3", state="approval", outcome=None, plan_hash="ab12", expires_at=T0 + timedelta(hours=1))
    told = messages.page(situation(runs=(asked, waits)), page("needs_person", "run_2"))
    lines = [line for line in told["custom_details"]["do_next"] if "remediator " in line]
    assert len(lines) == 3
    for line in lines:
        words = shlex.split(line[line.index("remediator ") :])[1:]
        group = typer.main.get_command(app)
        while hasattr(group, "commands") and words:  # resolves nested commands as the program does
            name, *words = words
            group = group.commands[name]
        for choice in next((word.split("|") for word in words if "|" in word), [""]):
            group.make_context("remediator", [choice if "|" in word else word for word in words])


def test_headlines_name_what_is_asked_of_the_reader() -> None:
    waits = run(
        state="approval", outcome=None, plan_hash="ab12", expires_at=T0, plan=("kubernetes.rollout_restart: x",)
    )
    asked = run(state="needs_person", outcome=None, question="landed", question_text="did the restart happen?")
    denied = AnswerLine("restart-it", "deny", "refuse", ("paused (all) by ann: freeze",), (), ())
    waiting = AnswerLine("restart-it", "deny", "wait", ("rollout under way",), (), ())
    given = {
        "approve": (
            situation(runs=(waits,)),
            "run_1",
            "waits for your yes until 12:00:00Z: kubernetes.rollout_restart: x",
        ),
        "needs_person": (situation(runs=(asked,)), "run_1", "needs your answer: did the restart happen?"),
        "refuse": (situation(answers=(denied,)), "restart-it", "remediator does nothing: paused (all) by ann: freeze"),
        "unfixed": (situation(answers=(waiting,)), "", "not fixed 5m after the first alert: rollout under way"),
        "no_playbook": (situation(), "", "no playbook matches, nothing was done"),
    }
    for word, (what, about, said) in given.items():
        assert messages.page(what, page(word, about))["summary"].endswith(said)
    verified = situation(runs=(run(outcome="verified"),))
    assert "although restart-it was verified" in messages.page(verified, page())["summary"]
    busy = situation(runs=(run(state="running", outcome=None),))
    assert "still at it" in messages.page(busy, page())["summary"]
