"""``evidence.postgres_statements``: which statements cost most, and what runs or waits now, asked by ``psql`` beside the server."""

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field

from remediator.actions.base import ActionContext, ActionParams
from remediator.actions.kubernetes import exec as command
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.pod_state import PodState
from remediator.clients.permissions import Permission
from remediator.runs.plan import Plan
from remediator.targets import Target

# Statements there have $1 in the place of values. Others than these four kinds are left out: before PostgreSQL 16 they stood there
# word for word, a password of ALTER ROLE too.
_COST = (
    "SELECT d.datname AS database, s.calls, round(s.mean_exec_time) AS mean_ms, round(s.total_exec_time) AS total_ms, s.rows, "
    "left(regexp_replace(s.query, '[[:space:]]+', ' ', 'g'), 300) AS statement "
    "FROM pg_stat_statements s JOIN pg_database d ON d.oid = s.dbid "
    "WHERE s.query ~* '^[[:space:]]*(select|insert|update|delete|with)' AND s.query !~ 'pg_stat_' ORDER BY s.{order} DESC LIMIT {top}"
)
# Without the text: of what runs now the values stand in it.
_NOW = (
    "SELECT pid, datname AS database, usename AS user_name, state, wait_event_type, wait_event, "
    "pg_blocking_pids(pid) AS blocked_by, round(extract(epoch FROM now() - query_start)) AS seconds FROM pg_stat_activity "
    "WHERE backend_type = 'client backend' AND state <> 'idle' AND pid <> pg_backend_pid() ORDER BY query_start LIMIT {top}"
)
# A server that is slow already does not go on with it when nobody listens any more.
_LIMIT = "SET statement_timeout = '8s'"
_BYTES = 32_768


class Params(ActionParams):
    """How many of each."""

    top: int = Field(
        10, ge=1, le=50, description="so many statements by their mean time, by their whole time, and of those that run"
    )
    container: command.ContainerName | None = Field(
        None, description="absent: the pod's default container, else its first"
    )


def queries(top: int) -> tuple[str, ...]:
    """By their mean time, by their whole time, and what runs now."""
    costs = (_COST.format(order=order, top=top) for order in ("mean_exec_time", "total_exec_time"))
    return (*costs, _NOW.format(top=top))


class PostgresStatements(command.Exec):
    """Of a CloudNativePG cluster its primary is asked, as the superuser by the server's own socket; all three only read.

    Without the extension ``pg_stat_statements`` (PostgreSQL 13 or newer) it says so, and what runs now is told all the same.
    """

    name: ClassVar[str] = "evidence.postgres_statements"
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"postgrescluster", "statefulset", "pod"})

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        return tuple(dict.fromkeys((RESOURCES[kind].permission("get"), *super().permissions(kind, params))))

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        psql = (
            "psql",
            "-X",
            "-A",
            "-P",
            "pager=off",
            "-P",
            "footer=off",
            "-U",
            "postgres",
            "-d",
            "postgres",
            "-c",
            _LIMIT,
        )
        asked = command.Params(
            command=(*psql, *(part for query in queries(params.top) for part in ("-c", query))),
            container=params.container,
            max_bytes=_BYTES,
        )
        return await super().plan(ctx, target, asked)

    def whom(self, document: Mapping[str, Any], pods: tuple[PodState, ...]) -> PodState | None:
        if document.get("kind") != "Cluster":
            return super().whom(document, pods)
        primary = (document.get("status") or {}).get("currentPrimary")
        return next((pod for pod in pods if pod.name == primary and pod.usable), None)
