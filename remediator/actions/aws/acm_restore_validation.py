"""``aws.acm_restore_validation``: put back the DNS records without which ACM cannot renew a certificate that it issued."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.aws.fidelity import fidelity_of
from remediator.actions.aws.write_once import write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.aws import acm, validation_records
from remediator.clients.aws.acm import AcmCertificate, ValidationRecord, read_certificate
from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.validation_records import (
    FoundRecord,
    Zone,
    change_of,
    change_records,
    changes_of,
    in_sync,
    marked_ttl,
    public_zones,
    records_at,
    zones_for,
)
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, OvertakenError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

_WANTS_RECORDS = ("ISSUED", "PENDING_VALIDATION")


class Params(ActionParams):
    """What the records say is ACM's; where they go is the account's only public zone for them."""

    zone: str | None = Field(
        None,
        pattern=r"^[a-z0-9_]([-a-z0-9_.]{0,250}[a-z0-9])?$",
        description="only records of this hosted zone, `example.com`; needed where records of several zones are missing",
    )


class _DoneAlreadyError(Exception):
    """All records are there with our mark."""


class AcmRestoreValidation:
    """Creates what is missing, in one batch that happens as a whole or not at all, and never replaces a record that says something
    else. ACM looks by itself, within hours, and renews under the same ARN; `acm_renewed` asks whether it has."""

    name: ClassVar[str] = "aws.acm_restore_validation"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"acm-certificate"})

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return (acm.READ, *validation_records.READ, validation_records.CHANGE)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        """The record is right even if ACM has not renewed yet."""
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            certificate = await read_certificate(ctx.aws, target)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        _refuse_what_no_record_helps(target, certificate)
        zone, missing = await _missing(ctx.aws, target, certificate, params.zone)
        changes = changes_of("CREATE", missing, validation_records.SHOWN_TTL)
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=certificate.arn,
            depends_on=_dependencies(certificate, zone, missing),
            changes=tuple(Change(f"record {one.name}", None, f"{one.type} {one.value}") for one in missing),
            calls=(_call(zone.id, changes),),
            fidelity=await fidelity_of(ctx, target, (validation_records.change_in(zone),)),
            summary=f"create {_named(missing)} in hosted zone {zone.name}, by which ACM validates {target.name} ({certificate})",
            params=params.model_dump(mode="json"),
            memory={
                "change": "CREATE",
                "zone": zone.id,
                "records": [[one.name, one.type, one.value] for one in missing],
            },
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        creates = plan.memory["change"] == "CREATE"
        ttl = marked_ttl(intent_id) if creates else int(plan.memory["ttl"])
        records = _records(plan)

        async def read() -> Mapping[str, Any]:
            there = await _there(ctx.aws, plan, ttl)
            if creates and there == len(records):  # sent before, and arrived after it was given up
                raise _DoneAlreadyError
            return await _present(ctx.aws, plan, there)

        async def write(_: Mapping[str, Any]) -> dict[str, Any] | None:
            changes = changes_of(plan.memory["change"], records, ttl)
            return await change_records(ctx.aws, plan.memory["zone"], changes, f"remediator {intent_id}")

        try:
            return await write_once(plan, read=read, present=lambda found: found, write=write, facts=change_of)
        except _DoneAlreadyError:
            return Applied(f"{plan.summary} (found done already)", {})

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at  # the mark says which intent it was, at any time
        creates = plan.memory["change"] == "CREATE"
        ttl = marked_ttl(intent_id) if creates else int(plan.memory["ttl"])
        try:
            there = await _there(ctx.aws, plan, ttl)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        # A batch is atomic: of ours there are all or none, unless somebody has been at them since.
        if 0 < there < len(_records(plan)):
            return Look(Answer.UNKNOWN, f"{there} of {len(_records(plan))} records have our TTL of {ttl} s")
        seen = f"{_named(_records(plan))}: {'there' if there else 'not there'} with our TTL of {ttl} s"
        return Look(Answer.of(bool(there) == creates), seen)

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        change, unread = applied.facts.get("change") if applied is not None else None, ""
        if change:
            try:
                done = await in_sync(ctx.aws, change)
                return Look(answer_of(done), f"change {change} is {'' if done else 'not '}on all name servers")
            except (TargetNotFoundError, FactsMissingError) as error:
                unread = f"; whether all name servers have them: {error}"
        try:
            found = [await _at(ctx.aws, plan.memory["zone"], one) for one in _records(plan)]
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        right = sum(any(at.is_that(one) for at in here) for one, here in zip(_records(plan), found, strict=True))
        wanted = len(found) if plan.memory["change"] == "CREATE" else 0
        return Look(answer_of(right == wanted), f"{right} of {len(found)} records are there{unread}")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        if plan.memory["change"] != "CREATE":
            return None
        ttl, records = marked_ttl(intent_id), _records(plan)
        if await _there(ctx.aws, plan, ttl) != len(records):
            return None
        return Plan(
            action=self.name,
            version=self.version,
            target=plan.target,
            uid=plan.uid,
            depends_on={"uid": plan.uid, "ours": len(records)},
            changes=tuple(Change(f"record {one.name}", f"{one.type} {one.value}", None) for one in records),
            calls=(_call(plan.memory["zone"], changes_of("DELETE", records, ttl)),),
            fidelity=plan.fidelity,
            summary=f"remove {_named(records)} again, as it was made",
            params=plan.params,
            memory={**plan.memory, "change": "DELETE", "ttl": ttl},
        )


def _refuse_what_no_record_helps(target: Target, certificate: AcmCertificate) -> None:
    said = f"{target.name} ({certificate})"
    if certificate.type == "IMPORTED":
        raise PlanRefusedError(
            "imported", f"{said} was imported, and ACM never renews those: import a new one (aws.acm_reimport)"
        )
    if certificate.type != "AMAZON_ISSUED":
        raise PlanRefusedError("not_validated_by_dns", f"{said} is not validated: it comes from a private authority")
    if certificate.status not in _WANTS_RECORDS:
        raise PlanRefusedError(
            "not_renewable", f"{said} can no longer be renewed: request a new one and put it in its place"
        )
    if certificate.methods != ("DNS",):
        how = ", ".join(certificate.methods).lower() or "unknown means"
        raise PlanRefusedError(
            "not_validated_by_dns",
            f"{said} is validated by {how}: a person answers the mail, or requests one that is validated by DNS",
        )
    if certificate.status == "ISSUED" and not certificate.eligible:
        raise PlanRefusedError(
            "not_eligible", f"{said}: ACM renews only what a service of AWS uses; attach it to one, or let it expire"
        )


async def _missing(
    api: AwsApi, target: Target, certificate: AcmCertificate, only: str | None
) -> tuple[Zone, tuple[ValidationRecord, ...]]:
    """The zone to change and what to create in it.

    Raises:
        PlanRefusedError: nothing is missing, or it cannot be said where it belongs, or another record is in its place.
    """
    zones = await public_zones(api)
    missing: dict[Zone, list[ValidationRecord]] = {}
    for record in certificate.records:
        fitting = zones_for(record.name, zones)
        if only is not None and [one.name for one in fitting] != [f"{only}."]:
            continue
        zone = _the_one_of(record, fitting)
        found = await records_at(api, zone, record.name)
        if not found:
            missing.setdefault(zone, []).append(record)
        elif not any(one.is_that(record) for one in found):
            raise _in_the_way(record, found, zone)
    if not missing:
        raise PlanRefusedError(
            "nothing_missing",
            f"every validation record of {target.name} is there{f' in {only}' if only else ''}, so what keeps ACM from renewing it "
            f"is something else ({certificate}): see the CAA records of {', '.join(certificate.unvalidated) or 'its domains'}, "
            "and whether their name servers are those of the hosted zone",
        )
    if len(missing) > 1:
        raise PlanRefusedError(
            "several_zones",
            f"records of {target.name} are missing in {', '.join(sorted(one.name for one in missing))}; a step changes one zone: "
            "let the playbook name it (zone)",
        )
    [(zone, records)] = missing.items()
    return zone, tuple(records)


def _the_one_of(record: ValidationRecord, fitting: tuple[Zone, ...]) -> Zone:
    if not fitting:
        raise PlanRefusedError(
            "no_hosted_zone",
            f"no public hosted zone of this account is for {record.name}; create the record where its DNS is",
        )
    if len(fitting) > 1:
        ids = ", ".join(one.id for one in fitting)
        raise PlanRefusedError(
            "several_zones",
            f"{fitting[0].name} has several hosted zones ({ids}); which one is in use must a person say",
        )
    return fitting[0]


def _in_the_way(record: ValidationRecord, found: tuple[FoundRecord, ...], zone: Zone) -> PlanRefusedError:
    return PlanRefusedError(
        "other_record",
        f"in hosted zone {zone.name} {record.name} is {'; '.join(map(str, found))}, where ACM wants {record.type} "
        f"{record.value}: a person decides which of them is right",
    )


def _dependencies(certificate: AcmCertificate, zone: Zone, missing: tuple[ValidationRecord, ...]) -> dict[str, Any]:
    return {
        "uid": certificate.arn,
        "status": certificate.status,
        "renewal": certificate.renewal.status if certificate.renewal is not None else None,
        "zone": zone.id,
        "missing": [[one.name, one.type, one.value] for one in missing],
    }


async def _present(api: AwsApi, plan: Plan, there: int) -> Mapping[str, Any]:
    """What the plan depends on as it is now. Raises OvertakenError where it would not be planned any more."""
    if plan.memory["change"] == "DELETE":
        return {"uid": plan.uid, "ours": there}
    certificate = await read_certificate(api, plan.target)
    try:
        zone, missing = await _missing(api, plan.target, certificate, plan.params.get("zone"))
    except PlanRefusedError as error:
        raise OvertakenError(f"{error}; nothing was done") from None
    return _dependencies(certificate, zone, missing)


async def _there(api: AwsApi, plan: Plan, ttl: int) -> int:
    """How many of the plan's records are there with just this TTL."""
    found = [(one, await _at(api, plan.memory["zone"], one)) for one in _records(plan)]
    return sum(any(at.is_that(one) and at.ttl == ttl for at in here) for one, here in found)


async def _at(api: AwsApi, zone_id: str, record: ValidationRecord) -> tuple[FoundRecord, ...]:
    return await records_at(api, Zone("", zone_id), record.name)


def _records(plan: Plan) -> list[ValidationRecord]:
    return [ValidationRecord(*one) for one in plan.memory["records"]]


def _named(records: tuple[ValidationRecord, ...] | list[ValidationRecord]) -> str:
    return ", ".join(f"{one.type} {one.name}" for one in records)


def _call(zone_id: str, changes: list[dict[str, Any]]) -> Call:
    return Call("route53:ChangeResourceRecordSets", f"hostedzone/{zone_id}", {"Changes": changes})
