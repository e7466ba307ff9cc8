"""May cert-manager be asked to renew a certificate now? Pure.

A renewal that is asked for by hand passes by cert-manager's own back-off and its schedule, and each one is an order at the
certificate authority, which gives few: five for the same names in a week at Let's Encrypt, one more every 34 hours.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from remediator.clients.kubernetes.cert_manager import CertificateState, Renewable

_WEEK = timedelta(days=7)
_AFTER_FAILURE = timedelta(hours=1)
"""Let's Encrypt takes five failed authorizations of a name in an hour; the cause of one is rarely gone sooner."""
_LONGEST_BACK_OFF = timedelta(hours=32)


@dataclass(frozen=True, slots=True)
class RenewalLimits:
    """What the playbook lets the action do."""

    early: bool
    """Before cert-manager, or the authority, thinks that it is time."""
    after_failure: bool
    """While cert-manager holds back after failures."""
    apart: timedelta
    """So long after the last certificate for the same names, of an ACME issuer."""
    most_per_week: int


@dataclass(frozen=True, slots=True)
class NoRenewal:
    """Why not now. ``passes``: it goes by itself, soon."""

    code: str
    text: str
    passes: bool = False


def reason_not_to_renew(found: Renewable, limits: RenewalLimits, now: datetime) -> NoRenewal | None:
    """None: it may be asked for."""
    certificate = found.certificate
    name = f"certificate {certificate.target.short}"
    if certificate.terminating:
        return NoRenewal("terminating", f"{name} is being deleted")
    if certificate.issuing:
        return NoRenewal("issuing", f"{name} is being issued already ({certificate.said})", passes=True)
    if found.sharing:
        return NoRenewal(
            "shared_secret",
            f"{name} and {', '.join(found.sharing[:5])} write the same Secret {certificate.secret}, and would take turns at "
            "overwriting it; give each a Secret of its own",
        )
    return (
        _of_issuer(found, name) or _of_failures(found, name, limits, now) or _of_time(certificate, name, limits, now)
    ) or _of_quota(found, name, limits, now)


def _of_issuer(found: Renewable, name: str) -> NoRenewal | None:
    ref = found.certificate.issuer
    if not ref.is_known:
        return NoRenewal(
            "issuer_not_known",
            f"{name} is signed by {ref}, whose state and limits cannot be read; renew it by hand (cmctl renew)",
        )
    if found.issuer is None:
        return NoRenewal("issuer_not_found", f"{name}: its issuer, {ref}, does not exist")
    if not found.issuer.ready:
        return NoRenewal("issuer_not_ready", f"{name}: its issuer, {ref}, is not ready ({found.issuer.said[:300]})")
    return None


def _of_failures(found: Renewable, name: str, limits: RenewalLimits, now: datetime) -> NoRenewal | None:
    certificate = found.certificate
    if found.limited:
        return NoRenewal(
            "rate_limited",
            f"{name}: the certificate authority refused the last request for having been asked too often "
            f"({found.limited[:300]}); asking again before the time that it names makes it worse",
        )
    if not certificate.failures:
        return None
    last = certificate.last_failure
    told = f"{certificate.failures} attempts in a row have failed, the last {_when(last)} ({certificate.said})"
    if not limits.after_failure:
        back_off = min(timedelta(hours=2 ** min(certificate.failures - 1, 5)), _LONGEST_BACK_OFF)
        again = "" if last is None else f"; cert-manager tries again {_when(last + back_off)}"
        return NoRenewal(
            "in_back_off",
            f"{name}: {told}{again}; remove the cause, then renew it by hand, or let the playbook say after_failure: accept",
        )
    if found.denied:
        # cert-manager would take the old answer for that of the new attempt, and meanwhile spend an order on a request of which
        # nothing comes (seen with 1.21).
        return NoRenewal(
            "denied_request_stands",
            f"{name}: CertificateRequest {found.denied} was denied and is still there, so that a new attempt would fail with its "
            "answer; have it approved, delete it, then renew by hand",
        )
    if last is None or now < last + _AFTER_FAILURE:
        return NoRenewal(
            "failed_lately", f"{name}: {told}; after a failure nothing is asked for an hour, whatever the playbook says"
        )
    return None


def _of_time(certificate: CertificateState, name: str, limits: RenewalLimits, now: datetime) -> NoRenewal | None:
    if limits.early:
        return None
    if certificate.renewal_off:
        return NoRenewal(
            "renewal_off",
            f"{name}: its owner switched renewals off; renew it by hand, or let the playbook say early: accept",
        )
    if certificate.window is not None:
        if now < certificate.window.start:
            return NoRenewal(
                "authority_says_later",
                f"{name}: the certificate authority asks for its renewal from {_when(certificate.window.start)} on; "
                "wait, or let the playbook say early: accept",
            )
        return None
    if certificate.ready and certificate.renewal_time is not None and now < certificate.renewal_time:
        return NoRenewal(
            "not_due",
            f"{name} is ready, runs out {_when(certificate.not_after)}, and cert-manager renews it "
            f"{_when(certificate.renewal_time)}: the alert is early; let the playbook say early: accept to renew it all the same",
        )
    return None


def _of_quota(found: Renewable, name: str, limits: RenewalLimits, now: datetime) -> NoRenewal | None:
    if found.issuer is None or not found.issuer.acme:
        return None
    window = found.certificate.window
    if window is not None and window.start <= now:
        return None  # a renewal that the authority itself asked for counts against none of its limits
    within = [at for at in found.issued_at if at > now - _WEEK]
    if within and now < within[-1] + limits.apart:
        return NoRenewal(
            "issued_lately",
            f"{name}: {found.issuer.ref} gave a certificate for the same names that begins {_when(within[-1])}; at Let's Encrypt each "
            f"takes 34 h to come back, so the next may be asked for {_when(within[-1] + limits.apart)} (quiet_for)",
        )
    if len(within) >= limits.most_per_week:
        return NoRenewal(
            "quota_nearly_used",
            f"{name}: {found.issuer.ref} gave {len(within)} certificates for the same names within a week; Let's Encrypt "
            f"gives five, and this action takes none after {limits.most_per_week} (most_per_week)",
        )
    return None


def _when(at: datetime | None) -> str:
    return "at a time unknown" if at is None else f"{at:%Y-%m-%d %H:%M}Z"
