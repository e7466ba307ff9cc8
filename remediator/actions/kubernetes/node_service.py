"""Taking a node out of service and putting it back: the plans, which undo each other, and how many nodes may be out at a time."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from pydantic import Field

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.actions.kubernetes.fresh_write import SHOWN_INTENT, SHOWN_VERSION
from remediator.actions.kubernetes.write_once import Dependencies, write_once
from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.marks import INTENT
from remediator.clients.kubernetes.names import path_of
from remediator.clients.kubernetes.node import Node, cordon_body, uncordon_body
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target

CORDON, UNCORDON = "kubernetes.cordon", "kubernetes.uncordon"
VERSION = 1


class OutOfServiceParams(ActionParams):
    """How many nodes may be out of service at a time, this one counted."""

    max_unavailable_nodes: int = Field(
        1, ge=1, le=100, description="of the cluster's nodes (or the pool's), not ready or cordoned by anybody"
    )
    pool: str | None = Field(
        None, min_length=1, max_length=317, description="a node label: only nodes with the same value of it are counted"
    )


def refuse_one_too_many(node: Node, nodes: Iterable[Node], params: OutOfServiceParams) -> None:
    """One node at a time. Raises PlanRefusedError when others are out already, or none is left to take the pods."""
    if params.pool is not None and params.pool not in node.labels:
        raise PlanRefusedError("no_pool", f"node {node.name} has no label {params.pool}, so its pool cannot be told")
    others = [
        one
        for one in nodes
        if one.name != node.name and (params.pool is None or one.labels.get(params.pool) == node.labels[params.pool])
    ]
    out = sorted(one.name for one in others if one.out)
    if len(out) + 1 > params.max_unavailable_nodes:
        named = ", ".join(out[:5]) + (f" and {len(out) - 5} more" if len(out) > 5 else "")
        raise PlanRefusedError(
            "nodes_out",
            f"{named} not ready or cordoned already, and max_unavailable_nodes is {params.max_unavailable_nodes}",
        )
    if all(one.out for one in others):
        raise PlanRefusedError("last_node", f"no other node of {params.pool or 'the cluster'} would be left in service")


def cordon_plan(target: Target, node: Node, params: Mapping[str, Any], *, after: str | None = None) -> Plan:
    """``after``: the intent whose uncordon this undoes."""
    depends_on: dict[str, Any] = {"uid": node.uid, "unschedulable": False}
    return Plan(
        action=CORDON,
        version=VERSION,
        target=target,
        uid=node.uid,
        depends_on=depends_on if after is None else {**depends_on, "intent": after},
        changes=(Change("spec.unschedulable", False, True),),
        calls=(Call("PATCH", path_of(target), cordon_body(SHOWN_VERSION, SHOWN_INTENT)),),
        fidelity=Fidelity.SERVER,
        summary=f"cordon node {node.name}: no new pods are placed there, its pods stay",
        params=params,
    )


def uncordon_plan(target: Target, node: Node, params: Mapping[str, Any]) -> Plan:
    """Holds only as long as the node is cordoned by whom it is now."""
    whose = "" if node.cordoned_by else ", which somebody else cordoned"
    return Plan(
        action=UNCORDON,
        version=VERSION,
        target=target,
        uid=node.uid,
        depends_on={"uid": node.uid, "unschedulable": True, "cordoned_by": node.cordoned_by},
        changes=(Change("spec.unschedulable", True, False),),
        calls=(Call("PATCH", path_of(target), uncordon_body(SHOWN_VERSION, SHOWN_INTENT)),),
        fidelity=Fidelity.SERVER,
        summary=f"uncordon node {node.name}{whose}: pods may be placed there again",
        params=params,
    )


async def write_mark(
    ctx: ActionContext,
    plan: Plan,
    intent_id: str,
    *,
    body: Callable[[str, str], dict[str, Any]],
    marked: Callable[[Node], bool],
) -> Applied:
    """Apply either plan; ``body`` takes the node's version and the intent. Safe to repeat: a node that is ``marked`` is left."""

    async def present(node: Node) -> Dependencies:
        return {
            "uid": node.uid,
            "unschedulable": node.unschedulable,
            "cordoned_by": node.cordoned_by,
            "intent": node.intent,
        }

    async def write(node: Node) -> Applied:
        await ctx.kubernetes.nodes.patch(plan.target, body(node.resource_version, intent_id))
        return Applied(plan.summary, {})

    return await write_once(
        plan, read=lambda: ctx.kubernetes.nodes.read(plan.target), present=present, marked=marked, write=write
    )


async def landed_by_mark(ctx: ActionContext, plan: Plan, intent_id: str) -> Look:
    """Does the node bear the mark of this intent?"""
    try:
        node = await ctx.kubernetes.nodes.read(plan.target)
    except (TargetNotFoundError, FactsMissingError) as error:
        return Look(Answer.UNKNOWN, str(error))
    if node.uid != plan.uid:
        return Look(Answer.UNKNOWN, f"node {node.name} was made again; the one that was meant is gone")
    marked = intent_id in (node.intent, node.cordoned_by)
    return Look(answer_of(marked), f"annotation {INTENT}={intent_id} is {'' if marked else 'not '}on node {node.name}")


async def is_cordoned(ctx: ActionContext, plan: Plan, *, wanted: bool) -> Look:
    """Is the node as it should be now?"""
    try:
        node = await ctx.kubernetes.nodes.read(plan.target)
    except (TargetNotFoundError, FactsMissingError) as error:
        return Look(Answer.UNKNOWN, str(error))
    if node.uid != plan.uid:
        return Look(Answer.UNKNOWN, f"node {node.name} was made again since")
    state = "cordoned" if node.unschedulable else "open to new pods"
    return Look(answer_of(node.unschedulable is wanted), f"node {node.name} is {state}")
