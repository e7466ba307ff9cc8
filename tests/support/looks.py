"""One condition asked once, by a client that holds exactly the permissions that it declares."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.runs.plan import Plan
from remediator.targets import Target
from tests.support.cluster import Stage


async def ask(stage: Stage, name: str, target: Target, *, done: Iterable[Plan] = (), **params: Any) -> Look:
    condition = condition_named(name)
    given = condition.params.model_validate(params)
    client = await stage.client(condition.permissions(target.kind, given))
    known = Known(now=datetime.now(UTC), labels={}, done=tuple(done))
    return await condition.look(World(client, None, None), target, given, known)
