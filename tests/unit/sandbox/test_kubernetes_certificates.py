"""The sandbox's cert-manager: what it signs is real, and it fails as the real one does."""

import base64
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509

from remediator.sandbox.kubernetes import words
from remediator.sandbox.kubernetes.resources import CERTIFICATE_REQUESTS, CHALLENGES, EVENTS, ORDERS, Object
from remediator.sandbox.kubernetes.server import KubernetesApi
from remediator.sandbox.kubernetes.store import Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

SOMEBODY = Writer("cmctl", "status")
DAYS_80 = str(80 * 24 * 3600)


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    server = KubernetesApi(pace=Pace(speed=10))
    await server.start()
    yield server
    await server.stop()


def issuer(cluster: KubernetesApi, *, acme: bool = False, **annotations: str) -> None:
    metadata = {
        "name": "ca",
        "namespace": "shop",
        "annotations": {f"{words.PREFIX}/{k}": v for k, v in annotations.items()},
    }
    cluster.put("issuers", {"metadata": metadata, "spec": {"acme": {}} if acme else {"selfSigned": {}}})


def certificate(cluster: KubernetesApi, *, kind: str = "Issuer", **annotations: str) -> None:
    metadata = {
        "name": "web",
        "namespace": "shop",
        "annotations": {f"{words.PREFIX}/{k}": v for k, v in annotations.items()},
    }
    spec = {
        "secretName": "web-tls",
        "issuerRef": {"name": "ca", "kind": kind},
        "dnsNames": ["shop.example.net"],
        "ipAddresses": ["192.0.2.7"],
    }
    cluster.put("certificates", {"metadata": metadata, "spec": spec})


def status(cluster: KubernetesApi) -> Object:
    found: Object = cluster.get("certificates", "shop", "web").get("status") or {}
    return found


def condition(cluster: KubernetesApi, type_: str) -> Object:
    return next((one for one in status(cluster).get("conditions", []) if one["type"] == type_), {})


def requests(cluster: KubernetesApi) -> list[Object]:
    return list(cluster.store.all(CERTIFICATE_REQUESTS, "shop"))


def say(cluster: KubernetesApi, change: Callable[[Object], Object]) -> None:
    """Somebody writes the status."""
    found = cluster.get("certificates", "shop", "web")
    cluster.store.update(
        cluster.registry.by_plural("certificates"), found, {**found, "status": change(found["status"])}, SOMEBODY
    )


def asked_for(found: Object) -> Object:
    now = rfc3339_seconds(datetime.now(UTC) + timedelta(seconds=1))
    begun = {
        "type": "Issuing",
        "status": "True",
        "reason": "ManuallyTriggered",
        "message": "",
        "lastTransitionTime": now,
    }
    others = [one for one in found["conditions"] if one["type"] != "Issuing"]
    return {**found, "conditions": [*others, begun, {"type": "example.net/Other", "status": "True", "message": "mine"}]}


async def issued(cluster: KubernetesApi, revision: int = 1) -> None:
    await cluster.until(lambda: status(cluster).get("revision") == revision)


def stored(cluster: KubernetesApi) -> tuple[x509.Certificate, x509.Certificate]:
    data = cluster.get("secrets", "shop", "web-tls")["data"]
    pems = [base64.b64decode(data[file]) for file in ("tls.crt", "ca.crt")]
    return x509.load_pem_x509_certificate(pems[0]), x509.load_pem_x509_certificate(pems[1])


async def test_what_it_signs_is_real(cluster: KubernetesApi) -> None:
    issuer(cluster)
    certificate(cluster)
    await issued(cluster)
    leaf, authority = stored(cluster)
    leaf.verify_directly_issued_by(authority)
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["shop.example.net"]
    assert list(map(str, names.get_values_for_type(x509.IPAddress))) == ["192.0.2.7"]
    assert leaf.not_valid_after_utc - leaf.not_valid_before_utc == timedelta(days=90)
    assert status(cluster)["notAfter"] == rfc3339_seconds(leaf.not_valid_after_utc)
    assert condition(cluster, "Ready")["status"] == "True" and not condition(cluster, "Issuing")
    [request] = requests(cluster)
    assert request["metadata"]["name"] == "web-1"
    assert base64.b64decode(request["status"]["certificate"]).startswith(b"-----BEGIN CERTIFICATE-----")
    told = [one["message"] for one in cluster.store.all(EVENTS, "shop") if one["involvedObject"]["name"] == "web"]
    assert "The certificate has been successfully issued" in told


