"""``certmanager.renew`` and the real cert-manager: what the status asks for really comes, and what stands in its way is told."""

import asyncio

import pytest

from remediator.actions import action_named
from remediator.actions.base import ActionContext, PlanRefusedError
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.runs.cursor import Outcome
from remediator.targets import Target
from tests.controlplane.cert_manager import CA
from tests.support.carried_out import CarriedOut
from tests.support.certificates_for_real import (
    AUTHORITY,
    a_second_after,
    ask_for,
    authority,
    authority_of_another_key,
    in_secret,
    is_issuing,
    is_ready,
    issue,
)
from tests.support.real_cluster import RealStage

pytestmark = pytest.mark.usefixtures("cert_manager")

ACTION = "certmanager.renew"
EARLY = {"early": "accept"}
AGAIN = {**EARLY, "after_failure": "accept"}


async def client_of(stage: RealStage) -> KubernetesClient:
    action = action_named(ACTION)
    return await stage.client(action.permissions("certificate", action.params()))


async def refusal(stage: RealStage, target: Target, params: dict[str, str]) -> PlanRefusedError:
    action = action_named(ACTION)
    ctx = ActionContext(await client_of(stage))
    with pytest.raises(PlanRefusedError) as caught:
        await action.plan(ctx, target, action.params.model_validate(params))
    return caught.value


async def test_a_renewal_brings_a_new_certificate(real_stage: RealStage) -> None:
    target = await issue(real_stage, "web", issuerRef={"kind": "ClusterIssuer", "name": CA})
    assert (await refusal(real_stage, target, {})).code == "not_due"
    before = await in_secret(real_stage, "web")
    async with asyncio.timeout(60):
        while not a_second_after(before):  # noqa: ASYNC110 - nothing tells that a second has passed
            await asyncio.sleep(0.05)
    run = CarriedOut(await client_of(real_stage), target, ACTION, EARLY)
    cursor = await run.go()
    assert cursor.outcome is Outcome.VERIFIED, (cursor.note, run.told)
    found = await real_stage.until("Certificate", "web", lambda one: is_ready(one) and not is_issuing(one))
    after = await in_secret(real_stage, "web")
    assert found["status"]["revision"] == 2
    assert after.serial_number != before.serial_number
    assert after.not_valid_after_utc > before.not_valid_after_utc
    await real_stage.gone(
        "CertificateRequest", "web-1"
    )  # by cert-manager's default: of the first one no request is left to count


async def test_while_an_attempt_waits_for_its_issuer_nothing_is_asked(real_stage: RealStage) -> None:
    await real_stage.create({"kind": "Issuer", "metadata": {"name": "waits"}, "spec": {"ca": {"secretName": "none"}}})
    target = await ask_for(real_stage, "web", issuer="waits")
    await real_stage.until("Certificate", "web", is_issuing)
    assert (await refusal(real_stage, target, AGAIN)).code == "issuing"


async def test_a_request_that_was_denied_is_not_made_again(real_stage: RealStage) -> None:
    await authority(real_stage)
    await real_stage.create({"kind": "Issuer", "metadata": {"name": "waits"}, "spec": {"ca": {"secretName": "later"}}})
    target = await ask_for(real_stage, "web", issuer="waits")
    await real_stage.until("CertificateRequest", "web-1", lambda found: found["status"].get("conditions"))
    denied = {"type": "Denied", "status": "True", "reason": "Policy", "message": "not on a Monday"}
    await real_stage.patch("CertificateRequest", "web-1", {"status": {"conditions": [denied]}}, subresource="status")
    await real_stage.until("Certificate", "web", lambda found: found["status"].get("failedIssuanceAttempts") == 1)
    assert (await refusal(real_stage, target, AGAIN)).code == "issuer_not_ready"
    held = await real_stage.get("Secret", AUTHORITY)
    later = {"kind": "Secret", "metadata": {"name": "later"}, "type": "kubernetes.io/tls", "data": held["data"]}
    await real_stage.create(later)
    await real_stage.until("Issuer", "waits", is_ready)
    refused = await refusal(real_stage, target, EARLY)
    assert refused.code == "in_back_off"
    assert "not on a Monday" in str(refused)
    # cert-manager would fail the next attempt at once, with the request that was denied.
    assert (await refusal(real_stage, target, AGAIN)).code == "denied_request_stands"
    await real_stage.delete("CertificateRequest", "web-1")
    await real_stage.gone("CertificateRequest", "web-1")
    assert (await refusal(real_stage, target, AGAIN)).code == "failed_lately"


async def test_an_attempt_that_fails_leaves_what_is_served(real_stage: RealStage) -> None:
    """The issuer says that it is ready, and cannot sign: its key is another CA's."""
    await authority(real_stage)
    target = await issue(real_stage, "web")
    before = await in_secret(real_stage, "web")
    await authority_of_another_key(real_stage)
    run = CarriedOut(await client_of(real_stage), target, ACTION, EARLY)
    await run.go()
    assert any("Error signing certificate" in said for said in run.told), run.told
    found = await real_stage.get("Certificate", "web")
    assert (found["status"]["revision"], found["status"]["failedIssuanceAttempts"]) == (1, 1)
    assert is_ready(found)
    assert (await in_secret(real_stage, "web")).serial_number == before.serial_number
    assert (await refusal(real_stage, target, EARLY)).code == "in_back_off"
