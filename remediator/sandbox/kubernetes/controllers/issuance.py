"""The objects between a Certificate and its signature, as cert-manager makes them. Pure."""

import base64
import re
from collections.abc import Callable
from datetime import datetime, timedelta

from remediator.sandbox.kubernetes.controllers.templates import random_suffix
from remediator.sandbox.kubernetes.resources import CERTIFICATE_REQUESTS, CERTIFICATES, ORDERS, Object, Resource

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?")


def condition(type_: str, status: str, reason: str, message: str, *, at: str, generation: int | None = None) -> Object:
    """One, begun at ``at``."""
    made: Object = {
        "type": type_,
        "status": status,
        "reason": reason,
        "message": message,
        "lastTransitionTime": at,
    }
    return made if generation is None else {**made, "observedGeneration": generation}


def conditions_with(status: Object, new: Object, *, keep_time: bool = False) -> list[Object]:
    """All of a status with this one in its place; ``keep_time``: its time stays where its status does."""
    found: list[Object] = list(status.get("conditions") or [])
    for number, one in enumerate(found):
        if one["type"] == new["type"]:
            same = keep_time and one["status"] == new["status"]
            time = one["lastTransitionTime"] if same else new["lastTransitionTime"]
            found[number] = {**new, "lastTransitionTime": time}
            return found
    return [*found, new]


def is_issuing(certificate: Object) -> bool:
    conditions = (certificate.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Issuing" and one["status"] == "True" for one in conditions)


def names_of(certificate: Object) -> list[str]:
    spec = certificate["spec"]
    return [*(spec.get("dnsNames") or []), *(spec.get("ipAddresses") or [])]


def duration_of(spec: Object) -> timedelta:
    """How long a certificate is asked to last: Go's way to write it; 90 days where nothing is said."""
    found = _DURATION.fullmatch(spec.get("duration") or "2160h")
    hours, minutes, seconds = (int(part or 0) for part in found.groups()) if found else (2160, 0, 0)
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def request_for(certificate: Object, revision: int, csr: bytes) -> Object:
    """The CertificateRequest of one attempt."""
    metadata, spec = certificate["metadata"], certificate["spec"]
    return {
        "metadata": {
            "name": f"{metadata['name']}-{revision}",
            "namespace": metadata["namespace"],
            "annotations": {
                "cert-manager.io/certificate-name": metadata["name"],
                "cert-manager.io/certificate-revision": str(revision),
            },
            "ownerReferences": [owned_by(CERTIFICATES, certificate)],
        },
        "spec": {
            "issuerRef": spec["issuerRef"],
            "request": base64.b64encode(csr).decode(),
            "usages": ["digital signature", "key encipherment"],
        },
    }


def order_that_failed(request: Object, certificate: Object, *, at: str) -> tuple[Object, Callable[[Object], Object]]:
    """The Order of a request, invalid, and from the Order as it was made its Challenge, which says why."""
    metadata, names = request["metadata"], names_of(certificate)
    order = {
        "metadata": {
            "name": f"{metadata['name']}-{random_suffix()}",
            "namespace": metadata["namespace"],
            "annotations": metadata["annotations"],
            "ownerReferences": [owned_by(CERTIFICATE_REQUESTS, request)],
        },
        "spec": {"dnsNames": names, "issuerRef": request["spec"]["issuerRef"], "request": request["spec"]["request"]},
        "status": {"state": "invalid", "failureTime": at, "reason": "one of its authorizations is invalid"},
    }

    def challenge(made: Object) -> Object:
        name = names[0] if names else "unknown"
        why = f"Error accepting authorization: acme: authorization error for {name}: 403 urn:ietf:params:acme:error:unauthorized"
        return {
            "metadata": {
                "name": f"{made['metadata']['name']}-{random_suffix()}",
                "namespace": metadata["namespace"],
                "ownerReferences": [owned_by(ORDERS, made)],
            },
            "spec": {"dnsName": name, "type": "HTTP-01", "issuerRef": request["spec"]["issuerRef"]},
            "status": {"state": "invalid", "reason": why, "presented": False, "processing": False},
        }

    return order, challenge


def owned_by(resource: Resource, owner: Object) -> Object:
    """A reference to what it was made for."""
    metadata = owner["metadata"]
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
