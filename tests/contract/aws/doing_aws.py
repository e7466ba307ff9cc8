"""One action at AWS by hand, method by method, or carried out by the run machine."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Self

from remediator.actions import action_named
from remediator.actions.base import Action, ActionContext, Applied
from remediator.answers import Answer
from remediator.clients.aws.api import AwsApi
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.permissions import Right
from remediator.clients.transport import Probe, WritePermit, no_probe, permit
from remediator.conditions.base import Look
from remediator.runs.plan import Plan
from remediator.targets import Target
from tests.contract.aws.case import AwsCase
from tests.support.aws_stage import AwsStage
from tests.support.carried_out import CarriedOut

FIRST, SECOND = "int_00000000000000000000000001", "int_00000000000000000000000002"
LOOK = timedelta(minutes=1)
"""Of AWS, between two looks: each of them costs requests."""


@dataclass
class DoingAws:
    """Made by `on`; by default with exactly the rights that the action declares."""

    stage: AwsStage
    action: Action
    target: Target
    params: Any
    aws: AwsApi
    kubernetes: KubernetesClient | None

    @classmethod
    async def on(
        cls,
        stage: AwsStage,
        name: str,
        target: Target,
        /,
        *,
        rights: tuple[Right, ...] | None = None,
        dry_run: bool = False,
        simulation: bool = True,
        probe: Probe = no_probe,
        **params: Any,
    ) -> Self:
        action = action_named(name)
        chosen = action.params.model_validate(params)
        may = action.permissions(target.kind, chosen) if rights is None else rights
        client = stage.client(may, dry_run=dry_run, simulation=simulation, probe=probe)
        return cls(stage, action, target, chosen, client, await stage.kubernetes(may, dry_run=dry_run))

    @classmethod
    async def case(cls, stage: AwsStage, case: AwsCase, target: Target, **options: Any) -> Self:
        """As `on`, for a case whose `prepare` gave this target."""
        return await cls.on(stage, case.action, target, **options, **case.params)

    @property
    def rights(self) -> tuple[Right, ...]:
        """What is declared."""
        return self.action.permissions(self.target.kind, self.params)

    def ctx(self, *, own_changes: bool = False) -> ActionContext:
        return ActionContext(self.kubernetes, own_changes=own_changes, account=self.aws)

    async def plan(self, *, own_changes: bool = False) -> Plan:
        plan = await self.action.plan(self.ctx(own_changes=own_changes), self.target, self.params)
        return Plan.from_json(plan.to_json())

    async def apply(self, plan: Plan, intent: str = FIRST) -> Applied:
        with permit(WritePermit(self.stage.clock.boottime() + 300)):
            return await self.action.apply(self.ctx(own_changes=True), plan, intent)

    async def landed(self, plan: Plan, intent: str = FIRST, begun_at: datetime | None = None) -> Look:
        return await self.action.landed(self.ctx(own_changes=True), plan, intent, begun_at or self.stage.clock.now())

    async def settled(self, plan: Plan, begun_at: datetime, intent: str = FIRST) -> Look:
        """What `landed` says once it knows, or after ten minutes."""
        look = await self.landed(plan, intent, begun_at)
        for _ in range(30):
            if look.answer is not Answer.UNKNOWN:
                break
            await self.stage.clock.sleep(LOOK.total_seconds())
            look = await self.landed(plan, intent, begun_at)
        return look

    async def verified(self, plan: Plan, applied: Applied | None = None) -> Look:
        """What `verify` says once it says yes, or after an hour."""
        look = await self.action.verify(self.ctx(), plan, applied)
        for _ in range(60):
            if look.answer is Answer.YES:
                break
            await self.stage.clock.sleep(60)
            look = await self.action.verify(self.ctx(), plan, applied)
        return look

    async def undo_plan(self, plan: Plan, intent: str = FIRST) -> Plan | None:
        return await self.action.undo_plan(self.ctx(own_changes=True), plan, intent)

    def run(
        self, case: AwsCase, *, if_refuted: Literal["undo", "keep"] = "keep", verified: Answer | None = None
    ) -> CarriedOut:
        """By the run machine, whose waits let the time of the stage pass."""
        return CarriedOut(
            self.kubernetes,
            self.target,
            case.action,
            case.params,
            if_refuted,
            verified,
            # What is refuted in any case is refuted once its effect is there: a look at AWS costs requests.
            within=timedelta(minutes=20) if verified is Answer.NO else timedelta(hours=1),
            aws=self.aws,
            clock=self.stage.clock,
            look=LOOK,
        )
