"""``aws.acm_reimport``: put a newer certificate from a TLS Secret in the place of one that was imported into ACM."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.aws.fidelity import fidelity_of
from remediator.actions.aws.write_once import write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.aws import acm
from remediator.clients.aws.acm import AcmCertificate, Import, import_certificate, read_certificate
from remediator.clients.certificates import Certificate, NotACertificateError, belong_together, certificate_in
from remediator.clients.kubernetes.tls_secrets import TlsSecret, read_tls_secret
from remediator.clients.permissions import Right
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, OvertakenError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

_LEAST_LEFT = timedelta(days=1)
"""A certificate that ends sooner helps nobody, and one not valid yet breaks what works."""
_CLOCKS_APART = timedelta(minutes=1)


class Params(ActionParams):
    """Which Secret it is, the playbook says and never a label: whoever can name it decides what the endpoint serves."""

    namespace: str = Field(
        pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$", description="namespace of the Secret, in the source's cluster"
    )
    secret: str = Field(
        pattern=r"^[a-z0-9]([-.a-z0-9]{0,251}[a-z0-9])?$", description="name of a Secret of type kubernetes.io/tls"
    )


@dataclass(frozen=True, slots=True)
class _Found:
    """Both sides as they are now."""

    present: AcmCertificate
    secret: TlsSecret
    new: Certificate


class AcmReimport:
    """Keeps the ARN, so that what uses the certificate serves the new one within minutes.

    The key goes from the Secret into the one request, and nowhere else: plans, answers, errors and records hold serials and dates.
    Not undone: ACM does not give back the key of what it had.
    """

    name: ClassVar[str] = "aws.acm_reimport"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"acm-certificate"})

    def permissions(self, kind: str, params: Any) -> tuple[Right, ...]:
        del kind, params
        return (acm.READ, acm.IMPORT, *read_tls_secret())

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            present = await read_certificate(ctx.aws, target)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        if present.type != "IMPORTED":
            raise PlanRefusedError(
                "not_imported",
                f"{target.name} ({present}) was not imported: ACM renews it, see aws.acm_restore_validation",
            )
        found = await _found(ctx, present, params.namespace, params.secret)
        where = f"Secret {params.namespace}/{params.secret}"
        _refuse_what_is_no_better(target, found, where, ctx.aws.now())
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=present.arn,
            depends_on=_dependencies(found),
            changes=(
                Change("serial", present.serial, found.new.serial),
                Change("not_after", _day(present.not_after), _day(found.new.not_after)),
            ),
            calls=(
                Call(
                    "acm:ImportCertificate", present.arn, {"Certificate": f"<of {where}>", "PrivateKey": "<not shown>"}
                ),
            ),
            fidelity=await fidelity_of(ctx, target, (acm.READ, acm.IMPORT)),
            summary=f"import the certificate of {where} ({found.new.serial}, until {_day(found.new.not_after)}) over "
            f"{present.serial} ({_day(present.not_after)})",
            params=params.model_dump(mode="json"),
            memory={"serial": present.serial},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id  # ACM takes no token and, of a certificate that is there, no tags; the serial number is the mark

        async def read() -> _Found:
            present = await read_certificate(ctx.aws, plan.target)
            try:
                return await _found(ctx, present, plan.params["namespace"], plan.params["secret"])
            except PlanRefusedError as error:
                raise OvertakenError(f"{error}; nothing was done") from None

        async def write(found: _Found) -> dict[str, Any] | None:
            new = Import(found.secret.certificate, found.secret.private_key)
            return await import_certificate(ctx.aws, plan.target, new)

        return await write_once(plan, read=read, present=_dependencies, write=write)

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del intent_id
        try:
            present = await read_certificate(ctx.aws, plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        seen = f"{plan.target.name} has serial {present.serial}, imported {_day(present.imported_at)}"
        if present.serial == plan.memory["serial"]:
            return Look(Answer.NO, seen)
        if present.serial != plan.changes[0].after:
            return Look(Answer.UNKNOWN, f"{seen}: neither the one before nor ours")
        # ACM gives whole seconds of a clock that is not ours.
        since = present.imported_at is not None and present.imported_at >= begun_at - _CLOCKS_APART
        if not since:
            return Look(Answer.UNKNOWN, f"{seen}: ours, but before we began")
        return Look(Answer.YES, seen)

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        try:
            present = await read_certificate(ctx.aws, plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        done = present.serial == plan.changes[0].after and present.status == "ISSUED"
        return Look(answer_of(done), f"{plan.target.name}: {present}, serial {present.serial}")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


async def _found(ctx: ActionContext, present: AcmCertificate, namespace: str, name: str) -> _Found:
    """Raises PlanRefusedError where the Secret is not there, or its parts cannot be used; FactsMissingError where it cannot be read."""
    try:
        secret = await ctx.kubernetes.tls_secrets.read(namespace, name)
    except TargetNotFoundError as error:
        raise PlanRefusedError("secret_not_found", f"Secret {namespace}/{name} does not exist ({error})") from None
    try:
        new = certificate_in(secret.certificate)
        fits = belong_together(secret.certificate, secret.private_key)
    except NotACertificateError as error:
        raise PlanRefusedError("secret_unreadable", f"Secret {namespace}/{name}: {error}") from None
    if not fits:
        raise PlanRefusedError("key_mismatch", f"Secret {namespace}/{name}: its key is not that of its certificate")
    return _Found(present, secret, new)


def _refuse_what_is_no_better(target: Target, found: _Found, where: str, now: datetime) -> None:
    present, new = found.present, found.new
    said = f"{where} (serial {new.serial}, {_day(new.not_before)} to {_day(new.not_after)})"
    if new.temporary:
        raise PlanRefusedError(
            "temporary_certificate", f"{said} is cert-manager's own until the real one is issued", kind="wait"
        )
    if new.serial == present.serial:
        raise PlanRefusedError(
            "same_certificate", f"{said} is what {target.name} has; renew the Secret first", kind="wait"
        )
    if new.not_after < now + _LEAST_LEFT:
        raise PlanRefusedError(
            "expires_too_soon", f"{said} has less than a day left; renew the Secret first", kind="wait"
        )
    if new.not_before > now:
        raise PlanRefusedError("not_valid_yet", f"{said} is not valid yet", kind="wait")
    if present.not_after is not None and new.not_after <= present.not_after:
        raise PlanRefusedError(
            "not_newer", f"{said} ends no later than what {target.name} has (until {_day(present.not_after)})"
        )
    if new.names != present.names:
        raise PlanRefusedError(
            "other_names",
            f"{said} is for {_some(new.names)}, {target.name} for {_some(present.names)}; import it by hand",
        )
    if present.key and new.key != present.key:
        raise PlanRefusedError(
            "other_key_type",
            f"{said} has a key of {new.key}, {target.name} one of {present.key}: ACM keeps type and size under one ARN",
        )


def _dependencies(found: _Found) -> Mapping[str, Any]:
    return {
        "uid": found.present.arn,
        "serial": found.present.serial,
        "secret": found.secret.uid,
        "new": found.new.serial,
    }


def _day(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M} UTC" if at is not None else "unknown"


def _some(names: tuple[str, ...]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
