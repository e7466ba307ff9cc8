"""``kubernetes.postgres_switchover``: let CloudNativePG make a healthy standby the primary, as ``kubectl cnpg promote`` asks it to.

Only databases of that operator: it stops the old primary in order and promotes the standby when that has all of it, so nothing that
was committed is lost.
"""

from datetime import datetime, timedelta
from typing import Any, ClassVar, Literal

from pydantic import Field

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.actions.kubernetes.fresh_write import SHOWN_TIME
from remediator.actions.kubernetes.write_once import Dependencies, write_once
from remediator.answers import Answer
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.marks import intent_manager
from remediator.clients.kubernetes.names import RESOURCES, path_of
from remediator.clients.kubernetes.postgres import PostgresCluster, hindrance_to_switchover, switchover_body
from remediator.clients.kubernetes.postgres_clusters import read_postgres_cluster
from remediator.clients.permissions import Permission
from remediator.conditions.base import Look
from remediator.durations import Duration, parse_duration
from remediator.errors import FactsMissingError
from remediator.runs.plan import Call, Change, Fidelity, Plan
from remediator.targets import Target

_FIELD = ("status", "targetPrimary")


class Params(ActionParams):
    """Which standby is not the playbook's to say: the healthy one that is not on the primary's node, by name."""

    quiet_for: Duration = Field(
        timedelta(minutes=10), description="refused when the primary changed, by whomever, within this time"
    )


class PostgresSwitchover:
    """Writes the status of the Cluster, as the operator's own tool does. No undo: back again would be a second outage."""

    name: ClassVar[str] = "kubernetes.postgres_switchover"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"postgrescluster"})

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return (*read_postgres_cluster(), RESOURCES[kind].permission("patch", "status"))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            cluster = await ctx.kubernetes.postgres_clusters.read(target)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        hindrance = hindrance_to_switchover(cluster, now=ctx.kubernetes.now(), quiet_for=params.quiet_for)
        if hindrance is not None:
            raise PlanRefusedError(hindrance.code, hindrance.text, kind="wait" if hindrance.passes else "refuse")
        standby = str(cluster.standby)
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=cluster.uid,
            depends_on={**_dependencies(cluster), "hindrance": None},
            changes=(Change(".".join(_FIELD), cluster.primary, standby),),
            calls=(Call("PATCH", path_of(target, "status"), switchover_body(cluster, standby, SHOWN_TIME)),),
            fidelity=Fidelity.SERVER,
            summary=f"switch PostgreSQL cluster {target.short} over from {cluster.primary} to {standby}; writes fail meanwhile",
            params=params.model_dump(mode="json"),
            memory={"primary": cluster.primary},
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        standby = str(plan.changes[0].after)
        quiet_for = parse_duration(str(plan.params["quiet_for"]))

        async def present(cluster: PostgresCluster) -> Dependencies:
            hindrance = hindrance_to_switchover(cluster, now=ctx.kubernetes.now(), quiet_for=quiet_for)
            return {**_dependencies(cluster), "hindrance": None if hindrance is None else hindrance.text}

        async def write(cluster: PostgresCluster) -> Applied:
            await ctx.kubernetes.postgres_clusters.switch_over(cluster, standby, ctx.kubernetes.now(), intent_id)
            return Applied(plan.summary, {"primary": standby})

        return await write_once(
            plan,
            read=lambda: ctx.kubernetes.postgres_clusters.read(plan.target),
            present=present,
            marked=lambda cluster: _marked(cluster, intent_id),
            write=write,
            facts=lambda _: {"primary": standby},
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del begun_at  # the plan knows when the next primary was named last, to the microsecond
        try:
            cluster = await ctx.kubernetes.postgres_clusters.read(plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if cluster.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again; the one that was to switch over is gone")
        if _marked(cluster, intent_id):
            return Look(Answer.YES, f"managedFields of {plan.target.short} name our write of the next primary")
        if _named(cluster) == plan.depends_on["named"]:
            return Look(Answer.NO, f"nobody has named another primary of {plan.target.short} since it was planned")
        # Whoever names another primary takes our mark away, and then it cannot be told.
        return Look(Answer.UNKNOWN, f"somebody named {cluster.target_primary} the next primary since it was planned")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del applied  # the plan says who is to be the primary
        standby = str(plan.changes[0].after)
        try:
            cluster = await ctx.kubernetes.postgres_clusters.read(plan.target)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        if cluster.uid != plan.uid:
            return Look(Answer.UNKNOWN, f"{plan.target.short} was made again since")
        seen = f"primary {cluster.primary}, to be {cluster.target_primary}: {cluster.phase[:100]}"
        if cluster.target_primary != standby:
            return Look(Answer.UNKNOWN, f"{seen}; somebody named another than {standby}")
        return Look(Answer.of(cluster.primary == standby and cluster.is_healthy), seen)

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def _dependencies(cluster: PostgresCluster) -> dict[str, Any]:
    return {
        "uid": cluster.uid,
        "primary": cluster.primary,
        "standby": cluster.standby,
        "named": _named(cluster),
    }


def _named(cluster: PostgresCluster) -> list[str]:
    """Who was named the next primary, and when: changes with each naming, whoever does it."""
    return [cluster.target_primary, cluster.named_at]


def _marked(cluster: PostgresCluster, intent_id: str) -> bool:
    mark = intent_manager(intent_id)
    return any(manager.name == mark and manager.owns(*_FIELD) for manager in cluster.managers)
