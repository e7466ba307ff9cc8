"""certmanager.renew, its conditions and its evidence on the emulator's cert-manager; ``test_cert_manager.py`` has the real one."""

from datetime import timedelta
from typing import Any

import pytest

from remediator.actions.base import PlanRefusedError
from remediator.actions.evidence.collect import collect, permissions
from remediator.answers import Answer
from remediator.clients.kubernetes.cert_manager import MARK
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.errors import OvertakenError, PermanentError
from remediator.runs.cursor import Outcome
from remediator.runs.plan import Plan
from tests.contract.doing import FIRST, SECOND, Doing
from tests.support import certificates
from tests.support.carried_out import CarriedOut
from tests.support.cluster import Object, Stage
from tests.support.emulated_cluster import EmulatedStage

DAY = timedelta(days=1)


async def renewing(stage: Stage, **params: Any) -> Doing:
    return await Doing.on(stage, "certmanager.renew", stage.target("web", "certificate"), **params)


async def refusal(stage: Stage, **params: Any) -> tuple[str, str]:
    with pytest.raises(PlanRefusedError) as refused:
        await (await renewing(stage, **params)).plan()
    return refused.value.code, refused.value.kind


async def look(stage: Stage, condition: str, *done: Plan, **params: Any) -> Look:
    asking = condition_named(condition)
    chosen = asking.params.model_validate(params)
    client = await stage.client(asking.permissions("certificate", chosen))
    known = Known(client.now(), {}, done=done)
    return await asking.look(World(client, None, None), stage.target("web", "certificate"), chosen, known)


async def conditions(stage: Stage) -> dict[str, Object]:
    found = (await stage.get("Certificate", "web"))["status"]["conditions"]
    return {one["type"]: one for one in found}


async def test_it_asks_as_cert_managers_own_tool_does_and_keeps_what_stands_there(emulated_stage: Stage) -> None:
    await certificates.issuer(emulated_stage)
    before = await certificates.certificate(emulated_stage)
    await certificates.answer(emulated_stage, "pending")
    doing = await renewing(emulated_stage)
    plan = await doing.do()
    found = await conditions(emulated_stage)
    assert found["Ready"] == before["status"]["conditions"][0]
    assert (found["Issuing"]["status"], found["Issuing"]["reason"]) == ("True", "ManuallyTriggered")
    assert found["Issuing"]["observedGeneration"] == before["metadata"]["generation"]
    assert found[MARK]["message"] == FIRST
    assert (await doing.landed(plan)).answer is Answer.YES
    assert await doing.verify(plan) is Answer.NO
    assert (await look(emulated_stage, "certificate_renewed", plan)).answer is Answer.NO
    assert "found done already" in (await doing.apply(plan)).summary


async def test_a_renewal_is_seen_by_its_revision_and_its_later_end(emulated_stage: Stage) -> None:
    await certificates.issuer(emulated_stage)
    before = await certificates.certificate(emulated_stage)
    secret = await emulated_stage.get("Secret", "web-tls")
    doing = await renewing(emulated_stage)
    plan = await doing.plan()
    assert (await doing.landed(plan)).answer is Answer.NO
    assert (await look(emulated_stage, "certificate_renewed")).answer is Answer.UNKNOWN
    await doing.apply(plan)
    after = await certificates.ended(emulated_stage)
    assert after["status"]["revision"] == 2
    assert after["status"]["notAfter"] > before["status"]["notAfter"]
    assert (await emulated_stage.get("Secret", "web-tls"))["data"] != secret["data"]
    assert await doing.verify(plan) is Answer.YES
    assert (await look(emulated_stage, "certificate_renewed", plan)).answer is Answer.YES
    # The mark outlives the condition that asked.
    assert (await doing.landed(plan)).answer is Answer.YES
    assert (await doing.landed(plan, SECOND)).answer is Answer.UNKNOWN
    assert await doing.undo_plan(plan) is None


@pytest.mark.parametrize("lost", ["lose_answer", "drop"])
async def test_an_answer_that_is_lost_leads_to_one_renewal(emulated_stage: EmulatedStage, lost: str) -> None:
    """Whether it came through before the connection broke or not."""
    await certificates.issuer(emulated_stage)
    await certificates.certificate(emulated_stage)
    kubernetes = emulated_stage.world.kubernetes
    kubernetes.faults.add(match="PATCH /apis/cert-manager.io/*", kind=lost, times=1)
    target = emulated_stage.target("web", "certificate")
    client = await emulated_stage.client((await renewing(emulated_stage)).action.permissions("certificate", None))
    cursor = await CarriedOut(client, target, "certmanager.renew", {}).go()
    assert cursor.outcome is Outcome.VERIFIED, cursor.note
    assert (await certificates.ended(emulated_stage))["status"]["revision"] == 2
    sent = [one for one in await emulated_stage.audit() if one.writes]
    assert len(sent) == (1 if lost == "lose_answer" else 2)


