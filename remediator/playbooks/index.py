"""Which of many playbooks match an alert, without asking all of them.

Every match set that needs some label to have one of a few values stands under those values; only the rest is scanned. So an
alert costs about as much among a thousand playbooks as among ten.
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from remediator.playbooks.matchers import Matcher, MatcherSet
from remediator.playbooks.model import Playbook

OWN_ALERTS = "Remediator"
"""Alerts of this name, or beginning with it, are about remediator itself: no playbook may touch them (S30)."""

_MOST_VALUES = 64


class PlaybookIndex:
    """An immutable set of playbooks, ready to be asked."""

    def __init__(self, playbooks: Iterable[Playbook]) -> None:
        self._ordered = sorted(playbooks, key=lambda playbook: (-playbook.priority, playbook.name))
        self._keyed: dict[tuple[str, str], list[tuple[int, MatcherSet]]] = {}
        self._scanned: list[tuple[int, MatcherSet]] = []
        sets = [(place, matchers) for place, playbook in enumerate(self._ordered) for matchers in playbook.match_sets]
        crowd = Counter(pair for _, matchers in sets for matcher in matchers.matchers for pair in _pairs(matcher))
        for place, matchers in sets:
            usable = [pairs for matcher in matchers.matchers if (pairs := _pairs(matcher))]
            if not usable:
                self._scanned.append((place, matchers))
                continue
            # The most telling label: alertname="X" stands under few playbooks, severity="critical" under many.
            for pair in min(usable, key=lambda pairs: max(crowd[pair] for pair in pairs)):
                self._keyed.setdefault(pair, []).append((place, matchers))

    def candidates(self, labels: Mapping[str, str]) -> list[Playbook]:
        """Every playbook that matches, by priority (highest first) and then by name. None for alerts about remediator itself."""
        if labels.get("alertname", "").startswith(OWN_ALERTS):
            return []
        found: set[int] = set()
        for pair in labels.items():
            self._add(self._keyed.get(pair, ()), labels, found)
        self._add(self._scanned, labels, found)
        return [self._ordered[place] for place in sorted(found)]

    @staticmethod
    def _add(entries: Iterable[tuple[int, MatcherSet]], labels: Mapping[str, str], found: set[int]) -> None:
        found.update(place for place, matchers in entries if place not in found and matchers.matches(labels))


def _pairs(matcher: Matcher) -> list[tuple[str, str]]:
    values = matcher.values
    return [] if values is None or len(values) > _MOST_VALUES else sorted((matcher.name, value) for value in values)
