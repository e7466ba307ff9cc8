"""A failover by records: one atomic batch of what changes and of our mark. What was there before is kept, and is the undo."""

from collections.abc import Mapping, Sequence
from typing import Any

from remediator.actions.aws.fidelity import fidelity_of, only_on
from remediator.actions.aws.write_once import write_once
from remediator.actions.base import ActionContext, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.aws import route53
from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.route53 import Records, RecordSet
from remediator.conditions.base import Look
from remediator.conditions.health_check_healthy import health
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target

_INTENT = "<intent id>"
_HEAVIEST = 255


async def plan(
    ctx: ActionContext, action: str, version: int, target: Target, found: Records, params: Mapping[str, Any]
) -> Plan:
    """What changes of the sets that are there. Raises PlanRefusedError where they are not of the kind that is asked for."""
    if params["to"] is not None:
        written = _all_weight_to(found, str(params["to"]))
        words = f"all weight to {params['to']}{await _health(ctx.aws, found, str(params['to']))}"
    else:
        written = [_with_values(found, params["values"])]
        words = ", ".join(params["values"])
    return Plan(
        action=action,
        version=version,
        target=target,
        uid=found.uid,
        depends_on={"uid": found.uid, "sets": found.documents},
        changes=_changes(found.documents, written),
        calls=(_call(found, _batch(written, route53.mark_record(found.name, _INTENT), "UPSERT")),),
        fidelity=await _fidelity(ctx, target, found),
        summary=f"let {found.name} {found.type} in {found.zone.name} lead to the recovery site: {words}",
        params=dict(params),
        memory={
            "written": written,
            "before": _counterparts(found.documents, written),
            "undoes": None,
            "answers": _answers(found.documents, written, params["to"]),
            "ttl": max((int(one.get("TTL", 60)) for one in found.documents), default=60),
        },
    )


