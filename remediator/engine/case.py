"""One episode with what the world says about it, ready to be decided."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

import structlog

from remediator.decision.facts import Problem
from remediator.engine import facts
from remediator.engine.survey import Survey
from remediator.engine.tools import Tools
from remediator.errors import RemediatorError, StoreUnavailableError
from remediator.playbooks.model import Playbook
from remediator.store.episodes import EpisodeRow

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One playbook that matches, and what the world says about it."""

    playbook: Playbook
    survey: Survey


@dataclass(frozen=True, slots=True)
class Case:
    """One episode, ready to be decided."""

    episode: EpisodeRow
    candidates: tuple[Candidate, ...]
    due_at: datetime | None
    """As it was before its playbooks were found."""


def is_stale(case: Case, present: Mapping[str, EpisodeRow]) -> bool:
    """Was it made undecided while it was surveyed? Then what was surveyed is old: a reload, an ended run (S5). It is still due."""
    now = present[case.episode.id]
    return now.state == "open" and now.decide_again_at != case.due_at


async def survey_for(tools: Tools, playbook: Playbook, episode: EpisodeRow) -> Survey:
    """The target, the remedy and its plans. A defect on the way is a missing fact: nothing is done, and people hear why (S8).

    Raises:
        StoreUnavailableError: what the store knows could not be read.
    """
    try:
        return await _look(tools, playbook, episode)
    except StoreUnavailableError:
        raise
    except Exception as error:
        log.exception("survey_failed", playbook=playbook.name, episode_id=episode.id)
        problem = Problem("facts_missing", f"the world could not be looked at: {type(error).__name__}", "wait")
        return Survey(target_problem=problem, missing=(problem,))


async def _look(tools: Tools, playbook: Playbook, episode: EpisodeRow) -> Survey:
    survey = await tools.surveyor.find_target(playbook, episode.source, episode.labels)
    if survey.target is None or survey.world is None:
        return survey
    async with tools.store.read() as connection:
        known = await facts.known(
            connection,
            surveyor=tools.surveyor,
            playbook=playbook,
            episode=episode,
            target=survey.target,
            now=tools.clock.now(),
            since=None,
            asked=playbook.preconditions,
        )
    try:
        remedy = await tools.surveyor.choose(playbook, survey.target, survey.world, known)
    except RemediatorError as error:
        log.warning("remedies_not_judged", playbook=playbook.name, episode_id=episode.id, error=str(error))
        return survey
    return replace(survey, remedy=remedy)