async def test_what_is_due_is_renewed_by_itself_unless_it_is_overlooked(cluster: KubernetesApi) -> None:
    issuer(cluster)
    certificate(cluster, **{"issued-ago": DAYS_80})
    await issued(cluster, 2)
    assert [one["metadata"]["name"] for one in requests(cluster)] == ["web-2"]
    assert stored(cluster)[0].not_valid_after_utc > datetime.now(UTC) + timedelta(days=89)


async def test_whoever_sets_the_condition_gets_another_and_other_conditions_stay(cluster: KubernetesApi) -> None:
    issuer(cluster)
    certificate(cluster, trigger="never", **{"issued-ago": DAYS_80})
    await issued(cluster)
    before, _ = stored(cluster)
    say(cluster, asked_for)
    await issued(cluster, 2)
    assert stored(cluster)[0].serial_number != before.serial_number
    assert condition(cluster, "example.net/Other")["message"] == "mine"


async def test_a_secret_that_is_gone_is_made_again(cluster: KubernetesApi) -> None:
    issuer(cluster)
    certificate(cluster)
    await issued(cluster)
    found = cluster.get("secrets", "shop", "web-tls")
    cluster.store.remove(cluster.registry.by_plural("secrets"), found, Writer("kubectl"))
    await issued(cluster, 2)


async def test_after_a_failure_it_holds_back_for_an_hour_and_says_why(cluster: KubernetesApi) -> None:
    issuer(cluster, acme=True, issues="fail")
    certificate(cluster)
    await cluster.until(lambda: status(cluster).get("failedIssuanceAttempts") == 1)
    assert (condition(cluster, "Issuing")["status"], condition(cluster, "Issuing")["reason"]) == ("False", "Failed")
    [request] = requests(cluster)
    [order] = cluster.store.all(ORDERS, "shop")
    [challenge] = cluster.store.all(CHALLENGES, "shop")
    assert order["metadata"]["ownerReferences"][0]["uid"] == request["metadata"]["uid"]
    assert challenge["metadata"]["ownerReferences"][0]["uid"] == order["metadata"]["uid"]
    assert (order["status"]["state"], challenge["status"]["state"]) == ("invalid", "invalid")
    found = cluster.get("issuers", "shop", "ca")
    answering = {**found, "metadata": {**found["metadata"], "annotations": {}}}
    cluster.store.update(cluster.registry.by_plural("issuers"), found, answering, Writer("kubectl"))
    an_hour_ago = rfc3339_seconds(datetime.now(UTC) - timedelta(minutes=61))
    assert status(cluster)["failedIssuanceAttempts"] == 1 and "revision" not in status(cluster)
    say(cluster, lambda found: {**found, "lastFailureTime": an_hour_ago, "failedIssuanceAttempts": 2})
    assert "revision" not in status(cluster)
    say(cluster, lambda found: {**found, "failedIssuanceAttempts": 1})
    # The old request failed after that hour began: the real one waits for it to be from before the attempt, too.
    cluster.store.remove(cluster.registry.by_plural("certificaterequests"), request, Writer("kubectl"))
    await issued(cluster)
    assert "lastFailureTime" not in status(cluster) and "failedIssuanceAttempts" not in status(cluster)


async def test_an_attempt_waits_for_its_issuer(cluster: KubernetesApi) -> None:
    issuer(cluster, ready="False")
    certificate(cluster)
    await cluster.until(lambda: bool(requests(cluster)))
    assert condition(cluster, "Issuing")["status"] == "True"
    found = cluster.get("issuers", "shop", "ca")
    ready = {**found, "metadata": {**found["metadata"], "annotations": {}}}
    cluster.store.update(cluster.registry.by_plural("issuers"), found, ready, Writer("kubectl"))
    await issued(cluster)


async def test_a_denied_request_is_a_failure(cluster: KubernetesApi) -> None:
    issuer(cluster, issues="deny")
    certificate(cluster)
    await cluster.until(lambda: status(cluster).get("failedIssuanceAttempts") == 1)
    assert condition(cluster, "Issuing")["reason"] == "policy.cert-manager.io"
    types = {one["type"]: one["status"] for one in requests(cluster)[0]["status"]["conditions"]}
    assert types == {"Ready": "False", "Denied": "True"}


async def test_a_cluster_issuer_signs_in_every_namespace(cluster: KubernetesApi) -> None:
    certificate(cluster, kind="ClusterIssuer")
    cluster.put("clusterissuers", {"metadata": {"name": "ca"}, "spec": {"selfSigned": {}}})
    await issued(cluster)
