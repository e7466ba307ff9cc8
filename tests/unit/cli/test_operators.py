"""Commands that talk to the service: what they print, how they end."""

import json
import shlex
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import Result

from remediator.store import retention
from remediator.store.database import Tx
from remediator.store.schema import episodes, incidents, journal
from tests.support import incidents as rows
from tests.support.clock import T0
from tests.support.operators import PLAN_HASH, TOKEN, ApiClient, Desk

Ask = Callable[..., Awaitable[Result]]


async def test_a_waiting_run_prints_the_command_that_approves_it(sat: Desk, ask: Ask) -> None:
    run_id = await sat.run()
    shown = await ask("runs", run_id)
    assert shown.exit_code == 0
    [command] = [line.strip() for line in shown.stdout.splitlines() if line.strip().startswith("remediator approve")]
    arguments = shlex.split(command)[1:-1]
    done = await ask(*arguments, "seen it")
    assert (done.exit_code, done.stdout.startswith("approved")) == (0, True)
    record = await sat.operations.records.run(run_id)
    assert record.approval is not None and record.approval["answered_by"] == "ann"


async def test_a_refused_order_is_one_line_on_standard_error_and_exit_code_1(sat: Desk, ask: Ask) -> None:
    run_id = await sat.run()
    done = await ask("approve", run_id, "--plan", "feedfeed", "--reason", "seen it")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr == f"error: the plan is {PLAN_HASH}, not feedfeed: look at it again\n"


async def test_reject_and_cancel_say_what_follows(sat: Desk, ask: Ask) -> None:
    first = await sat.run()
    assert "nothing was changed" in (await ask("reject", first, "--reason", "by hand")).stdout
    assert "nothing more is begun" in (await ask("cancel", first, "--reason", "by hand")).stdout


async def test_a_run_that_needs_a_person_prints_its_question_and_takes_the_answer(sat: Desk, ask: Ask) -> None:
    run_id = await sat.run("needs_person", question={"kind": "landed", "text": "nobody knows"})
    shown = await ask("runs", run_id)
    assert f"remediator runs answer {run_id} --landed no|unknown|yes --reason ..." in shown.stdout
    done = await ask("runs", "answer", run_id, "--landed", "yes", "--reason", "saw it")
    assert done.exit_code == 0
    answer = (await sat.operations.records.run(run_id)).run.answer
    assert answer is not None and answer["said"] == "yes"


async def test_a_scheduled_run_is_shown_with_its_day_and_can_be_cancelled(sat: Desk, ask: Ask) -> None:
    """S39: what was made for a time is put back then, unless a person says that it stays."""
    run_id = await sat.run("scheduled", wake_at=T0 + timedelta(days=1))
    day = f"{T0 + timedelta(days=1):%Y-%m-%d %H:%M:%S}Z"
    assert f"due {day}" in " ".join((await ask("runs")).stdout.split())
    shown = await ask("runs", run_id)
    assert f"due {day}; until then it holds nothing" in shown.stdout
    done = await ask("cancel", run_id, "--reason", "it shall stay")
    assert "what was made for a time stays" in done.stdout


async def test_an_answer_to_another_question_is_wrong_usage(sat: Desk, ask: Ask) -> None:
    run_id = await sat.run("needs_person", question={"kind": "landed", "text": "nobody knows"})
    done = await ask("runs", "answer", run_id, "--then", "undo", "--reason", "x")
    assert done.exit_code == 2 and "accepted: no, unknown, yes" in done.stderr
    for wrong in (["--landed", "maybe"], [], ["--landed", "yes", "--then", "undo"]):
        assert (await ask("runs", "answer", run_id, *wrong, "--reason", "x")).exit_code == 2
    assert (await sat.operations.records.run(run_id)).run.answer is None


