"""``evidence.kubernetes_logs``, ``.kubernetes_events``, ``.kubernetes_top``: steps that only look, for a remedy that informs people."""

from datetime import datetime
from typing import Any, ClassVar, Literal

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.actions.evidence import events, logs, top
from remediator.actions.evidence.base import Evidence, as_evidence
from remediator.actions.evidence.collect import look
from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.pod_states import permissions_for_pods
from remediator.clients.permissions import Permission
from remediator.conditions.base import Look
from remediator.errors import TransientError
from remediator.runs.plan import Fidelity, Plan
from remediator.targets import CLUSTER_SCOPED, Target

_OF_PODS = frozenset(
    {"deployment", "statefulset", "daemonset", "pod", "cronjob", "persistentvolumeclaim", "horizontalpodautoscaler"}
    | {"postgrescluster"}
)


class _Look:
    """Its apply only reads, so it leaves no mark, may be done again after any doubt, and has nothing to undo."""

    name: ClassVar[str]
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]]
    target_kinds: ClassVar[frozenset[str]]
    evidence: ClassVar[Evidence]

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        target = RESOURCES[kind].permission("get", everywhere=kind in CLUSTER_SCOPED)
        return tuple(dict.fromkeys((target, *permissions_for_pods(kind), *self.evidence.permissions(kind, params))))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            found = await ctx.kubernetes.document(target)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=str(found["metadata"]["uid"]),
            depends_on={},
            changes=(),
            calls=(),
            fidelity=Fidelity.RECORDED,
            summary=f"look at {self.evidence.name} of {target.kind} {target.short}",
            params=params.model_dump(mode="json"),
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id
        piece = await look(self.evidence, ctx.kubernetes, plan.target, self.params.model_validate(plan.params))
        if not piece.read:
            raise TransientError(f"nothing was seen: {piece.text}")
        return Applied(f"{plan.summary}: kept", dict(as_evidence((piece,))))

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del ctx, plan, intent_id, begun_at
        return Look(Answer.NO, "a look leaves no mark, and looking again does no harm")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del ctx, plan, applied
        return Look(Answer.YES, "a look has no effect to wait for")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


class LookAtLogs(_Look):
    """The last lines of the target's sickest pods."""

    name: ClassVar[str] = "evidence.kubernetes_logs"
    params: ClassVar[type[ActionParams]] = logs.Params
    target_kinds: ClassVar[frozenset[str]] = _OF_PODS
    evidence: ClassVar[Evidence] = logs.Logs()


class LookAtEvents(_Look):
    """What the cluster told about the target and its pods."""

    name: ClassVar[str] = "evidence.kubernetes_events"
    params: ClassVar[type[ActionParams]] = events.Params
    target_kinds: ClassVar[frozenset[str]] = _OF_PODS | frozenset(CLUSTER_SCOPED)
    evidence: ClassVar[Evidence] = events.Events()


class LookAtTop(_Look):
    """What the target's pods use now."""

    name: ClassVar[str] = "evidence.kubernetes_top"
    params: ClassVar[type[ActionParams]] = top.Params
    target_kinds: ClassVar[frozenset[str]] = _OF_PODS
    evidence: ClassVar[Evidence] = top.Top()
