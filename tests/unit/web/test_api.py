"""``/api/v1`` over real HTTP on a real store: who may, what comes back, and what does nothing (S34)."""

import json
import logging
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from remediator.store import runs
from remediator.store.database import Tx
from remediator.store.schema import episodes, incidents
from remediator.web.endpoints import ENDPOINTS
from tests.support.clock import ManualClock
from tests.support.operators import PLAN_HASH, TOKEN, ApiClient, Desk, api, desk

HOSTILE = '<script>alert(1)</script>\x1b]0;owned\x07\u202e\x7f"'


@pytest.fixture
async def sat(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Desk]:
    async with desk(tmp_path, clock) as made:
        yield made


@pytest.fixture
async def client(sat: Desk) -> AsyncIterator[ApiClient]:
    async with api(sat) as made:
        yield made


@pytest.mark.parametrize("token", [None, "wrong", TOKEN + "x", "alertmanager-throwaway-token", "tök"])
async def test_every_path_refuses_who_has_no_good_token(client: ApiClient, token: str | None) -> None:
    for method, path in [(one.method, one.path) for one in ENDPOINTS] + [("GET", "/openapi.json"), ("GET", "/nothing")]:
        status, answer = await client.call(method, path.replace("{id}", "x"), {}, token=token)
        assert status == 401, path
        assert "error" in answer


async def test_the_name_of_the_token_stands_in_approval_and_timeline(sat: Desk, client: ApiClient) -> None:
    run_id = await sat.run()
    status, answer = await client.call("POST", f"/runs/{run_id}/approve", {"plan": PLAN_HASH, "reason": "seen it"})
    assert (status, answer["run_id"]) == (200, run_id)
    status, shown = await client.call("GET", f"/runs/{run_id}")
    assert (shown["approval"]["answer"], shown["approval"]["answered_by"]) == ("approved", "ann")
    status, story = await client.call("GET", f"/incidents/{shown['run']['incident_id']}")
    assert any(event["text"] == f"ann approved plan {PLAN_HASH}: seen it" for event in story["timeline"])


async def test_nobody_can_act_under_another_name(sat: Desk, client: ApiClient) -> None:
    run_id = await sat.run()
    body = {"plan": PLAN_HASH, "reason": "seen it", "by": "root"}
    status, answer = await client.call("POST", f"/runs/{run_id}/approve", body)
    assert status == 400 and "by" in answer["error"] and "accepted" in answer["error"]
    assert (await client.call("GET", f"/runs/{run_id}"))[1]["approval"]["answer"] is None


async def test_a_yes_to_another_plan_is_409_with_the_reason(sat: Desk, client: ApiClient) -> None:
    run_id = await sat.run()
    status, answer = await client.call("POST", f"/runs/{run_id}/approve", {"plan": "feedfeed", "reason": "x"})
    assert status == 409 and PLAN_HASH in answer["error"]


async def test_a_second_yes_is_409_and_the_first_stands(sat: Desk, client: ApiClient) -> None:
    run_id = await sat.run()
    order = {"plan": PLAN_HASH, "reason": "seen it"}
    assert (await client.call("POST", f"/runs/{run_id}/approve", order))[0] == 200
    status, answer = await client.call("POST", f"/runs/{run_id}/approve", order)
    assert status == 409 and "it was approved" in answer["error"] and "ann" in answer["error"]


async def test_a_yes_after_the_end_is_409_and_says_when_it_expired(sat: Desk, client: ApiClient) -> None:
    run_id = await sat.run()
    await sat.clock.advance(3601)
    status, answer = await client.call("POST", f"/runs/{run_id}/approve", {"plan": PLAN_HASH, "reason": "late"})
    assert status == 409 and "expired at 13:00:00Z" in answer["error"]


async def test_approving_is_a_post_only(sat: Desk, client: ApiClient) -> None:
    run_id = await sat.run()
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        status, answer = await client.call(method, f"/runs/{run_id}/approve", {"plan": PLAN_HASH, "reason": "x"})
        assert status == 405 and "POST" in answer["error"], method
    assert (await client.call("GET", f"/runs/{run_id}"))[1]["approval"]["answer"] is None


