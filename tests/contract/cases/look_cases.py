"""Steps that change nothing: looks at evidence, and a command in a container."""

from remediator.runs.plan import Fidelity
from remediator.targets import Target
from tests.support.action_case import ActionCase
from tests.support.cluster import Stage


async def _up(stage: Stage) -> Target:
    await stage.workload("checkout", replicas=2)
    await stage.rolled_out("checkout")
    return stage.target("checkout")


async def _nothing_changed(stage: Stage) -> int:
    deployment = await stage.get("Deployment", "checkout")
    return int(deployment["metadata"]["generation"]) - 1 + abs(len(await stage.pods("checkout")) - 2)


async def _set_up(stage: Stage) -> Target:
    await stage.workload("db", kind="StatefulSet", replicas=1)
    await stage.rolled_out("db", "StatefulSet")
    return stage.target("db", "statefulset")


async def _nothing_changed_of_set(stage: Stage) -> int:
    found = await stage.get("StatefulSet", "db")
    return int(found["metadata"]["generation"]) - 1 + abs(len(await stage.pods("db")) - 1)


_OF_DEPLOYMENT = tuple(
    ActionCase(
        action,
        prepare=_up,
        changes=_nothing_changed,
        params=params,
        times=0,
        fidelity=Fidelity.RECORDED,
        name="deployment",
    )
    for action, params in (
        ("kubernetes.exec", {"command": ["date", "-u"]}),
        ("evidence.kubernetes_events", {}),
        ("evidence.kubernetes_logs", {"lines": 10}),
        ("evidence.kubernetes_top", {}),
        ("evidence.redis_info", {}),
    )
)
_STATEMENTS = ActionCase(
    "evidence.postgres_statements",
    prepare=_set_up,
    changes=_nothing_changed_of_set,
    times=0,
    fidelity=Fidelity.RECORDED,
    name="statefulset",
)
CASES = (*_OF_DEPLOYMENT, _STATEMENTS)