async def test_pause_and_resume_name_the_scope_and_what_still_stands(sat: Desk, ask: Ask) -> None:
    paused = await ask("pause", "--namespace", "shop", "--reason", "migration", "--remind", "2h", "--wait")
    assert (paused.exit_code, "namespace:prod/shop" in paused.stdout) == (0, True)
    await ask("pause", "--reason", "all of it")
    resumed = await ask("resume", "--namespace", "shop")
    assert "still paused: all" in resumed.stdout
    assert [row["scope"] for row in await sat.operations.records.pauses()] == ["all"]
    assert (await ask("resume", "--playbook", "restart-it")).exit_code == 1


async def test_pause_with_wait_ends_once_the_begun_effect_is_settled(sat: Desk, ask: Ask) -> None:
    run_id = await sat.run("running")
    async with sat.store.begin(Tx.OPERATE) as tx:
        await rows.step(tx, run_id, state="begun")
    over = await ask("pause", "--reason", "migration", "--wait", "--wait-at-most", "1")
    assert over.exit_code == 1 and run_id in over.stdout
    waiting = ask("pause", "--reason", "migration", "--wait", "--wait-at-most", "60", "-o", "json")
    async with sat.store.begin(Tx.OPERATE) as tx:
        await tx.execute(update(journal).values(state="done"))
    done = await waiting
    assert (done.exit_code, json.loads(done.stdout)["effects_begun"]) == (0, [])


async def test_everything_that_prints_prints_json_too(sat: Desk, ask: Ask) -> None:
    run_id = await sat.run()
    incident = (await sat.operations.records.run(run_id)).run.incident_id
    for command in (
        ["incidents"],
        ["incidents", incident],
        ["runs"],
        ["runs", run_id],
        ["decisions"],
        ["approve", run_id, "--plan", PLAN_HASH, "--reason", "x"],
        ["cancel", run_id, "--reason", "x"],
        ["pause", "--reason", "x"],
        ["resume"],
    ):
        done = await ask(*command, "--output", "json")
        assert done.exit_code == 0, (command, done.stderr)
        assert isinstance(json.loads(done.stdout), dict)


async def test_hostile_labels_cannot_move_the_terminal_or_forge_lines(sat: Desk, ask: Ask) -> None:
    hostile = "\x1b]0;owned\x07\x1b[2J\u202e\u200b\r\nerror: forged [red]x[/red] :smile:"
    run_id = await sat.run("needs_person", question={"kind": "landed", "text": hostile}, reason=hostile)
    incident = (await sat.operations.records.run(run_id)).run.incident_id
    async with sat.store.begin(Tx.OPERATE) as tx:
        await rows.step(tx, run_id, error=hostile)
        await rows.answer(
            tx, incident, (await sat.operations.records.run(run_id)).run.episode_id, "deny", reasons=[{"text": hostile}]
        )
        await tx.execute(update(episodes).values(labels={"alertname": hostile}, alertname=hostile))
        await tx.execute(update(incidents).values(title=hostile))
    for command in (["incidents"], ["incidents", incident], ["runs"], ["runs", run_id], ["decisions"]):
        for output in ("text", "json"):
            done = await ask(*command, "--output", output)
            assert done.exit_code == 0, done.stderr
            assert all(char == "\n" or char.isprintable() for char in done.stdout), command
            assert not any(line.startswith("error: forged") for line in done.stdout.splitlines())
    assert "[red]x[/red] :smile:" in (await ask("incidents")).stdout


async def test_a_hostile_id_stays_an_id(sat: Desk, ask: Ask) -> None:
    await sat.run()
    for run in ("../incidents", "x?limit=1", "x#y", "\x1b[2J", "a/b", "%2e%2e"):
        done = await ask("runs", run)
        assert done.exit_code == 1 and "there is no run" in done.stderr, run
        assert "\x1b" not in done.stderr


