"""What became of the latest attempt to issue a certificate: its CertificateRequest, Order and Challenges, and what each says. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remediator.clients.kubernetes.cert_manager import conditions_said

_ENDED_WELL = ("valid", "ready")
_MOST = 20


@dataclass(frozen=True, slots=True)
class Issuance:
    """One attempt, as far as it is still there."""

    lines: tuple[str, ...]
    """The request first, each thing below what it was made for."""
    cause: str
    """What the last in the chain says of its failure; empty where nothing has failed, or nothing says why."""


def issuance_of(
    certificate: str, requests: Sequence[Mapping[str, Any]], orders: Sequence[Any], challenges: Sequence[Any]
) -> Issuance:
    """Of the Certificate with this uid, from what is in its namespace."""
    attempts = [one for one in requests if _is_of(one, certificate)]
    if not attempts:
        return Issuance(("no CertificateRequest of it is there",), "")
    newest = max(attempts, key=_revision)
    lines, cause = [_told("CertificateRequest", newest, conditions_said(newest.get("status") or {}))], _why(newest)
    for order in (one for one in orders if _is_of(one, newest["metadata"]["uid"])):
        lines.append(_told("  Order", order, _state(order)))
        cause = _failure("Order", order) or cause
        for challenge in (one for one in challenges if _is_of(one, order["metadata"]["uid"])):
            spec = challenge.get("spec") or {}
            what = f"{spec.get('type', '?')} of {str(spec.get('dnsName', '?'))[:253]}: {_state(challenge)}"
            lines.append(_told("    Challenge", challenge, what))
            cause = _failure("Challenge", challenge) or cause
    return Issuance(tuple(lines[:_MOST]), cause)


def _revision(request: Mapping[str, Any]) -> int:
    return int((request["metadata"].get("annotations") or {}).get("cert-manager.io/certificate-revision") or 0)


def _is_of(document: Mapping[str, Any], uid: str) -> bool:
    return any(one.get("uid") == uid for one in document["metadata"].get("ownerReferences") or ())


def _told(what: str, document: Mapping[str, Any], said: str) -> str:
    return f"{what} {document['metadata']['name']}: {said or 'nothing is said yet'}"[:1_000]


def _why(request: Mapping[str, Any]) -> str:
    status = request.get("status") or {}
    if not any(one.get("reason") in ("Failed", "Denied") for one in status.get("conditions") or ()):
        return ""
    failed = [one for one in status["conditions"] if one.get("type") in ("Ready", "Denied", "InvalidRequest")]
    return "; ".join(f"{one.get('reason')}: {one.get('message', '')}" for one in failed)[:400]


def _state(document: Mapping[str, Any]) -> str:
    status = document.get("status") or {}
    reason = f" ({status['reason']})" if status.get("reason") else ""
    return f"{status.get('state') or 'new'}{reason}"


def _failure(what: str, document: Mapping[str, Any]) -> str:
    """Also of one that is stuck: a Challenge that waits says why."""
    status = document.get("status") or {}
    if status.get("state") in _ENDED_WELL or not status.get("reason"):
        return ""
    return f"{what} {document['metadata']['name']}: {status['reason']}"[:400]
