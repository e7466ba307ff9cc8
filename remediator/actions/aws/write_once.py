"""Read, compare with the plan, write: once. AWS has no version to write against, so what is read last is compared last (S16)."""

from collections.abc import Awaitable, Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from remediator.actions.base import ActionContext, Applied
from remediator.answers import Answer
from remediator.clients.aws.errors import AwsRefusedError
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, OvertakenError, TargetNotFoundError, TransientError
from remediator.runs.plan import Plan

TOLD_WITHIN = timedelta(minutes=1)
"""By then AWS's lists tell of what was done: they lag behind, by seconds as a rule."""

T = TypeVar("T")


async def write_once(
    plan: Plan,
    *,
    read: Callable[[], Awaitable[T]],
    present: Callable[[T], Mapping[str, Any]],
    write: Callable[[T], Awaitable[dict[str, Any] | None]],
    facts: Callable[[dict[str, Any]], dict[str, Any]] = lambda _: {},
    marked: Callable[[T], bool] = lambda _: False,
    busy: frozenset[str] = frozenset(),
) -> Applied:
    """Carry a plan of one write out once.

    ``present`` tells what the plan depends on as it is now, ``write`` sends the one request (None: a dry-run, nothing was changed),
    ``facts`` what of its answer is kept. ``marked``: is our own write there already, one that was on its way when it was given up?
    ``busy``: codes by which the service says that it takes no such call at the moment.

    Raises:
        OvertakenError: the target is gone, another, or not as planned; nothing was written.
        TransientError: it could not be read, or the service is busy with it; nothing was written.
    """
    try:
        found = await read()
    except TargetNotFoundError as error:
        raise OvertakenError(f"{plan.target} is gone; nothing was done ({error})") from None
    except FactsMissingError as error:
        raise TransientError(f"nothing was written: {error}") from None
    if marked(found):
        return Applied(f"{plan.summary} (found done already)", {})
    now = present(found)
    for name, planned in plan.depends_on.items():
        if now.get(name) != planned:
            raise OvertakenError(
                f"{plan.target}: {name} was {planned!r} when planned and is {now.get(name)!r} now; nothing was done"
            )
    try:
        answer = await write(found)
    except TargetNotFoundError as error:
        raise OvertakenError(f"{plan.target} is gone; nothing was done ({error})") from None
    except AwsRefusedError as error:
        if error.code in busy:
            raise TransientError(f"nothing was written: {error}") from None
        raise
    if answer is None:
        return Applied(f"{plan.summary}: checked, and not sent in a dry-run", {})
    return Applied(plan.summary, facts(answer))


def not_there(ctx: ActionContext, begun_at: datetime, said: str) -> Look:
    """What ``landed`` says where nothing of ours is to be seen: no, once it would have to be."""
    if ctx.aws.now() < begun_at + TOLD_WITHIN:
        return Look(Answer.UNKNOWN, f"{said} yet")
    return Look(Answer.NO, said)