async def test_a_page_of_another_site_cannot_approve_on_a_service_without_authentication(
    tmp_path: Path, clock: ManualClock
) -> None:
    order = json.dumps({"plan": PLAN_HASH, "reason": "x"}).encode()
    async with desk(tmp_path, clock, api_tokens=[]) as sat, api(sat, insecure_no_auth=True) as client:
        run_id = await sat.run()
        for simple in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
            async with client.session.post(
                f"{client.url}/api/v1/runs/{run_id}/approve", data=order, headers={"Content-Type": simple}
            ) as answer:
                assert answer.status == 400
        assert (await client.call("GET", f"/runs/{run_id}", token=None))[1]["approval"]["answer"] is None
        async with client.session.options(f"{client.url}/api/v1/runs/{run_id}/approve") as preflight:
            assert "Access-Control-Allow-Origin" not in preflight.headers


@pytest.mark.parametrize(
    ("path", "body", "named"),
    [
        ("/runs/{run}/approve", {"reason": "x"}, "plan"),
        ("/runs/{run}/approve", {"plan": PLAN_HASH, "reason": "  "}, "reason"),
        ("/runs/{run}/cancel", {}, "reason"),
        ("/runs/{run}/answer", {"said": "perhaps", "reason": "x"}, "said"),
        ("/pause", {"scope": "playbook:nope", "reason": "x"}, "restart-it"),
        ("/pause", {"scope": "all", "reason": "x", "remind": "2 hours"}, "duration"),
        ("/resume", {}, "scope"),
        ("/explain", {"alert": {"no": "labels"}}, "alert"),
        ("/explain", {"alert": {"labels": {"a": "b"}}, "source": "nope"}, "prod"),
    ],
)
async def test_a_wrong_order_is_400_and_names_the_field(
    sat: Desk, client: ApiClient, path: str, body: dict[str, Any], named: str
) -> None:
    run_id = await sat.run()
    status, answer = await client.call("POST", path.format(run=run_id), body)
    assert status == 400 and named in answer["error"], answer


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff", b"[" * 100_000, b'{"reason": "\\ud800"}'])
async def test_what_is_no_order_is_400(sat: Desk, client: ApiClient, body: bytes) -> None:
    run_id = await sat.run()
    headers = {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"}
    async with client.session.post(f"{client.url}/api/v1/runs/{run_id}/cancel", data=body, headers=headers) as answer:
        assert answer.status == 400, await answer.text()
    assert (await client.call("GET", f"/runs/{run_id}"))[1]["run"]["cancel_at"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "limit=1001", "state=sleeping", "colour=red"])
async def test_a_wrong_query_is_400_and_names_the_key(client: ApiClient, query: str) -> None:
    status, answer = await client.call("GET", f"/runs?{query}")
    assert status == 400 and query.partition("=")[0] in answer["error"]


async def test_what_there_is_not_is_404(client: ApiClient) -> None:
    for path in ("/runs/run_x", "/incidents/inc_x", "/nothing", "/runs/run_x/explode"):
        assert (await client.call("GET", path))[0] == 404, path
    for order in ("approve", "reject", "cancel", "answer"):
        body = {"approve": {"plan": "x"}, "answer": {"said": "yes"}}.get(order, {}) | {"reason": "x"}
        assert (await client.call("POST", f"/runs/run_x/{order}", body))[0] == 404, order


async def test_orders_reach_the_store(sat: Desk, client: ApiClient) -> None:
    run_id = await sat.run("needs_person", question={"kind": "landed", "text": "did it?"})
    _, shown = await client.call("GET", f"/runs/{run_id}")
    assert shown["accepted_answers"] == ["no", "unknown", "yes"]
    assert (await client.call("POST", f"/runs/{run_id}/answer", {"said": "yes", "reason": "saw it"}))[0] == 200
    assert (await client.call("POST", f"/runs/{run_id}/cancel", {"reason": "enough"}))[0] == 200
    _, shown = await client.call("GET", f"/runs/{run_id}")
    assert shown["run"]["answer"] == {"said": "yes", "by": "ann", "reason": "saw it"}
    assert shown["run"]["cancel_by"] == "ann (enough)"


async def test_a_pause_is_shown_until_it_is_resumed(sat: Desk, client: ApiClient) -> None:
    status, paused = await client.call("POST", "/pause", {"reason": "migration", "remind": "2h"})
    assert (status, paused["scope"], paused["effects_begun"]) == (200, "all", [])
    assert [one["id"] for one in (await client.call("GET", "/pauses"))[1]["pauses"]] == [paused["pause_id"]]
    assert (await client.call("GET", "/status"))[1]["paused"][0]["by"] == "ann"
    assert (await client.call("POST", "/resume", {"scope": "all"}))[0] == 200
    assert (await client.call("GET", "/pauses"))[1] == {"pauses": []}
    assert (await client.call("POST", "/resume", {"scope": "all"}))[0] == 409


async def test_lists_are_filtered_and_bounded(sat: Desk, client: ApiClient) -> None:
    waiting = await sat.run("waiting")
    await sat.run("ended", outcome="verified", target="kubernetes/prod/shop/deployment/cart")
    _, found = await client.call("GET", "/runs?state=waiting")
    assert [one["id"] for one in found["runs"]] == [waiting]
    assert len((await client.call("GET", "/runs?limit=1"))[1]["runs"]) == 1
    incident = found["runs"][0]["incident_id"]
    assert [one["id"] for one in (await client.call("GET", "/incidents?state=open"))[1]["incidents"]] == [incident]
    assert (await client.call("GET", "/incidents?state=closed"))[1] == {"incidents": []}
    _, playbooks = await client.call("GET", "/playbooks")
    assert playbooks["set_hash"] == "set1" and playbooks["playbooks"][0]["autonomy"] == "act"


async def test_label_text_leaves_as_data_never_as_markup_or_control_characters(sat: Desk, client: ApiClient) -> None:
    run_id = await sat.run()
    run = (await sat.operations.records.run(run_id)).run
    async with sat.store.begin(Tx.OPERATE) as tx:
        await tx.execute(update(episodes).values(labels={"alertname": HOSTILE}, alertname=HOSTILE))
        await tx.execute(update(incidents).values(title=HOSTILE))
    for path in ("/incidents", f"/incidents/{run.incident_id}", f"/runs/{run_id}", "/runs/" + "%1b%3Cb%3E"):
        url = f"{client.url}/api/v1{path}"
        async with client.session.get(url, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
            raw = await answer.read()
            assert answer.headers["Content-Type"] == "application/json"
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert all(0x20 <= byte < 0x7F for byte in raw)
    _, story = await client.call("GET", f"/incidents/{run.incident_id}")
    assert story["incident"]["title"] == HOSTILE


async def test_no_token_stands_in_any_answer_or_log(
    sat: Desk, client: ApiClient, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    run_id = await sat.run()
    said = []
    for one in ENDPOINTS:
        path = one.path.replace("{id}", run_id)
        said.append(str(await client.call(one.method, path, {"reason": "x", "scope": TOKEN[:3]})))
        said.append(str(await client.call(one.method, path, {}, token=TOKEN + "typo")))
    printed = capsys.readouterr()
    everything = " ".join([*said, caplog.text, printed.out, printed.err])
    assert TOKEN not in everything
    assert "alertmanager-throwaway-token" not in everything


async def test_a_store_that_is_gone_is_503(sat: Desk, client: ApiClient, tmp_path: Path) -> None:
    for file in tmp_path.glob("remediator.sqlite*"):
        file.unlink()
    (tmp_path / "remediator.sqlite").mkdir()
    await sat.store.close()
    status, answer = await client.call("GET", "/runs")
    assert status == 503 and "store" in answer["error"]


async def test_explain_answers_for_every_playbook_and_writes_nothing(sat: Desk, client: ApiClient) -> None:
    labels = {"alertname": "ServiceDown", "namespace": "shop", "deployment": "web", "severity": "critical"}
    status, found = await client.call("POST", "/explain", {"alert": {"labels": labels}})
    assert status == 200
    [alert] = found["alerts"]
    [one] = alert["playbooks"]
    assert one["matches"] and one["verdict"] == "deny" and one["target_problem"] == "no client for prod"
    assert {guard["guard"]: guard["passes"] for guard in one["guards"]}["pause"] is True
    assert (await client.call("GET", "/incidents"))[1] == {"incidents": []}
    assert (await client.call("GET", "/decisions"))[1] == {"decisions": []}


async def test_runs_are_listed_by_every_state_in_which_one_can_stand(client: ApiClient) -> None:
    for state in (*runs.IN_HAND_STATES, "ended"):
        status, answer = await client.call("GET", f"/runs?state={state}")
        assert (status, answer) == (200, {"runs": []}), state
