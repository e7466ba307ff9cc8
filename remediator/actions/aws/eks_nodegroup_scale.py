"""``aws.eks_nodegroup_scale``: how many nodes a managed node group of EKS is to have."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.aws.fidelity import fidelity_of
from remediator.actions.aws.sizing import SizeParams
from remediator.actions.aws.write_once import not_there, write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.aws.eks import (
    NODEGROUP_ARN,
    READ_NODEGROUP,
    READ_UPDATES,
    SERVICE,
    Nodegroup,
    Update,
    read_nodegroup,
    read_update,
    update_ids,
)
from remediator.clients.aws.ownership import cluster_autoscaler, stacks_of
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target

_WRITE = IamPermission("eks:UpdateNodegroupConfig", NODEGROUP_ARN, writes=True)
_SHOWN_TOKEN = "<intent id>"  # noqa: S105 - says what stands there; an idempotency token is no secret
_SIZES = ("minimum", "desired")
_IN_THE_API = {"minimum": "minSize", "desired": "desiredSize"}


class Params(SizeParams):
    """A number of nodes. EKS tags the group below each node group for the Cluster Autoscaler whether there is one or not, so whether
    one sizes it cannot be seen for sure, and is said here."""

    size: Literal["desired", "minimum"] = Field(
        "desired",
        description="minimum: keep at least so many, and have them now: the way where a Cluster Autoscaler sizes the group, "
        "which would take a node away again that only `desired` asks for",
    )


class EksNodegroupScale:
    """Never moves the maximum: that is its owner's say. The call's own token is the intent's, so that EKS does it once however often
    it is sent. Growing is kept when refuted, shrinking put back."""

    name: ClassVar[str] = "aws.eks_nodegroup_scale"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"eks-nodegroup"})
    effect_within: ClassVar[timedelta] = timedelta(minutes=20)

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind, params
        return (READ_NODEGROUP, *READ_UPDATES, _WRITE)

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        return "keep" if params.grows else "undo"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            found = await read_nodegroup(ctx.aws, target.within, target.name)
            updates = await update_ids(ctx.aws, found)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        _refuse(found, params)
        after = _wanted(found, params)
        return _plan(
            self,
            target,
            found,
            after,
            updates,
            fidelity=await fidelity_of(ctx, target, (replace(_WRITE, resource=found.arn),)),
            params=params.model_dump(mode="json"),
            owners=stacks_of(found.tags),
            summary=f"scale {_named(found)} from {_sizes(found)} to {_sizes_of(after)}",
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        return await write_once(
            plan,
            read=lambda: read_nodegroup(ctx.aws, plan.target.within, plan.target.name),
            present=_dependencies,
            write=lambda found: ctx.aws.write(
                SERVICE,
                "update_nodegroup_config",
                clusterName=found.cluster,
                nodegroupName=found.name,
                scalingConfig=_body(_after(plan)),
                clientRequestToken=intent_id,
            ),
            facts=lambda answer: {"update": str(answer["update"]["id"])},
            busy=frozenset({"ResourceInUseException"}),
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del intent_id  # the token cannot be asked for; the update that it made can
        try:
            found = await read_nodegroup(ctx.aws, plan.target.within, plan.target.name)
            since = await _since(ctx, plan, found)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if found.arn != plan.uid:
            return Look(Answer.UNKNOWN, f"{_named(found)} was made again; the one that was to be changed is gone")
        after = _after(plan)
        ours = [one for one in since if _sets(one, plan)]
        if ours:
            return Look(Answer.YES, f"update {ours[0].id} of {_named(found)} to {_sizes_of(after)} is {ours[0].status}")
        if any(one.sizes for one in since):
            return Look(Answer.UNKNOWN, f"{_named(found)} was changed since the plan, to {_sizes(found)}")
        return not_there(ctx, begun_at, f"{_named(found)} has had no update of its sizes since the plan")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        try:
            found = await read_nodegroup(ctx.aws, plan.target.within, plan.target.name)
            update = applied.facts.get("update") if applied is not None else None
            told = await read_update(ctx.aws, found, update) if update else None
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if found.arn != plan.uid:
            return Look(Answer.UNKNOWN, f"{_named(found)} was made again since")
        went = (
            "" if told is None else f"; update {told.id} is {told.status}{''.join(f' ({one})' for one in told.errors)}"
        )
        done = (
            found.status == "ACTIVE"
            and {name: getattr(found, name) for name in _SIZES} == _after(plan)
            and (told is None or told.status == "Successful")
        )
        return Look(answer_of(done), f"{found}, {found.status}{went}{_issues(found)}")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        """Only while the sizes are as this step left them, by no update but its own."""
        del intent_id
        after = _after(plan)
        try:
            found = await read_nodegroup(ctx.aws, plan.target.within, plan.target.name)
            since = await _since(ctx, plan, found)
            updates = await update_ids(ctx.aws, found)
        except TargetNotFoundError:
            return None
        others = [one for one in since if one.sizes and not _sets(one, plan)]
        if _dependencies(found) != {**plan.depends_on, **after} or others or len(since) > 1:
            return None
        before = {name: int(plan.depends_on[name]) for name in _SIZES}
        return _plan(
            self,
            plan.target,
            found,
            before,
            updates,
            fidelity=plan.fidelity,
            params=plan.params,
            owners=(),
            summary=f"put {_named(found)} back from {_sizes(found)} to {_sizes_of(before)}",
        )


def _refuse(found: Nodegroup, params: Params) -> None:
    match found.status:
        case "ACTIVE":
            pass
        case "UPDATING" | "CREATING":
            raise PlanRefusedError(
                "update_in_progress", f"{_named(found)} is {found.status}; EKS takes one update at a time", kind="wait"
            )
        case _:
            raise PlanRefusedError(
                "not_healthy",
                f"{_named(found)} is {found.status}{_issues(found)}; more nodes of it would be no better, so mend it first",
            )
    autoscaler = cluster_autoscaler(found.tags)
    if autoscaler and params.size == "desired":
        raise PlanRefusedError(
            "autoscaler_owns_size",
            f"a Cluster Autoscaler sizes {_named(found)} (tag {autoscaler}) and would take back what only `desired` asks for: "
            "let the playbook say size: minimum",
        )


def _wanted(found: Nodegroup, params: Params) -> dict[str, int]:
    """``minimum`` and ``desired``, between which EKS allows no other order than that."""
    now = found.desired if params.size == "desired" or params.grows else found.minimum
    wanted = params.wanted(now)
    lowest = 0 if params.size == "minimum" else found.minimum
    if params.to is not None and not lowest <= wanted <= found.maximum:
        raise PlanRefusedError(
            "out_of_bounds",
            f"{found} may have {lowest} to {found.maximum}, so not {wanted}; whoever owns it sets its bounds",
        )
    wanted = min(max(wanted, lowest), found.maximum)
    after = {"minimum": found.minimum, "desired": wanted}
    if params.size == "minimum":
        # A lower minimum takes no node away: when to do that is the autoscaler's say.
        after = {"minimum": wanted, "desired": max(found.desired, wanted)}
    if after == {name: getattr(found, name) for name in _SIZES}:
        raise PlanRefusedError(
            "nothing_to_change",
            f"{found} and may not get further{params.bound}; its maximum is for its owner to raise",
        )
    return after


def _plan(
    action: EksNodegroupScale,
    target: Target,
    found: Nodegroup,
    after: dict[str, int],
    updates: tuple[str, ...],
    *,
    fidelity: Fidelity,
    params: Any,
    owners: tuple[str, ...],
    summary: str,
) -> Plan:
    body = {
        "clusterName": found.cluster,
        "nodegroupName": found.name,
        "scalingConfig": _body(after),
        "clientRequestToken": _SHOWN_TOKEN,
    }
    return Plan(
        action=action.name,
        version=action.version,
        target=target,
        uid=found.arn,
        depends_on=_dependencies(found),
        changes=tuple(
            Change(f"scalingConfig.{_IN_THE_API[name]}", getattr(found, name), after[name]) for name in _SIZES
        ),
        calls=(Call("eks:UpdateNodegroupConfig", found.arn, body),),
        fidelity=fidelity,
        summary=summary,
        params=dict(params),
        memory={"updates": sorted(updates)},
        owners=owners,
    )


def _dependencies(found: Nodegroup) -> dict[str, Any]:
    return {
        "uid": found.arn,
        "minimum": found.minimum,
        "desired": found.desired,
        "maximum": found.maximum,
        "status": found.status,
    }


async def _since(ctx: ActionContext, plan: Plan, found: Nodegroup) -> list[Update]:
    """Updates that were not there when the plan was made. Who made them EKS does not say, only to what."""
    known = set(plan.memory["updates"])
    return [await read_update(ctx.aws, found, one) for one in await update_ids(ctx.aws, found) if one not in known]


def _sets(update: Update, plan: Plan) -> bool:
    """To just these sizes. An update need not name what it leaves as it is, but one that names nothing of what the plan changes (the
    maximum alone, which its owner raises) is somebody else's."""
    planned = list(zip(_SIZES, plan.changes, strict=True))
    return all(
        update.sizes.get(name, None if one.before != one.after else one.after) == one.after for name, one in planned
    )


def _after(plan: Plan) -> dict[str, int]:
    return {name: int(change.after) for name, change in zip(_SIZES, plan.changes, strict=True)}


def _body(after: dict[str, int]) -> dict[str, int]:
    return {_IN_THE_API[name]: size for name, size in after.items()}


def _named(found: Nodegroup) -> str:
    return f"node group {found.cluster}/{found.name}"


def _sizes(found: Nodegroup) -> str:
    return _sizes_of({name: getattr(found, name) for name in _SIZES})


def _sizes_of(sizes: dict[str, int]) -> str:
    return f"{sizes['desired']} nodes (at least {sizes['minimum']})"


def _issues(found: Nodegroup) -> str:
    return "".join(f"; {one}" for one in found.issues[:3])
