"""cert-manager as far as it goes from a Certificate to a signed Secret, with the ways in which that fails.

As there: a trigger that holds back after failures, one CertificateRequest for each attempt, and a status whose ``Issuing`` condition
anybody may set. Issuers say by annotation (``words.ISSUES``) how they answer.
"""

import base64
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from remediator.sandbox.kubernetes import words
from remediator.sandbox.kubernetes.controllers.issuance import (
    condition,
    conditions_with,
    duration_of,
    instant,
    is_issuing,
    names_of,
    order_that_failed,
    request_for,
)
from remediator.sandbox.kubernetes.controllers.recorder import Recorder
from remediator.sandbox.kubernetes.controllers.timings import Timings
from remediator.sandbox.kubernetes.deletion import Deletion
from remediator.sandbox.kubernetes.resources import (
    CERTIFICATE_REQUESTS,
    CERTIFICATES,
    CHALLENGES,
    CLUSTER_ISSUERS,
    ISSUERS,
    ORDERS,
    SECRETS,
    Object,
    Resource,
)
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

    from remediator.sandbox.kubernetes.signing import Authority

_TRIGGER = Writer("cert-manager-certificates-trigger", "status", external=False)
_ISSUING = Writer("cert-manager-certificates-issuing", "status", external=False)
_REQUESTS = Writer("cert-manager-certificates-request-manager", external=False)
_SIGNER = Writer("cert-manager-certificaterequests-issuer-ca", "status", external=False)
_ORDERS = Writer("cert-manager-orders", external=False)
_ISSUERS = Writer("cert-manager-issuers", "status", external=False)
_LONGEST_BACK_OFF = timedelta(hours=32)
_PENDING = "Waiting on certificate issuance"