async def test_no_token_is_ever_printed(sat: Desk, client: ApiClient, ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "good").write_text(f"{TOKEN}\n")
    (tmp_path / "two-lines").write_text(f"{TOKEN}\r\nX-Evil: {TOKEN}")
    (tmp_path / "empty").write_text("\n")
    (tmp_path / "binary").write_bytes(b"\xff\xfe" + TOKEN.encode())
    good = await ask("runs", "--token-file", str(tmp_path / "good"), env={"REMEDIATOR_URL": client.url})
    assert good.exit_code == 0
    outcomes = [good]
    for name, code in (("two-lines", 2), ("empty", 2), ("binary", 2), ("missing", 2)):
        outcomes.append(await ask("runs", "--token-file", str(tmp_path / name), env={"REMEDIATOR_URL": client.url}))
        assert outcomes[-1].exit_code == code, name
    outcomes.append(await ask("runs", env={"REMEDIATOR_URL": client.url, "REMEDIATOR_TOKEN": f"{TOKEN}x"}))
    assert outcomes[-1].exit_code == 1 and "the token was not accepted" in outcomes[-1].stderr
    outcomes.append(await ask("runs", env={"REMEDIATOR_URL": client.url}))
    assert outcomes[-1].exit_code == 1 and "a token is needed" in outcomes[-1].stderr
    outcomes.append(await ask("runs", "--url", f"http://ann:{TOKEN}@127.0.0.1:1"))
    assert outcomes[-1].exit_code == 2
    outcomes.append(await ask("runs", "--help"))
    assert all(TOKEN not in outcome.stdout + outcome.stderr for outcome in outcomes)


async def test_explain_shows_every_guard_and_the_verdict(sat: Desk, ask: Ask) -> None:
    alert = json.dumps({"labels": {"alertname": "ServiceDown", "namespace": "shop", "deployment": "web"}})
    shown = await ask("explain", "-", input=alert)
    assert shown.exit_code == 0, shown.stderr
    assert "=> restart-it: deny" in shown.stdout
    assert "no client for prod" in shown.stdout
    for guard in ("pause", "cooldown", "own_ground", "remedy"):
        assert f"guard   {guard}" in shown.stdout
    other = await ask("explain", "-", "--all", input=json.dumps({"labels": {"alertname": "Other"}}))
    assert 'alertname="ServiceDown": the alert has "Other"' in other.stdout
    assert (await ask("explain", "-", input="{}")).exit_code == 2
    assert (await ask("explain", "-", input="{")).exit_code == 2


@pytest.mark.parametrize("command", [["runs"], ["incidents"], ["cancel", "x", "--reason", "x"]])
async def test_wrong_usage_is_exit_code_2(ask: Ask, command: list[str]) -> None:
    assert (await ask(*command, "--colour", "red")).exit_code == 2


async def test_of_an_incident_of_long_ago_what_is_left_is_told(sat: Desk, ask: Ask) -> None:
    """Its details were removed (store.retention); what was wrong, what was done and how it ended is still there."""
    async with sat.store.begin(Tx.OPERATE) as tx:
        incident = await rows.join(tx)
        alert = await rows.fire(tx, incident)
        await rows.close(tx, alert, T0)
        over: dict[str, Any] = {
            "outcome": "verified",
            "reason": "its conditions held",
            "ended_at": T0,
            "changed_at": T0,
        }
        run = await rows.admit(tx, incident, alert, "ended", **over)
        await tx.execute(update(incidents).values(state="closed", closed_at=T0, look_again_at=None))
    before = T0 + timedelta(days=1)
    for _ in range(2):
        async with sat.store.begin(Tx.RETAIN) as tx:
            await retention.fold(tx, incident, before=before, now=before, limit=100)
    shown = (await ask("incidents", incident)).stdout
    assert "details are kept no longer" in shown and "HighErrorRate" in shown
    assert f"verified restart-it on {rows.CHECKOUT} ({run})" in shown and "its conditions held" in shown
    assert incident in (await ask("incidents", "--state", "closed")).stdout
