"""``evidence.redis_info`` and ``evidence.postgres_statements``: which pod is asked, what is kept, and SQL that a real server takes."""

import json
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from remediator.actions import action_named
from remediator.actions.base import ActionContext, PlanRefusedError
from remediator.actions.evidence.postgres_statements import queries
from remediator.targets import Target
from tests.contract.doing import Doing
from tests.controlplane.words import EXEC
from tests.support import postgres
from tests.support.cluster import CLUSTER, Stage
from tests.support.database_server import DatabaseServer, binaries
from tests.support.needs import not_run

REDIS, STATEMENTS = "evidence.redis_info", "evidence.postgres_statements"
INFO = "# Stats\r\nkeyspace_hits:80\r\nkeyspace_misses:20\r\n# Keyspace\r\ndb0:keys=3,expires=0\r\n"


async def test_redis_tells_its_figures(stage: Stage) -> None:
    script = {"redis-cli": {"stdout": INFO}}
    await stage.workload("cache", replicas=1, kind="StatefulSet", annotations={EXEC: json.dumps(script)})
    await stage.rolled_out("cache", "StatefulSet")
    look = await Doing.on(stage, REDIS, stage.target("cache", "statefulset"))
    plan = await look.plan()
    assert plan.summary.startswith("run redis-cli INFO in app of pod")
    applied = await look.apply(plan)
    [kept] = applied.facts["evidence"]
    assert kept["kind"] == REDIS
    assert "keyspace_misses:20" in kept["text"]


async def test_of_a_cluster_the_primary_is_asked_and_no_other(stage: Stage) -> None:
    await postgres.cluster(stage)
    await postgres.say(stage, "db", currentPrimary="db-2", targetPrimary="db-2")
    look = await Doing.on(stage, STATEMENTS, Target.kubernetes(CLUSTER, stage.namespace, "postgrescluster", "db"))
    plan = await look.plan()
    assert plan.memory["pod"] == "db-2"
    [kept] = (await look.apply(plan)).facts["evidence"]
    assert "psql" in kept["text"]
    await stage.delete("Pod", "db-2", {"gracePeriodSeconds": 0})
    with pytest.raises(PlanRefusedError, match="no ready pod") as refused:
        await look.plan()
    assert refused.value.kind == "wait"


async def test_in_a_dry_run_nothing_is_sent(stage: Stage) -> None:
    await postgres.cluster(stage)
    action = action_named(STATEMENTS)
    params = action.params()
    client = await stage.client(action.permissions("postgrescluster", params), dry_run=True)
    target = Target.kubernetes(CLUSTER, stage.namespace, "postgrescluster", "db")
    ctx = ActionContext(client)
    applied = await action.apply(ctx, await action.plan(ctx, target, params), "int_00000000000000000000000001")
    assert "not sent in a dry-run" in applied.summary
    assert not [one for one in await stage.audit() if "/exec" in one.path]


@pytest.fixture(scope="module")
def server() -> Iterator[DatabaseServer]:
    folder = binaries()
    extension = "pg_stat_statements.control"
    if folder is None or not any(one.is_file() for one in _places(folder, extension)):
        not_run("no PostgreSQL with the extension pg_stat_statements", may_lack=True)
    server = DatabaseServer(folder, settings={"shared_preload_libraries": "pg_stat_statements"})
    try:
        server.start()
        yield server
    finally:
        server.remove()


def _places(folder: Path, extension: str) -> list[Path]:
    version = folder.parent.name
    shared = [Path(f"/usr/share/postgresql/{version}"), folder.parent / "share", folder.parent / "share" / "postgresql"]
    return [one / "extension" / extension for one in shared]


@pytest.mark.real
@pytest.mark.live
async def test_a_real_server_takes_the_queries_and_no_value_is_in_what_it_says(server: DatabaseServer) -> None:
    connection = await asyncpg.connect(server.url(admin=True))
    try:
        *costs, now = queries(5)
        await connection.execute("CREATE EXTENSION pg_stat_statements")
        await connection.execute("CREATE ROLE bob PASSWORD 'hunter2'")
        await connection.execute("SELECT 'a-value-of-somebody'")
        for query in costs:
            found = await connection.fetch(query)
            assert "SELECT $1" in {one["statement"] for one in found}
            assert "hunter2" not in str(found)
            assert "somebody" not in str(found)
        assert [row.get("pid") for row in await connection.fetch(now)] == []
    finally:
        await connection.close()
