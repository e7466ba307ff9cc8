"""One action by hand, method by method, as a client that holds exactly what the action declares."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from remediator.actions import action_named
from remediator.actions.base import Action, ActionContext, Applied
from remediator.answers import Answer
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.conditions.base import Look
from remediator.runs.plan import Plan
from remediator.targets import Target
from tests.contract.conftest import may_write
from tests.support.cluster import Stage

FIRST, SECOND = "int_00000000000000000000000001", "int_00000000000000000000000002"
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class Doing:
    """Made by `on`."""

    action: Action
    target: Target
    params: Any
    client: KubernetesClient

    @classmethod
    async def on(cls, stage: Stage, name: str, target: Target, **params: Any) -> Self:
        action = action_named(name)
        chosen = action.params.model_validate(params)
        return cls(action, target, chosen, await stage.client(action.permissions(target.kind, chosen)))

    def ctx(self, *, own_changes: bool = False) -> ActionContext:
        return ActionContext(self.client, own_changes=own_changes)

    async def plan(self, *, own_changes: bool = False) -> Plan:
        plan = await self.action.plan(self.ctx(own_changes=own_changes), self.target, self.params)
        return Plan.from_json(plan.to_json())

    async def apply(self, plan: Plan, intent: str = FIRST) -> Applied:
        with may_write():
            return await self.action.apply(self.ctx(own_changes=True), plan, intent)

    async def do(self, intent: str = FIRST) -> Plan:
        """Plan and apply."""
        plan = await self.plan()
        await self.apply(plan, intent)
        return plan

    async def landed(self, plan: Plan, intent: str = FIRST, begun_at: datetime = LONG_AGO) -> Look:
        return await self.action.landed(self.ctx(), plan, intent, begun_at)

    async def verify(self, plan: Plan) -> Answer:
        return (await self.action.verify(self.ctx(), plan, None)).answer

    async def undo_plan(self, plan: Plan, intent: str = FIRST) -> Plan | None:
        return await self.action.undo_plan(self.ctx(own_changes=True), plan, intent)
