"""Why did nothing happen, and what would happen now? The decider's own questions, asked without deciding: nothing is written."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from remediator.alerts.payload import Alert
from remediator.alerts.severity import severity_of
from remediator.decision import guards
from remediator.decision.autonomy import level_of
from remediator.decision.decide import Decision, decide
from remediator.decision.facts import Facts, Problem
from remediator.engine import facts
from remediator.engine.admission import shown_plan
from remediator.engine.explain_answers import answer_of, match_sets, why_no_match
from remediator.engine.explain_source import alerts_of, severities_of, source_named
from remediator.engine.explanation import AlertAnswer, Explanation, Level, PlaybookAnswer, Question
from remediator.engine.survey import Survey
from remediator.engine.tools import Tools
from remediator.errors import RemediatorError
from remediator.playbooks.model import Playbook
from remediator.store import autonomy, episodes, runs
from remediator.store.episodes import EpisodeRow

MOST_ALERTS = 20
"""Each asks the cluster; a group of thousands is explained by its first ones."""


class Explainer:
    """Reads only."""

    def __init__(self, *, tools: Tools) -> None:
        self._tools = tools
        self._severities = severities_of(tools.settings)

    async def explain(self, document: Any, *, source: str | None = None) -> Explanation:
        """Explain one alert, a whole webhook body, or ``{labels, annotations}``. ``source`` may be left out where there is only one.

        Raises:
            InvalidOrderError: no alert in it, or a source that settings do not name.
            StoreUnavailableError: the store cannot be read.
        """
        named = source_named(self._tools.settings, source)
        given = alerts_of(document, self._tools.clock.now())
        return Explanation(
            alerts=[await self._alert(alert, named) for alert in given.alerts[:MOST_ALERTS]],
            rejected=[rejected.error for rejected in given.rejected],
            left_out=max(0, len(given.alerts) - MOST_ALERTS),
        )

    async def _alert(self, alert: Alert, source: str) -> AlertAnswer:
        now, loaded = self._tools.clock.now(), self._tools.playbooks()
        async with self._tools.store.read() as connection:
            known = await episodes.latest(connection, source=source, fingerprint=alert.fingerprint)
            episode = known if known is not None and known.state != "closed" else self._episode(alert, source, now)
            pending = await runs.pending_of(connection, episode_id=episode.id, mode=self._tools.mode)
        # The very alert that was given decides what matches; of a known one the age and its confirmation are taken.
        episode = replace(episode, labels=alert.labels, annotations=alert.annotations)
        matching = loaded.index.candidates(alert.labels)
        own_run = pending.id if pending is not None and pending.state == "approval" else None
        judged = [(playbook, await self._facts(playbook, episode, own_run)) for playbook in matching]
        decisions = decide(judged, now)
        by_name = {one.playbook.name: one for one in decisions if one.playbook is not None}
        shown = [self._matching(playbook, found, by_name[playbook.name], alert) for playbook, found in judged]
        others = [playbook for playbook in loaded.playbooks if playbook not in matching]
        return AlertAnswer(
            alertname=alert.labels.get("alertname", ""),
            labels=alert.labels,
            severity=episode.severity,
            firing=alert.firing,
            source=source,
            mode=self._tools.mode,
            episode_id=known.id if known is not None and known.id == episode.id else None,
            run_id=None if pending is None else pending.id,
            playbooks=[*shown, *[await self._other(playbook, alert) for playbook in others]],
            verdicts=[verdict_line(decision) for decision in decisions],
        )

    def _episode(self, alert: Alert, source: str, now: datetime) -> EpisodeRow:
        """What intake would make of this alert if it came now."""
        return EpisodeRow(
            id="",
            source=source,
            fingerprint=alert.fingerprint,
            state="open" if alert.firing else "closed",
            starts_at=alert.starts_at,
            ended_at=alert.ends_at,
            closed_at=None if alert.firing else now,
            first_received_at=now,
            last_received_at=now,
            confirmed_at=now,
            severity=severity_of(alert.labels, self._severities),
            alertname=alert.labels.get("alertname", ""),
            labels=alert.labels,
            annotations=alert.annotations,
            generator_url=alert.generator_url,
            external_url="",
            receiver="",
            group_key="",
            incident_id=None,
            decide_again_at=None,
        )

    async def _facts(self, playbook: Playbook, episode: EpisodeRow, own_run: str | None) -> Facts:
        survey = await self._survey(playbook, episode)
        async with self._tools.store.read() as connection:
            return await facts.complete(
                connection,
                settings=self._tools.settings,
                mode=self._tools.mode,
                episode=episode,
                playbook=playbook,
                playbook_present=self._tools.playbooks().get(playbook.name) is not None,
                survey=survey,
                now=self._tools.clock.now(),
                own_run=own_run,
            )

    async def _survey(self, playbook: Playbook, episode: EpisodeRow) -> Survey:
        surveyor = self._tools.surveyor
        survey = await surveyor.find_target(playbook, episode.source, episode.labels)
        if survey.target is None or survey.world is None:
            return survey
        async with self._tools.store.read() as connection:
            known = await facts.known(
                connection,
                surveyor=surveyor,
                playbook=playbook,
                episode=episode,
                target=survey.target,
                now=self._tools.clock.now(),
                since=None,
                asked=playbook.preconditions,
            )
        try:
            return replace(survey, remedy=await surveyor.choose(playbook, survey.target, survey.world, known))
        except RemediatorError as error:
            missing = Problem("facts_missing", f"whether a remedy applies could not be read: {error}", "wait")
            return replace(survey, missing=(*survey.missing, missing))

    def _matching(self, playbook: Playbook, found: Facts, decision: Decision, alert: Alert) -> PlaybookAnswer:
        level = level_of(playbook, found.autonomy, found.episode.severity)
        remedy = found.remedy
        chosen = None if remedy is None or remedy.chosen is None else playbook.remedies[remedy.chosen].name
        return PlaybookAnswer(
            playbook=playbook.name,
            priority=playbook.priority,
            matches=True,
            match=match_sets(playbook, alert.labels),
            autonomy=Level(level=level.level, held_by=level.held_by),
            target=None if found.target is None else str(found.target),
            target_problem=None if found.target_problem is None else found.target_problem.text,
            when=[
                Question(remedy=asked.remedy, condition=asked.condition, answer=asked.answer, seen=asked.seen)
                for asked in (() if remedy is None else remedy.asked)
            ],
            remedy=chosen,
            plan=shown_plan(decision),
            guards=[answer_of(guard, playbook, found) for guard in guards.TO_ADMIT],
            verdict=decision.verdict,
            kind=decision.kind,
            reasons=decision.reasons(),
            decide_again_at=decision.decide_again_at,
        )

    async def _other(self, playbook: Playbook, alert: Alert) -> PlaybookAnswer:
        async with self._tools.store.read() as connection:
            ladder = await autonomy.of(connection, playbook.name)
        outside = facts.autonomy_facts(self._tools.settings, playbook.name, ladder)
        level = level_of(playbook, outside, severity_of(alert.labels, self._severities))
        sets = match_sets(playbook, alert.labels)
        return PlaybookAnswer(
            playbook=playbook.name,
            priority=playbook.priority,
            matches=False,
            match=sets,
            why_not=why_no_match(sets, alert.labels),
            autonomy=Level(level=level.level, held_by=level.held_by),
        )


def verdict_line(decision: Decision) -> str:
    """``name: verdict (reasons)``."""
    name = "no playbook" if decision.playbook is None else decision.playbook.name
    because = "; ".join(reason["text"] for reason in decision.reasons())
    return f"{name}: {decision.verdict}" + (f" ({because})" if because else "")