async def test_a_write_that_is_refused_is_not_repeated(emulated_stage: EmulatedStage) -> None:
    await certificates.issuer(emulated_stage)
    await certificates.certificate(emulated_stage)
    emulated_stage.world.kubernetes.deny("patch", "certificates", "status")
    doing = await renewing(emulated_stage)
    plan = await doing.plan()
    with pytest.raises(PermanentError, match="patch on certificates/status"):
        await doing.apply(plan)
    assert (await doing.landed(plan)).answer is Answer.NO
    assert (await emulated_stage.get("Certificate", "web"))["status"]["revision"] == 1


async def test_an_attempt_that_fails_is_over_and_told_to_the_end_of_the_chain(emulated_stage: Stage) -> None:
    await certificates.issuer(emulated_stage, acme=True)
    await certificates.certificate(emulated_stage)
    await certificates.answer(emulated_stage, "fail")
    assert (await look(emulated_stage, "certificate_failed", within="1d")).answer is Answer.NO
    doing = await renewing(emulated_stage)
    plan = await doing.do()
    await certificates.ended(emulated_stage)
    assert await doing.verify(plan) is Answer.YES
    assert (await doing.landed(plan)).answer is Answer.YES
    for condition, done, params in (("certificate_failed", (), {"within": "1d"}), ("certificate_renewed", (plan,), {})):
        seen = await look(emulated_stage, condition, *done, **params)
        assert seen.answer is (Answer.YES if condition == "certificate_failed" else Answer.NO)
        assert "Challenge" in seen.seen and "urn:ietf:params:acme:error:unauthorized" in seen.seen, seen
    assert await refusal(emulated_stage) == ("in_back_off", "refuse")
    assert await refusal(emulated_stage, after_failure="accept") == ("failed_lately", "refuse")
    [told, *_] = await collect(
        await emulated_stage.client(permissions("certificate", {})), emulated_stage.target("web", "certificate"), {}
    )
    assert (told.kind, told.read) == ("certificate_issuance", True)
    for word in (
        "revision 1",
        "Issuing=False Failed",
        "CertificateRequest web-2",
        "Order web-2-",
        "HTTP-01 of shop.example.net",
    ):
        assert word in told.text, told.text


async def test_the_authoritys_own_refusal_is_final(emulated_stage: Stage) -> None:
    await certificates.issuer(emulated_stage, acme=True)
    await certificates.certificate(emulated_stage)
    await certificates.answer(emulated_stage, "limit")
    await (await renewing(emulated_stage)).do()
    await certificates.ended(emulated_stage)
    assert await refusal(emulated_stage, after_failure="accept") == ("rate_limited", "refuse")


async def test_a_denied_request_is_a_failure_with_its_reason(emulated_stage: Stage) -> None:
    await certificates.issuer(emulated_stage)
    await certificates.certificate(emulated_stage)
    await certificates.answer(emulated_stage, "deny")
    await (await renewing(emulated_stage)).do()
    await certificates.ended(emulated_stage)
    seen = await look(emulated_stage, "certificate_failed", within="1d")
    assert seen.answer is Answer.YES and "Denied" in seen.seen


async def test_while_it_is_issued_it_waits(emulated_stage: Stage) -> None:
    await certificates.issuer(emulated_stage, answers="pending")
    await certificates.certificate(emulated_stage, issued=False)
    await emulated_stage.until("Certificate", "web", lambda found: found["status"].get("conditions"), what="begun")
    assert await refusal(emulated_stage) == ("issuing", "wait")


async def test_an_issuer_is_judged_whichever_kind_it_is(emulated_stage: Stage) -> None:
    await certificates.issuer(emulated_stage)
    await certificates.certificate(emulated_stage)
    assert (await look(emulated_stage, "issuer_ready")).answer is Answer.YES
    await emulated_stage.patch("Issuer", "ca", {"metadata": {"annotations": {"sandbox.remediator.dev/ready": "False"}}})
    await emulated_stage.until("Issuer", "ca", lambda found: found["status"]["conditions"][0]["status"] == "False")
    assert (await look(emulated_stage, "issuer_ready")).answer is Answer.NO
    assert await refusal(emulated_stage) == ("issuer_not_ready", "refuse")
    await emulated_stage.delete("Issuer", "ca")
    await emulated_stage.gone("Issuer", "ca")
    assert (await look(emulated_stage, "issuer_ready")).answer is Answer.NO
    assert await refusal(emulated_stage) == ("issuer_not_found", "refuse")
    ref = {"spec": {"issuerRef": {"name": "ca", "kind": "ClusterIssuer"}}}
    await emulated_stage.patch("Certificate", "web", ref)
    await certificates.issuer(emulated_stage, kind="ClusterIssuer")
    assert (await look(emulated_stage, "issuer_ready")).answer is Answer.YES
    await emulated_stage.patch("Certificate", "web", {"spec": {"issuerRef": {"group": "awspca.cert-manager.io"}}})
    assert (await look(emulated_stage, "issuer_ready")).answer is Answer.UNKNOWN
    assert await refusal(emulated_stage) == ("issuer_not_known", "refuse")


