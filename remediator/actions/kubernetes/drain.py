"""``kubernetes.drain``: move the pods of a node elsewhere by evictions, as their disruption budgets allow.

A pass evicts each pod once. What a budget holds back is left for the next pass, which the run machine begins after asking guards
and plan again, so that a pause stops a drain between two passes.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, ClassVar, Literal

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.actions.kubernetes.drain_rules import (
    Judged,
    Params,
    judge,
    named,
    never_allowed,
    ready_by_controller,
    workload_of,
)
from remediator.actions.kubernetes.fresh_write import SHOWN_INTENT, SHOWN_VERSION
from remediator.actions.kubernetes.node_service import landed_by_mark, refuse_one_too_many, uncordon_plan
from remediator.answers import Answer
from remediator.clients.kubernetes.errors import BudgetExhaustedError, ConflictError, TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES, path_of
from remediator.clients.kubernetes.node import Node, drain_body
from remediator.clients.kubernetes.room import without_room
from remediator.clients.kubernetes.single_pod import SinglePod
from remediator.clients.kubernetes.single_pods import eviction_body
from remediator.clients.permissions import Permission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, OvertakenError, PermanentError, TransientError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target

_NODE, _POD, _BUDGET = (RESOURCES[kind] for kind in ("node", "pod", "poddisruptionbudget"))
_NOTHING = "nothing_to_put_back"


class Drain:
    """Cordons the node too, if it is not yet. Pods of DaemonSets, mirror pods and pods that have ended stay.

    Its undo opens the node again, if it was this drain that closed it; pods that were moved stay where they are.
    """

    name: ClassVar[str] = "kubernetes.drain"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"node"})

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return (
            *(_NODE.permission(verb, everywhere=True) for verb in ("get", "list", "patch")),
            _POD.permission("list", everywhere=True),
            _POD.permission("create", "eviction", everywhere=True),
            _BUDGET.permission("list", everywhere=True),
        )

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "undo"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        node = await ctx.kubernetes.nodes.read(target)
        nodes = await ctx.kubernetes.nodes.all()
        refuse_one_too_many(node, nodes, params)
        everywhere = await ctx.kubernetes.single_pods.everywhere()
        judged = judge([pod for pod in everywhere if pod.node == node.name], params)
        if judged.refused:
            raise PlanRefusedError("pods_forbid_it", f"node {node.name} has {'; '.join(judged.refused)}")
        budgets = await ctx.kubernetes.budgets.of("")
        if never := never_allowed(judged.movable, budgets):
            raise PlanRefusedError("budget_never_allows", "; ".join(never))
        others = [one for one in nodes if one.name != node.name]
        if refused := without_room(judged.movable, others, everywhere):
            pod, why = next(iter(refused.items()))
            more = f", and {len(refused) - 1} pods more" if len(refused) > 1 else ""
            raise PlanRefusedError("no_room_elsewhere", f"{pod}: {why}{more}")
        moved = node.moved if ctx.own_changes and node.unschedulable else {}
        moved = {**ready_by_controller(judged.movable, everywhere), **moved}
        return self._plan(target, node, params.model_dump(mode="json"), judged, moved)

    def _plan(
        self, target: Target, node: Node, params: Mapping[str, Any], judged: Judged, moved: Mapping[str, int]
    ) -> Plan:
        cordon = not node.unschedulable
        body = drain_body(SHOWN_VERSION, SHOWN_INTENT, moved, cordon=cordon)
        first = "cordon it and " if cordon else ""
        which = f": {named(judged.movable)}" if judged.movable else ""
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=node.uid,
            # Pods come and go while a person thinks about a yes; what is bound is the node and what may be lost (params).
            depends_on={"uid": node.uid, "unschedulable": node.unschedulable},
            changes=(
                *((Change("spec.unschedulable", False, True),) if cordon else ()),
                Change("pods", "as they are", "only those of DaemonSets and of the kubelet itself"),
            ),
            calls=(Call("PATCH", path_of(target), body), *map(_eviction, judged.movable)),
            fidelity=Fidelity.SERVER,
            summary=f"drain node {node.name}: {first}evict {len(judged.movable)} pods{which}",
            params=params,
            memory={"moved": dict(moved)},
            moves=tuple(sorted({workload_of(pod) for pod in judged.movable})),
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        if plan.memory.get(_NOTHING):
            return Applied(plan.summary, {})
        try:
            begun = await self._begin(ctx, plan, intent_id)
            judged = await _judged(ctx, plan)
        except TargetNotFoundError:
            raise OvertakenError(f"{plan.target} is gone; nothing was done") from None
        except FactsMissingError as error:
            raise TransientError(f"no pod was evicted: {error}") from None
        if judged.refused:
            why = f"node {plan.target.name} now has {'; '.join(judged.refused)}"
            if not begun:
                raise OvertakenError(f"{why}; no pod was evicted")
            return Applied(why, {"evicted": []}, complete=False)
        return await _evict(ctx, plan, judged.movable, wrote=begun)

    async def _begin(self, ctx: ActionContext, plan: Plan, intent_id: str) -> bool:
        """See that the node is cordoned and bears our mark. Whether that had to be written."""
        node = await ctx.kubernetes.nodes.read(plan.target)
        if node.uid != plan.uid:
            raise OvertakenError(f"{plan.target} was deleted and made again since the plan; nothing was done")
        if node.intent == intent_id and node.unschedulable:
            return False
        if node.intent == intent_id or node.unschedulable is not plan.depends_on["unschedulable"]:
            state = "cordoned" if node.unschedulable else "uncordoned"
            raise OvertakenError(f"{plan.target} was {state} by somebody since; no pod was evicted")
        if refused := (await _judged(ctx, plan)).refused:
            raise OvertakenError(f"node {plan.target.name} now has {'; '.join(refused)}; nothing was done")
        cordon, moved = not node.unschedulable, plan.memory["moved"]
        await ctx.kubernetes.nodes.patch(
            plan.target, drain_body(node.resource_version, intent_id, moved, cordon=cordon)
        )
        return True

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        """Each part finds itself done, so that what was begun can be begun again for the rest."""
        del begun_at  # the mark names the intent itself
        if plan.memory.get(_NOTHING):
            return Look(Answer.YES, "there was nothing to write")
        marked = await landed_by_mark(ctx, plan, intent_id)
        if marked.answer is not Answer.YES:
            return marked
        try:
            left = (await _judged(ctx, plan)).movable
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        told = f"begun; still to be evicted: {named(left)}" if left else "begun, and no pod is left to be evicted"
        return Look(Answer.YES, told, partly=bool(left))

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied
        if plan.memory.get(_NOTHING):
            return Look(Answer.YES, "there was nothing to wait for")
        try:
            judged = await _judged(ctx, plan)
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        left = (*judged.movable, *judged.going)
        return Look(answer_of(not left), f"{len(left)} pods left to go{f': {named(left)}' if left else ''}")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        try:
            node = await ctx.kubernetes.nodes.read(plan.target)
        except TargetNotFoundError:
            return None
        if node.uid != plan.uid:
            return None
        if node.cordoned_by == intent_id:
            return uncordon_plan(plan.target, node, {})
        if node.intent != intent_id:
            return None
        # A step before it, or somebody else, closed the node: it is theirs to open. A plan all the same, so that the undo goes on
        # with the step before.
        return Plan(
            action=self.name,
            version=self.version,
            target=plan.target,
            uid=plan.uid,
            depends_on={"uid": plan.uid},
            changes=(),
            calls=(),
            fidelity=Fidelity.SERVER,
            summary=f"nothing to put back: pods that were moved from node {node.name} stay where they are",
            params=plan.params,
            memory={_NOTHING: True},
        )


async def _judged(ctx: ActionContext, plan: Plan) -> Judged:
    return judge(await ctx.kubernetes.single_pods.on_node(plan.target.name), Params.model_validate(dict(plan.params)))


async def _evict(ctx: ActionContext, plan: Plan, pods: tuple[SinglePod, ...], *, wrote: bool) -> Applied:
    """Each once. Only what is certainly not done is left for another pass; an answer that was lost is looked for first."""
    evicted: list[str] = []
    left: dict[str, str] = {}
    for pod in pods:
        try:
            await ctx.kubernetes.single_pods.evict(pod)
            evicted.append(pod.short)
        except TargetNotFoundError:
            continue  # gone by itself
        except (BudgetExhaustedError, ConflictError) as error:
            left[pod.short] = str(error)
        except (TransientError, PermanentError) as error:
            if not (wrote or evicted):
                raise
            left[pod.short] = str(error)
            break
    held = f"; not yet: {'; '.join(f'{name} ({why})' for name, why in left.items())}"[:1000] if left else ""
    told = f"evicted {len(evicted)} of {len(pods)} pods of node {plan.target.name}{held}"
    return Applied(told, {"evicted": evicted, "left": left}, complete=not left)


def _eviction(pod: SinglePod) -> Call:
    path = _POD.path(pod.namespace, pod.name, "eviction")
    return Call("POST", path, eviction_body(pod.namespace, pod.name, pod.uid))
