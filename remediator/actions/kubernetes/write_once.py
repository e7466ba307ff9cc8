"""Read, compare with the plan, write with the version just read, and again when somebody was quicker (S16): of anything."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Protocol, TypeVar

from remediator.actions.base import Applied
from remediator.clients.kubernetes.errors import ConflictError, TargetNotFoundError
from remediator.errors import FactsMissingError, OvertakenError, TransientError
from remediator.runs.plan import Plan

READS = 5
"""How often a write that met a conflict is prepared anew. A busy object's status changes every second."""

Dependencies = Mapping[str, Any]


class HasUid(Protocol):
    @property
    def uid(self) -> str: ...


T = TypeVar("T", bound=HasUid)


async def write_once(
    plan: Plan,
    *,
    read: Callable[[], Awaitable[T]],
    present: Callable[[T], Awaitable[Dependencies]],
    marked: Callable[[T], bool],
    write: Callable[[T], Awaitable[Applied]],
    facts: Callable[[T], dict[str, Any]] = lambda _: {},
) -> Applied:
    """Carry a plan of one write out once.

    ``present`` tells what the plan depends on as it is now; ``marked``, whether our own write is there already (one that was still
    on its way when it was given up), and ``facts`` what is then kept of it; ``write`` sends the one request.

    Raises:
        OvertakenError: the target is gone, another, or not as planned; nothing was written.
        TransientError: it could not be read, or (ConflictError) somebody else wrote each time that we read; nothing was written.
    """
    for reads_left in reversed(range(READS)):
        try:
            found = await read()
            if found.uid != plan.uid:
                raise OvertakenError(f"{plan.target} was deleted and made again since the plan; nothing was done")
            if marked(found):
                return Applied(f"{plan.summary} (found done already)", facts(found))
            compare(plan, await present(found))
        except TargetNotFoundError:
            raise OvertakenError(f"{plan.target} is gone; nothing was done") from None
        except FactsMissingError as error:
            raise TransientError(f"nothing was written: {error}") from None
        try:
            return await write(found)
        except TargetNotFoundError:
            raise OvertakenError(f"{plan.target} is gone; nothing was done") from None
        except ConflictError:
            if not reads_left:
                raise
    raise AssertionError("the last attempt returns or raises")


def compare(plan: Plan, present: Dependencies) -> None:
    """Is everything that the plan depends on as it was? Raises OvertakenError that names what is not."""
    for name, planned in plan.depends_on.items():
        if present.get(name) != planned:
            raise OvertakenError(
                f"{plan.target}: {name} was {planned!r} when planned and is {present.get(name)!r} now; nothing was done"
            )
