"""Ask a tree of conditions: ``not``, ``any`` and ``all`` over single questions, in three values (S7)."""

from collections.abc import Callable

from remediator.answers import Answer, all_of, any_of, negate
from remediator.conditions import condition_named
from remediator.conditions.base import Known, Look, World
from remediator.playbooks.model import Condition
from remediator.targets import Target

Told = Callable[[str, Look], None]
"""Called with each single question and its answer."""


def _untold(question: str, look: Look) -> None:
    del question, look


async def ask(condition: Condition, world: World, target: Target, known: Known, told: Told = _untold) -> Look:
    """One look at the whole tree. Every question is asked, so that people see every answer. Never raises: an error is unknown."""
    match condition.name:
        case "not":
            look = await ask(condition.of[0], world, target, known, told)
            return Look(negate(look.answer), f"not ({look.seen})", look.absent)
        case "all" | "any":
            looks = [await ask(part, world, target, known, told) for part in condition.of]
            combine = all_of if condition.name == "all" else any_of
            return Look(
                combine(look.answer for look in looks),
                "; ".join(look.seen for look in looks),
                any(look.absent for look in looks),
            )
        case name:
            look = await _ask_one(name, condition, world, target, known)
            told(name, look)
            return Look(look.answer, f"{name}: {look.seen}", look.absent)


async def _ask_one(name: str, condition: Condition, world: World, target: Target, known: Known) -> Look:
    try:
        kind = condition_named(name)
        return await kind.look(world, target, kind.params.model_validate(condition.params), known)
    except Exception as error:  # a question that could not be asked is not a no (S7)
        return Look(Answer.UNKNOWN, f"could not be asked: {type(error).__name__}: {error}")
