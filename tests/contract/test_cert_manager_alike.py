"""cert-manager on a stage, the sandbox's and the real one: from a Certificate to its Secret, and how attempts end otherwise."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from tests.support import certificates
from tests.support.certificates_for_real import (
    ask_for,
    authority,
    authority_of_another_key,
    in_secret,
    is_issuing,
    is_ready,
)
from tests.support.cluster import Object, Stage
from tests.support.real_cluster import RealStage

MARK = "remediator.dev/Renewal"


@pytest.fixture(params=["emulator", pytest.param("real", marks=[pytest.mark.real, pytest.mark.live])])
def here(request: pytest.FixtureRequest) -> Stage:
    """A stage on which cert-manager acts."""
    if request.param == "real":
        request.getfixturevalue("cert_manager")
    stage: Stage = request.getfixturevalue("real_stage" if request.param == "real" else "emulated_stage")
    return stage


async def signing(stage: Stage) -> str:
    """An issuer that signs; its name."""
    await stage.create({"kind": "Issuer", "metadata": {"name": "itself"}, "spec": {"selfSigned": {}}})
    await stage.until("Issuer", "itself", is_ready)
    return "itself"


async def issued(stage: Stage, revision: int = 1) -> Object:
    def at_rest(found: Object) -> bool:
        status = found["status"]
        settled = is_ready(found) and not is_issuing(found) and "nextPrivateKeySecretName" not in status
        return settled and status.get("revision") == revision

    return await stage.until("Certificate", "web", at_rest)


async def failed(stage: Stage) -> Object:
    return await stage.until("Certificate", "web", lambda found: found["status"].get("failedIssuanceAttempts") == 1)


async def renew(stage: Stage) -> None:
    """As `cmctl renew` does, with a condition beside it that cert-manager does not know."""
    found = await stage.get("Certificate", "web")
    stamp = {"status": "True", "lastTransitionTime": now(), "observedGeneration": found["metadata"]["generation"]}
    asked = [
        {"type": "Issuing", "reason": "ManuallyTriggered", "message": "by hand", **stamp},
        {"type": MARK, "reason": "ManuallyTriggered", "message": "int_1", **stamp},
    ]
    body = {
        "metadata": {"resourceVersion": found["metadata"]["resourceVersion"]},
        "status": {"conditions": [*found["status"]["conditions"], *asked]},
    }
    await stage.patch("Certificate", "web", body, subresource="status")


def now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def conditions(found: Object) -> dict[str, tuple[str, str]]:
    return {one["type"]: (one["status"], one["reason"]) for one in found["status"]["conditions"]}


def said(found: Object, type_: str) -> str:
    return next(str(one["message"]) for one in found["status"]["conditions"] if one["type"] == type_)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


async def test_a_certificate_is_issued(here: Stage) -> None:
    await ask_for(here, "web", issuer=await signing(here))
    found = await issued(here)
    assert conditions(found) == {"Ready": ("True", "Ready")}
    status = found["status"]
    begin, due, end = (instant(status[key]) for key in ("notBefore", "renewalTime", "notAfter"))
    assert (end - begin, due - begin) == (timedelta(days=90), timedelta(days=60))
    assert not status.keys() & {"lastFailureTime", "failedIssuanceAttempts"}
    held = await here.get("Secret", "web-tls")
    assert (held["type"], set(held["data"])) == ("kubernetes.io/tls", {"tls.crt", "tls.key", "ca.crt"})
    assert held["metadata"]["annotations"]["cert-manager.io/certificate-name"] == "web"
    assert "ownerReferences" not in held["metadata"]
    leaf = await in_secret(here, "web")
    key = serialization.load_pem_private_key(base64.b64decode(held["data"]["tls.key"]), None)
    assert key.public_key() == leaf.public_key()
    assert (leaf.not_valid_after_utc, leaf.not_valid_before_utc) == (end, begin)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["web.example.net"]


async def test_its_request_says_what_it_is_for(here: Stage) -> None:
    await ask_for(here, "web", issuer=await signing(here))
    found = await issued(here)
    [request] = await here.list("CertificateRequest")
    metadata = request["metadata"]
    assert metadata["name"] == "web-1"
    wanted = {"cert-manager.io/certificate-name": "web", "cert-manager.io/certificate-revision": "1"}
    assert wanted.items() <= metadata["annotations"].items()
    [owner] = metadata["ownerReferences"]
    assert (owner["kind"], owner["uid"], owner["controller"]) == ("Certificate", found["metadata"]["uid"], True)
    assert request["spec"]["issuerRef"]["name"] == "itself"
    assert conditions(request) == {"Approved": ("True", "cert-manager.io"), "Ready": ("True", "Issued")}
    assert "failureTime" not in request["status"]
    signed = x509.load_pem_x509_certificate(base64.b64decode(request["status"]["certificate"]))
    assert signed == await in_secret(here, "web")


async def test_the_condition_issuing_brings_another_one(here: Stage) -> None:
    """It is taken away at the end; a condition that cert-manager does not know stays."""
    await ask_for(here, "web", issuer=await signing(here))
    await issued(here)
    before = await in_secret(here, "web")
    await renew(here)
    found = await issued(here, 2)
    assert conditions(found) == {"Ready": ("True", "Ready"), MARK: ("True", "ManuallyTriggered")}
    after = await in_secret(here, "web")
    assert after.serial_number != before.serial_number
    assert after.public_key() != before.public_key()
    await here.gone("CertificateRequest", "web-1")
    assert [one["metadata"]["name"] for one in await here.list("CertificateRequest")] == ["web-2"]


async def test_the_status_is_written_only_at_its_own_place(here: Stage) -> None:
    await ask_for(here, "web", issuer=await signing(here))
    found = await issued(here)
    begun = {"type": "Issuing", "status": "True", "reason": "x", "message": "", "lastTransitionTime": now()}
    after = await here.patch("Certificate", "web", {"status": {"conditions": [begun]}})
    assert after["status"] == found["status"]


async def test_without_a_ready_issuer_it_waits_and_nothing_has_failed(here: Stage) -> None:
    if isinstance(here, RealStage):
        spec: Object = {"ca": {"secretName": "none"}}
        await here.create({"kind": "Issuer", "metadata": {"name": "waits"}, "spec": spec})
    else:
        await certificates.issuer(here, "waits", ready=False)
    await ask_for(here, "web", issuer="waits")
    await here.until(
        "CertificateRequest",
        "web-1",
        lambda found: "Ready" in conditions({"status": {"conditions": [], **found["status"]}}),
    )
    assert conditions(await here.get("CertificateRequest", "web-1"))["Ready"] == ("False", "Pending")
    status = (await here.get("Certificate", "web"))["status"]
    assert conditions({"status": status})["Issuing"] == ("True", "DoesNotExist")
    assert not status.keys() & {"revision", "lastFailureTime", "failedIssuanceAttempts"}


async def test_an_attempt_that_fails_leaves_all_that_there_was(here: Stage) -> None:
    if isinstance(here, RealStage):
        await authority(here)
        await ask_for(here, "web")
    else:
        await certificates.issuer(here)
        await ask_for(here, "web", issuer="ca")
    first = await issued(here)
    before = await in_secret(here, "web")
    if isinstance(here, RealStage):
        await authority_of_another_key(here)
    else:
        await certificates.answer(here, "fail")
    await renew(here)
    found = await failed(here)
    assert conditions(found)["Ready"] == ("True", "Ready")
    assert conditions(found)["Issuing"] == ("False", "Failed")
    assert conditions(found)[MARK][0] == "True"
    assert said(found, "Issuing").startswith("The certificate request has failed to complete and will be retried: ")
    kept = ("revision", "notBefore", "notAfter", "renewalTime")
    assert {key: found["status"][key] for key in kept} == {key: first["status"][key] for key in kept}
    assert await in_secret(here, "web") == before
    request = await here.get("CertificateRequest", "web-2")
    assert conditions(request)["Ready"] == ("False", "Failed")
    assert conditions(request)["Approved"][0] == "True"
    assert request["status"]["failureTime"] == found["status"]["lastFailureTime"]
    assert "certificate" not in request["status"]


async def test_what_an_approver_denies_has_failed_in_its_words(here: Stage) -> None:
    if isinstance(here, RealStage):
        spec: Object = {"ca": {"secretName": "none"}}
        await here.create({"kind": "Issuer", "metadata": {"name": "ca"}, "spec": spec})
    else:
        await certificates.issuer(here, answers="deny")
    await ask_for(here, "web", issuer="ca")
    if isinstance(
        here, RealStage
    ):  # nobody else denies there; the issuer is not ready, so that nothing is signed before
        await here.until("CertificateRequest", "web-1", lambda found: found["status"].get("conditions"))
        denied = {
            "type": "Denied",
            "status": "True",
            "reason": "policy.cert-manager.io",
            "message": "no policy allows it",
        }
        await here.patch("CertificateRequest", "web-1", {"status": {"conditions": [denied]}}, subresource="status")
    found = await failed(here)
    assert conditions(found)["Issuing"] == ("False", "policy.cert-manager.io")
    assert said(found, "Issuing").endswith("will be retried: no policy allows it")
    assert conditions(await here.get("CertificateRequest", "web-1"))["Denied"][0] == "True"
    assert "revision" not in found["status"]