async def apply(ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
    """Send the batch once, if the sets are as planned."""
    undoes = plan.memory["undoes"]

    async def write(found: Records) -> dict[str, Any] | None:
        mark = route53.mark_record(found.name, intent_id if undoes is None else str(undoes))
        batch = _batch(plan.memory["written"], mark, "UPSERT" if undoes is None else "DELETE")
        change = await route53.change(ctx.aws, found.zone, batch, f"remediator {intent_id}")
        return None if change is None else {"change": change}

    return await write_once(
        plan,
        read=lambda: route53.records(ctx.aws, plan.target),
        present=_dependencies,
        write=write,
        facts=dict,
        marked=lambda found: _is_done(plan, found, intent_id),
    )


async def landed(ctx: ActionContext, plan: Plan, intent_id: str) -> Look:
    """By the mark, which came or went with the records: a batch is done whole or not at all."""
    undoes = plan.memory["undoes"]
    try:
        found = await route53.records(ctx.aws, plan.target)
    except (TargetNotFoundError, FactsMissingError) as error:
        return Look(Answer.UNKNOWN, str(error))
    where = f"TXT {route53.mark_name(found.name)}"
    as_before = found.documents == plan.depends_on["sets"]
    if undoes is None:
        if _is_done(plan, found, intent_id):
            return Look(Answer.YES, f"{where} has our mark")
        if as_before:
            return Look(Answer.NO, f"{where} has no mark of this step, and the records are as they were")
        return Look(Answer.UNKNOWN, f"the records were changed, and {where} has no mark of this step")
    if found.mark == undoes:
        return Look(Answer.NO, f"{where} still has the mark of the step that is to be undone")
    if _is_done(plan, found, intent_id):
        return Look(Answer.YES, f"{where} is gone, and the records are as they were before")
    return Look(Answer.UNKNOWN, f"{where} is gone or another's, and the records are not as before")


async def verify(ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
    """Do all name servers have it? Where that cannot be asked (the answer with the change's id was lost, GetChange is not permitted),
    only what is to be served is seen; ``dns_answers`` asks the servers themselves."""
    change = applied.facts.get("change") if applied is not None else None
    unasked = ""
    if change is not None:
        try:
            done = await route53.is_in_sync(ctx.aws, str(change))
            return Look(answer_of(done), f"change {change} is {'in sync' if done else 'pending'}")
        except (TargetNotFoundError, FactsMissingError) as error:
            unasked = f"; whether the name servers have it could not be asked: {error}"
    try:
        found = await route53.records(ctx.aws, plan.target)
    except (TargetNotFoundError, FactsMissingError) as error:
        return Look(Answer.UNKNOWN, str(error))
    there = all(_found(found.documents, _identifier(one)) == one for one in plan.memory["written"])
    return Look(
        answer_of(there), f"{found.name} {found.type} is {'as' if there else 'not as'} it was to be written{unasked}"
    )


async def undo_plan(ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
    """What was there before, if all is as our batch left it and the mark is ours still."""
    if plan.memory["undoes"] is not None:
        return None
    try:
        found = await route53.records(ctx.aws, plan.target)
    except TargetNotFoundError:
        return None
    written = {_identifier(one): one for one in plan.memory["written"]}
    expected = [written.get(_identifier(one), one) for one in plan.depends_on["sets"]]
    if found.uid != plan.uid or found.mark != intent_id or found.documents != expected:
        return None
    before: list[dict[str, Any]] = [dict(one) for one in plan.memory["before"]]
    return Plan(
        action=plan.action,
        version=plan.version,
        target=plan.target,
        uid=plan.uid,
        depends_on={"uid": plan.uid, "sets": found.documents, "mark": intent_id},
        changes=_changes(found.documents, before),
        calls=(_call(found, _batch(before, route53.mark_record(found.name, intent_id), "DELETE")),),
        fidelity=await _fidelity(ctx, plan.target, found),
        summary=f"let {found.name} {found.type} in {found.zone.name} lead to where it led before",
        params=dict(plan.params),
        memory={**plan.memory, "written": before, "before": [], "undoes": intent_id, "answers": []},
    )


def _is_done(plan: Plan, found: Records, intent_id: str) -> bool:
    """Our mark came, or the mark of what is undone went, and with it the records came back."""
    if plan.memory["undoes"] is None:
        return found.mark == intent_id
    back = all(_found(found.documents, _identifier(one)) == one for one in plan.memory["written"])
    return back and found.mark is None


async def _fidelity(ctx: ActionContext, target: Target, found: Records) -> Fidelity:
    zone = f"arn:{ctx.aws.partition}:route53:::hostedzone/{found.zone.id}"
    return await fidelity_of(ctx, target, only_on(route53.CHANGE_RECORDS, zone))


def _dependencies(found: Records) -> Mapping[str, Any]:
    return {"uid": found.uid, "sets": found.documents, "mark": found.mark}


def _all_weight_to(found: Records, wanted: str) -> list[dict[str, Any]]:
    """The sets that change. The weight that the wanted one gets is the greatest that is there: it means nothing beside zeros."""
    by_identifier = {one.identifier: one for one in found.sets}
    if any(one.routing != "weighted" for one in found.sets):
        raise PlanRefusedError(
            "not_weighted",
            f"{found.name} {found.type} has {found.sets[0].routing} records, and only weighted ones can be given all weight; "
            "accepted: values for a simple record, away_from_primary for a failover pair",
        )
    if wanted not in by_identifier:
        there = ", ".join(sorted(by_identifier))
        raise PlanRefusedError("no_such_set", f"{found.name} {found.type} has no record {wanted!r}; there are: {there}")
    heaviest = max((one.weight or 0 for one in found.sets), default=0) or _HEAVIEST
    weights = {one.identifier: heaviest if one.identifier == wanted else 0 for one in found.sets}
    if not by_identifier[wanted].weight:
        changed = [one for one in found.sets if one.weight != weights[one.identifier]]
    else:
        # It has a share already, and keeps it: what matters is that the others have none.
        changed = [one for one in found.sets if one.identifier != wanted and one.weight]
        weights[wanted] = by_identifier[wanted].weight or heaviest
    if not changed:
        raise PlanRefusedError("nothing_to_change", f"{found.name} {found.type} leads to {wanted} alone already")
    return [
        {**one.document, "Weight": weights[one.identifier]} for one in sorted(changed, key=lambda one: one.identifier)
    ]


def _with_values(found: Records, values: Sequence[str]) -> dict[str, Any]:
    one: RecordSet = found.sets[0]
    if len(found.sets) != 1 or one.routing != "simple":
        raise PlanRefusedError(
            "not_simple", f"{found.name} {found.type} has {one.routing} records; accepted: to for weighted ones"
        )
    if one.alias:
        raise PlanRefusedError(
            "is_alias",
            f"{found.name} {found.type} is an alias of {one.alias}, which has no values; use weighted aliases and to",
        )
    if sorted(map(route53.plain_value, one.values)) == sorted(map(route53.plain_value, values)):
        raise PlanRefusedError("nothing_to_change", f"{found.name} {found.type} has these values already")
    return {**one.document, "ResourceRecords": [{"Value": value} for value in values]}


async def _health(api: AwsApi, found: Records, wanted: str) -> str:
    """Route 53 answers no record whose check fails, so all weight on such a one would not lead there."""
    check = next(one.health_check for one in found.sets if one.identifier == wanted)
    if not check:
        return ""
    look = await health(api, check)
    if look.answer is Answer.NO:
        raise PlanRefusedError(
            "recovery_unhealthy",
            f"{found.name} {wanted} has health check {check}, and {look.seen}: Route 53 would not answer with it",
            kind="wait",
        )
    return f" ({look.seen})"


def _answers(before: Sequence[Mapping[str, Any]], written: Sequence[Mapping[str, Any]], to: Any) -> list[str]:
    """What name servers are to answer afterwards; nothing where an alias' target has to be asked. The record that gets all weight
    may be none of those that are written: it keeps the share that it has."""
    led = written if to is None else [one for one in before if _identifier(one) == to]
    return [str(value["Value"]) for one in led for value in one.get("ResourceRecords", ())]


def _changes(before: Sequence[Mapping[str, Any]], written: Sequence[Mapping[str, Any]]) -> tuple[Change, ...]:
    changes: list[Change] = []
    for one in written:
        was = _found(before, _identifier(one)) or {}
        named = f"{one['Name']} {one['Type']} {_identifier(one)}".strip()
        fields = sorted(field for field in was.keys() | one.keys() if was.get(field) != one.get(field))
        changes += [Change(f"{named} {field}", was.get(field), one.get(field)) for field in fields]
    return tuple(changes)


def _counterparts(before: Sequence[Mapping[str, Any]], written: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    changed = {_identifier(one) for one in written}
    return [dict(one) for one in before if _identifier(one) in changed]


def _found(documents: Sequence[Mapping[str, Any]], identifier: str) -> Mapping[str, Any] | None:
    return next((one for one in documents if _identifier(one) == identifier), None)


def _identifier(document: Mapping[str, Any]) -> str:
    return str(document.get("SetIdentifier", ""))


def _batch(written: Sequence[Mapping[str, Any]], mark: Mapping[str, Any], with_mark: str) -> list[dict[str, Any]]:
    changes = [{"Action": "UPSERT", "ResourceRecordSet": dict(one)} for one in written]
    return [*changes, {"Action": with_mark, "ResourceRecordSet": dict(mark)}]


def _call(found: Records, batch: list[dict[str, Any]]) -> Call:
    return Call("route53:ChangeResourceRecordSets", f"hostedzone/{found.zone.id}", {"Changes": batch})