class Certificates:
    """Takes one step of one Certificate at a time. Keys of attempts under way are kept here, not in Secrets of their own."""

    def __init__(self, store: ObjectStore, deletion: Deletion, pace: Pace, timings: Timings) -> None:
        self._store = store
        self._deletion = deletion
        self._pace = pace
        self._timings = timings
        self._recorder = Recorder(store, pace, "cert-manager-certificates-issuing")
        self._authorities: dict[str, Authority] = {}
        self._keys: dict[str, EllipticCurvePrivateKey] = {}
        self._answer_s: dict[str, float] = {}

    def sync(self, certificate: Object) -> float | None:
        """One step; the seconds until the next one, or None."""
        if "deletionTimestamp" in certificate["metadata"]:
            return None
        return self._issue(certificate) if is_issuing(certificate) else self._trigger(certificate)

    def sync_issuer(self, issuer: Object) -> None:
        """Ready, unless its annotation says otherwise."""
        annotations = issuer["metadata"].get("annotations") or {}
        status = annotations.get(words.READY, "True")
        told = ("Verified", "ready to sign") if status == "True" else ("ErrInitIssuer", "cannot reach its authority")
        before = issuer.get("status") or {}
        conditions = conditions_with(before, condition("Ready", status, *told, at=self._now()), keep_time=True)
        resource = ISSUERS if issuer["kind"] == "Issuer" else CLUSTER_ISSUERS
        self._store.update(resource, issuer, {**issuer, "status": {**before, "conditions": conditions}}, _ISSUERS)

    def _trigger(self, certificate: Object) -> float | None:
        """Should there be a new one, by cert-manager's own rules?"""
        metadata, status = certificate["metadata"], certificate.get("status") or {}
        now = self._pace.now()
        secret = self._store.get(SECRETS, metadata["namespace"], certificate["spec"]["secretName"])
        annotations = metadata.get("annotations") or {}
        due = status.get("renewalTime") and instant(status["renewalTime"]) <= now
        if secret is None:
            reason, told = "DoesNotExist", "Issuing certificate as Secret does not exist"
        elif due and annotations.get(words.TRIGGER) != "never":
            reason, told = "Renewing", f"Renewing certificate as renewal was scheduled at {status['renewalTime']}"
        else:
            return None
        if status.get("lastFailureTime"):
            hours = 2 ** (int(status.get("failedIssuanceAttempts") or 1) - 1)
            wait = instant(status["lastFailureTime"]) + min(timedelta(hours=hours), _LONGEST_BACK_OFF) - now
            if wait > timedelta(0):
                return None
        begun = condition("Issuing", "True", reason, told, at=self._now(), generation=metadata["generation"])
        self._write(certificate, {**status, "conditions": conditions_with(status, begun)}, _TRIGGER)
        return None

    def _issue(self, certificate: Object) -> float | None:
        status = certificate.get("status") or {}
        revision = int(status.get("revision") or 0) + 1
        request = self._request(certificate, revision)
        if request is None:
            self._ask(certificate, revision)
            return None
        uid = request["metadata"]["uid"]
        answer_s = self._answer_s.setdefault(uid, self._pace.elapsed_s() + self._timings.issuance)
        if (left_s := answer_s - self._pace.elapsed_s()) > 0:
            return left_s
        issuer = self._issuer(certificate)
        behaviour = "pending" if issuer is None else (issuer["metadata"].get("annotations") or {}).get(words.ISSUES, "")
        ready = issuer is not None and _is_ready(issuer)
        if issuer is None or not ready or behaviour == "pending":
            return None
        self._answer_s.pop(uid)
        if behaviour in ("fail", "limit", "deny"):
            self._fail(certificate, request, issuer, behaviour)
        else:
            self._sign(certificate, request, issuer, revision)
        return None

    def _request(self, certificate: Object, revision: int) -> Object | None:
        """Of this attempt; one that failed before it began is taken away, as one of another attempt."""
        begun = next(one for one in certificate["status"]["conditions"] if one["type"] == "Issuing")
        for one in self._store.children(certificate["metadata"]["uid"], CERTIFICATE_REQUESTS):
            if one["metadata"]["annotations"]["cert-manager.io/certificate-revision"] != str(revision):
                continue
            failed = (one.get("status") or {}).get("failureTime")
            if failed is None or instant(failed) >= instant(begun["lastTransitionTime"]):
                return one
            self._deletion.delete(CERTIFICATE_REQUESTS, one, _REQUESTS)
        return None

    def _ask(self, certificate: Object, revision: int) -> None:
        from remediator.sandbox.kubernetes import signing

        self._keys[certificate["metadata"]["uid"]] = key = signing.new_key()
        csr = signing.signing_request(key, names_of(certificate), certificate["spec"].get("commonName", ""))
        made = self._store.create(CERTIFICATE_REQUESTS, request_for(certificate, revision, csr), _REQUESTS)
        now = self._now()
        denied = ((self._issuer(certificate) or {"metadata": {}})["metadata"].get("annotations") or {}).get(
            words.ISSUES
        ) == "deny"
        conditions = [condition("Ready", "False", "Pending", _PENDING, at=now)]
        if not denied:
            told = "Certificate request has been approved by cert-manager.io"
            conditions.insert(0, condition("Approved", "True", "cert-manager.io", told, at=now))
        self._store.update(CERTIFICATE_REQUESTS, made, {**made, "status": {"conditions": conditions}}, _SIGNER)

    def _sign(self, certificate: Object, request: Object, issuer: Object, revision: int) -> None:
        from remediator.sandbox.kubernetes.signing import Authority, key_pem

        metadata, spec, status = certificate["metadata"], certificate["spec"], certificate.get("status") or {}
        authority = self._authorities.setdefault(issuer["metadata"]["uid"], Authority(self._pace.now()))
        not_before = self._pace.now().replace(microsecond=0)
        ago_s = (metadata.get("annotations") or {}).get(words.ISSUED_AGO)
        if revision == 1 and ago_s is not None:
            not_before -= timedelta(seconds=float(ago_s))
        not_after = not_before + duration_of(spec)
        pem = authority.sign(base64.b64decode(request["spec"]["request"]), not_before=not_before, not_after=not_after)
        now = self._now()
        issued = condition("Ready", "True", "Issued", "Certificate fetched from issuer successfully", at=now)
        told = {
            "conditions": conditions_with(request["status"], issued),
            "certificate": base64.b64encode(pem).decode(),
            "ca": base64.b64encode(authority.pem).decode(),
        }
        self._store.update(CERTIFICATE_REQUESTS, request, {**request, "status": told}, _SIGNER)
        self._keep(certificate, pem + authority.pem, key_pem(self._keys.pop(metadata["uid"])), authority.pem)
        kept = {key: value for key, value in status.items() if key not in ("lastFailureTime", "failedIssuanceAttempts")}
        ready = condition(
            "Ready",
            "True",
            "Ready",
            "Certificate is up to date and has not expired",
            at=now,
            generation=metadata["generation"],
        )
        conditions = [one for one in conditions_with(kept, ready, keep_time=True) if one["type"] != "Issuing"]
        kept |= {
            "revision": revision,
            "notBefore": rfc3339_seconds(not_before),
            "notAfter": rfc3339_seconds(not_after),
            "renewalTime": rfc3339_seconds(_renewal_time(spec, not_before, not_after)),
            "conditions": conditions,
        }
        self._write(certificate, kept, _ISSUING)
        self._recorder.tell(CERTIFICATES, certificate, "Issuing", "The certificate has been successfully issued")
        self._forget_old_requests(certificate, revision)

    def _fail(self, certificate: Object, request: Object, issuer: Object, behaviour: str) -> None:
        status, now = certificate["status"], self._now()
        if behaviour == "deny":
            reason, why = "Denied", "The CertificateRequest was denied by an approval controller"
            told = [condition("Denied", "True", "policy.cert-manager.io", "no policy allows it", at=now)]
        elif behaviour == "limit":
            reason, told = "Failed", []
            why = (
                "Failed to wait for order resource to become ready: 429 urn:ietf:params:acme:error:rateLimited: too many "
                "certificates (5) already issued for this exact set of identifiers in the last 168h0m0s"
            )
        else:
            reason, told = "Failed", []
            why = "Failed to wait for order resource to become ready: order is in invalid state"
        conditions = request["status"]["conditions"] + told
        failed = condition("Ready", "False", reason, why, at=now)
        self._store.update(
            CERTIFICATE_REQUESTS,
            request,
            {
                **request,
                "status": {"conditions": conditions_with({"conditions": conditions}, failed), "failureTime": now},
            },
            _SIGNER,
        )
        if "acme" in issuer["spec"] and behaviour == "fail":
            order, challenge = order_that_failed(request, certificate, at=now)
            made = self._store.create(ORDERS, order, _ORDERS)
            self._store.create(CHALLENGES, challenge(made), _ORDERS)
        if behaviour == "deny":
            reason, why = told[0]["reason"], told[0]["message"]  # the Certificate has the approver's own words
        told_why = f"The certificate request has failed to complete and will be retried: {why}"
        ended = condition(
            "Issuing", "False", reason, told_why, at=now, generation=certificate["metadata"]["generation"]
        )
        attempts = int(status.get("failedIssuanceAttempts") or 0) + 1
        after = {
            "conditions": conditions_with(status, ended),
            "lastFailureTime": now,
            "failedIssuanceAttempts": attempts,
        }
        self._write(certificate, {**status, **after}, _ISSUING)
        self._recorder.tell(CERTIFICATES, certificate, reason, told_why, warning=True)

    def _keep(self, certificate: Object, chain: bytes, key: bytes, authority: bytes) -> None:
        metadata, name = certificate["metadata"], certificate["spec"]["secretName"]
        files = {"tls.crt": chain, "tls.key": key, "ca.crt": authority}
        made = {
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "annotations": {"cert-manager.io/certificate-name": metadata["name"]},
            },
            "type": "kubernetes.io/tls",
            "data": {file: base64.b64encode(content).decode() for file, content in files.items()},
        }
        known = self._store.get(SECRETS, metadata["namespace"], name)
        writer = Writer(_ISSUING.manager, external=False)
        if known is None:
            self._store.create(SECRETS, made, writer)
        else:
            self._store.update(SECRETS, known, {**known, "data": made["data"], "type": made["type"]}, writer)

    def _forget_old_requests(self, certificate: Object, revision: int) -> None:
        kept = int(certificate["spec"].get("revisionHistoryLimit") or 1)
        for one in self._store.children(certificate["metadata"]["uid"], CERTIFICATE_REQUESTS):
            if int(one["metadata"]["annotations"]["cert-manager.io/certificate-revision"]) <= revision - kept:
                self._deletion.delete(CERTIFICATE_REQUESTS, one, _REQUESTS)

    def _issuer(self, certificate: Object) -> Object | None:
        ref = certificate["spec"]["issuerRef"]
        if ref.get("kind", "Issuer") == "ClusterIssuer":
            return self._store.get(CLUSTER_ISSUERS, "", ref["name"])
        return self._store.get(ISSUERS, certificate["metadata"]["namespace"], ref["name"])

    def _write(self, certificate: Object, status: Object, writer: Writer) -> None:
        resource: Resource = CERTIFICATES
        self._store.update(resource, certificate, {**certificate, "status": status}, writer)

    def _now(self) -> str:
        return rfc3339_seconds(self._pace.now())


def _is_ready(issuer: Object) -> bool:
    conditions = (issuer.get("status") or {}).get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _renewal_time(spec: Object, not_before: datetime, not_after: datetime) -> datetime:
    """``renewBefore`` its end, or when a third of its life is left."""
    before = spec.get("renewBefore")
    left = duration_of({"duration": before}) if before else (not_after - not_before) / 3
    return not_after - left
