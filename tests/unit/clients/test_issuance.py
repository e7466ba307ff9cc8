"""What is told of an attempt to issue a certificate, and who of the chain has the last word."""

from typing import Any

from remediator.clients.kubernetes.issuance import issuance_of

Object = dict[str, Any]


def of(owner: str, name: str, status: Object, *, revision: int = 1, spec: Object | None = None) -> Object:
    metadata = {
        "name": name,
        "uid": name,
        "ownerReferences": [{"uid": owner}],
        "annotations": {"cert-manager.io/certificate-revision": str(revision)},
    }
    return {"metadata": metadata, "status": status, "spec": spec or {}}


FAILED = {"conditions": [{"type": "Ready", "status": "False", "reason": "Failed", "message": "order is invalid"}]}
PENDING = {"conditions": [{"type": "Ready", "status": "False", "reason": "Pending", "message": "waiting"}]}
OF_HOST = {"type": "DNS-01", "dnsName": "shop.example.net"}


def test_of_nothing_there_is_nothing_to_tell() -> None:
    assert issuance_of("web", [of("other", "r", FAILED)], [], []) == issuance_of("web", [], [], [])
    assert issuance_of("web", [], [], []).cause == ""


def test_the_newest_attempt_counts() -> None:
    found = issuance_of("web", [of("web", "web-2", PENDING, revision=2), of("web", "web-1", FAILED)], [], [])
    assert found.cause == "" and "web-2" in found.lines[0] and len(found.lines) == 1


def test_whoever_comes_last_in_the_chain_says_why() -> None:
    requests = [of("web", "web-1", FAILED)]
    assert issuance_of("web", requests, [], []).cause == "Failed: order is invalid"
    orders = [of("web-1", "o", {"state": "invalid", "reason": "an authorization is invalid"}), of("x", "strange", {})]
    assert issuance_of("web", requests, orders, []).cause == "Order o: an authorization is invalid"
    good = of("o", "c1", {"state": "valid", "reason": "Successfully authorized domain"}, spec=OF_HOST)
    bad = of("o", "c2", {"state": "invalid", "reason": "no such TXT record"}, spec=OF_HOST)
    found = issuance_of("web", requests, orders, [good, bad])
    assert found.cause == "Challenge c2: no such TXT record"
    assert [line.strip().partition(" ")[0] for line in found.lines] == [
        "CertificateRequest",
        "Order",
        "Challenge",
        "Challenge",
    ]
    assert "DNS-01 of shop.example.net: invalid (no such TXT record)" in found.lines[-1]


def test_a_challenge_that_is_stuck_says_why_before_anything_has_failed() -> None:
    stuck = of("o", "c", {"state": "pending", "reason": "Waiting for HTTP-01: connection refused"}, spec=OF_HOST)
    found = issuance_of("web", [of("web", "web-1", PENDING)], [of("web-1", "o", {"state": "pending"})], [stuck])
    assert found.cause == "Challenge c: Waiting for HTTP-01: connection refused"


def test_a_request_that_was_denied_says_by_whom() -> None:
    denied = {
        "conditions": [
            {"type": "Denied", "status": "True", "reason": "policy", "message": "no policy allows it"},
            {"type": "Ready", "status": "False", "reason": "Denied", "message": "was denied"},
        ]
    }
    cause = issuance_of("web", [of("web", "web-1", denied)], [], []).cause
    assert "policy: no policy allows it" in cause and "Denied: was denied" in cause


def test_hostile_texts_are_cut() -> None:
    huge = {"conditions": [{"type": "Ready", "status": "False", "reason": "Failed", "message": "x" * 10_000}]}
    found = issuance_of("web", [of("web", "web-1", huge)], [], [])
    assert len(found.cause) <= 400 and all(len(line) <= 1_000 for line in found.lines)