@pytest.mark.parametrize("name", ["../../../../api/v1/namespaces/shop/secrets/web-tls", "..", "a/b", "", "Ca"])
async def test_a_name_that_is_none_leads_nowhere(emulated_stage: Stage, name: str) -> None:
    """Whoever may make Certificates chooses the name of the issuer; it must not become another path."""
    await certificates.certificate(emulated_stage, issued=False, issuerRef={"name": name})
    seen = await look(emulated_stage, "issuer_ready")
    assert seen.answer is Answer.NO and "does not exist" in seen.seen
    assert all("issuers" not in one.path for one in await emulated_stage.audit())


async def test_what_is_not_due_needs_a_word_of_the_playbook(emulated_stage: Stage) -> None:
    await certificates.issuer(emulated_stage)
    await certificates.certificate(emulated_stage, issued_ago=DAY)
    assert await refusal(emulated_stage) == ("not_due", "refuse")
    assert (await (await renewing(emulated_stage, early="accept")).plan()).memory["revision"] == 1
    assert (await look(emulated_stage, "certificate_expires", within="88d")).answer is Answer.NO
    assert (await look(emulated_stage, "certificate_expires", within="90d")).answer is Answer.YES


async def test_an_acme_issuer_is_asked_once_in_a_while_for_the_same_names(emulated_stage: Stage) -> None:
    await certificates.issuer(emulated_stage, acme=True)
    await certificates.certificate(emulated_stage)
    await (await renewing(emulated_stage)).plan()
    # Another Certificate of the same names counts for both, also when its request is gone.
    await certificates.certificate(emulated_stage, "again", issued_ago=DAY)
    assert await refusal(emulated_stage) == ("issued_lately", "refuse")
    assert await refusal(emulated_stage, quiet_for="0s", most_per_week=1) == ("quota_nearly_used", "refuse")
    await emulated_stage.delete("CertificateRequest", "again-1")
    await emulated_stage.gone("CertificateRequest", "again-1")
    assert await refusal(emulated_stage) == ("issued_lately", "refuse")
    await (await renewing(emulated_stage, quiet_for="23h")).plan()


async def test_two_that_write_one_secret_are_for_people(emulated_stage: Stage) -> None:
    await certificates.issuer(emulated_stage)
    await certificates.certificate(emulated_stage)
    await certificates.certificate(emulated_stage, "again", issued=False, secretName="web-tls")
    assert await refusal(emulated_stage) == ("shared_secret", "refuse")


async def test_what_began_between_plan_and_write_stops_it(emulated_stage: Stage) -> None:
    await certificates.issuer(emulated_stage)
    await certificates.certificate(emulated_stage)
    await certificates.answer(emulated_stage, "pending")
    first, second = await renewing(emulated_stage), await renewing(emulated_stage)
    plan, other = await first.plan(), await second.plan()
    await first.apply(plan)
    with pytest.raises(OvertakenError, match="being issued already"):
        await second.apply(other, SECOND)
    assert (await second.landed(other, SECOND)).answer is Answer.UNKNOWN
    assert (await conditions(emulated_stage))[MARK]["message"] == FIRST


async def test_a_certificate_that_was_made_again_is_another(emulated_stage: Stage) -> None:
    await certificates.issuer(emulated_stage)
    await certificates.certificate(emulated_stage)
    doing = await renewing(emulated_stage)
    plan = await doing.plan()
    await emulated_stage.delete("Certificate", "web")
    await emulated_stage.gone("Certificate", "web")
    with pytest.raises(OvertakenError, match="gone"):
        await doing.apply(plan)
    await certificates.certificate(emulated_stage, issued=False)
    with pytest.raises(OvertakenError, match="made again"):
        await doing.apply(plan)
    assert (await doing.landed(plan)).answer is Answer.UNKNOWN
    assert await doing.verify(plan) is Answer.UNKNOWN
    assert (await look(emulated_stage, "certificate_renewed", plan)).answer is Answer.UNKNOWN


async def test_no_secret_is_read(emulated_stage: Stage) -> None:
    names = ("issuer_ready", "certificate_failed", "certificate_expires", "certificate_renewed", "tls_serves")
    doing = await renewing(emulated_stage)
    asked: set[object] = {*doing.action.permissions("certificate", doing.params), *permissions("certificate", {})}
    for name in names:
        asked |= set(condition_named(name).permissions("certificate", None))
    assert not [one for one in map(str, asked) if "secrets" in one]
