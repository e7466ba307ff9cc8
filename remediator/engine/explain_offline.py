"""``explain`` from settings and playbooks alone: matching, target, autonomy, and the guards that need neither store nor cluster."""

from datetime import datetime
from typing import Any

from remediator.alerts.payload import Alert
from remediator.alerts.severity import severity_of
from remediator.decision import guards
from remediator.decision.autonomy import level_of
from remediator.decision.facts import EpisodeFacts, Facts, Limits, Problem
from remediator.engine import facts
from remediator.engine.explain_answers import answer_of, match_sets, why_no_match
from remediator.engine.explain_source import alerts_of, severities_of, source_named
from remediator.engine.explanation import AlertAnswer, Explanation, Level, PlaybookAnswer
from remediator.engine.survey import Surveyor
from remediator.engine.worlds import Worlds
from remediator.playbooks.library import LoadedSet
from remediator.playbooks.model import Playbook
from remediator.settings import Settings
from remediator.targets import Target

NOT_ASKED = [
    "the cluster: whether the target exists, which remedy applies, what it would do",
    "the store: pauses, cooldown, budget, totals, other runs, the autonomy ladder, start hold",
]
_ASKED = (guards.severity, guards.still_firing, guards.target, guards.namespaces, guards.own_ground)


def explain_offline(
    document: Any, *, settings: Settings, loaded: LoadedSet, source: str | None, now: datetime
) -> Explanation:
    """What can be said without a running service. There is no verdict: only a full set of yes acts, and most were not asked.

    Raises:
        InvalidOrderError: no alert in it, or a source that settings do not name.
    """
    named = source_named(settings, source)
    given = alerts_of(document, now)
    offline = _Offline(settings, loaded, named, now)
    return Explanation(
        alerts=[offline.alert(alert) for alert in given.alerts],
        rejected=[rejected.error for rejected in given.rejected],
    )


class _Offline:
    def __init__(self, settings: Settings, loaded: LoadedSet, source: str, now: datetime) -> None:
        self._settings = settings
        self._loaded = loaded
        self._source = source
        self._now = now
        self._severities = severities_of(settings)
        self._surveyor = Surveyor(settings=settings, worlds=Worlds(kubernetes={}, prometheus={}, alertmanagers={}))

    def alert(self, alert: Alert) -> AlertAnswer:
        matching = self._loaded.index.candidates(alert.labels)
        others = [playbook for playbook in self._loaded.playbooks if playbook not in matching]
        if matching:
            verdicts = [f"{playbook.name}: matches; a verdict needs the running service" for playbook in matching]
        else:
            verdicts = ["no playbook: no_playbook (no playbook matches this alert)"]
        return AlertAnswer(
            alertname=alert.labels.get("alertname", ""),
            labels=alert.labels,
            severity=severity_of(alert.labels, self._severities),
            firing=alert.firing,
            source=self._source,
            mode=self._settings.mode,
            playbooks=[*(self._playbook(one, alert, True) for one in matching)]
            + [self._playbook(one, alert, False) for one in others],
            verdicts=verdicts,
        )

    def _playbook(self, playbook: Playbook, alert: Alert, matches: bool) -> PlaybookAnswer:
        outside = facts.autonomy_facts(self._settings, playbook.name, None)
        severity = severity_of(alert.labels, self._severities)
        level = level_of(playbook, outside, severity)
        sets = match_sets(playbook, alert.labels)
        answer = PlaybookAnswer(
            playbook=playbook.name,
            priority=playbook.priority,
            matches=matches,
            match=sets,
            why_not=None if matches else why_no_match(sets, alert.labels),
            autonomy=Level(level=level.level, held_by=level.held_by),
        )
        if not matches:
            return answer
        target, shown = self._target(playbook, alert)
        problem = target if isinstance(target, Problem) else None
        found = Facts(
            now=self._now,
            episode=EpisodeFacts(alert.firing, severity, self._now, self._now),
            autonomy=outside,
            limits=Limits(1, 1, self._settings.totals.per),
            target=None if isinstance(target, Problem) else target,
            target_problem=problem,
            namespace_allowed=self._allowed(target),
            own_ground=None if isinstance(target, Problem) else facts.own_ground(self._settings, target),
        )
        update = {
            "target": shown,
            "target_problem": None if problem is None else problem.text,
            "guards": [answer_of(guard, playbook, found) for guard in _ASKED],
            "not_asked": NOT_ASKED,
        }
        return answer.model_copy(update=update)

    def _target(self, playbook: Playbook, alert: Alert) -> tuple[Target | Problem, str | None]:
        named = self._surveyor.named_target(playbook, self._source, alert.labels)
        if isinstance(named, Problem):
            return named, None
        target = named.sketch()
        return target, None if isinstance(target, Problem) else str(named)

    def _allowed(self, target: Target | Problem) -> bool | None:
        return None if isinstance(target, Problem) else facts.allowed(self._settings, target)
