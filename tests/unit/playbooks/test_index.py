from typing import Any

import pytest

from remediator.playbooks.index import PlaybookIndex
from remediator.playbooks.matchers import Matcher
from remediator.playbooks.model import Playbook
from tests.support.playbooks import playbook


def names(index: PlaybookIndex, **labels: str) -> list[str]:
    return [found.name for found in index.candidates(labels)]


def test_candidates_come_by_priority_and_then_by_name() -> None:
    """S6."""
    index = PlaybookIndex([playbook("b"), playbook("a"), playbook("low", priority=-1), playbook("z", priority=7)])
    assert names(index, alertname="ServiceDown") == ["z", "a", "b", "low"]


def test_sets_without_a_plain_value_are_found_too() -> None:
    index = PlaybookIndex(
        [
            playbook("regex", match=[['alertname=~"Service.*"']]),
            playbook("several", match=[['alertname=~"A|ServiceDown"']]),
            playbook("manual", match=None),
            playbook("twice", match=[['alertname="ServiceDown"'], ['severity="critical"']]),
        ]
    )
    assert names(index, alertname="ServiceDown", severity="critical") == ["regex", "several", "twice"]
    assert names(index, alertname="A") == ["several"]
    assert names(index) == []


@pytest.mark.parametrize("alertname", ["Remediator", "RemediatorDown", "RemediatorStoreUnusable"])
def test_alerts_about_remediator_itself_have_no_candidate(alertname: str) -> None:
    """S30: whatever slipped through the checks at load."""
    index = PlaybookIndex([playbook("greedy", match=[['severity="critical"']])])
    assert names(index, alertname=alertname, severity="critical") == []
    assert names(index, alertname="Other", severity="critical") == ["greedy"]


def many(count: int) -> list[Playbook]:
    return [
        playbook(f"playbook-{number}", match=[[f'alertname=~"Alert{number}|Other{number}"', 'severity="critical"']])
        for number in range(count)
    ]


def test_a_thousand_playbooks_cost_about_as_much_as_ten(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    truly = Matcher.matches

    def counting(self: Matcher, labels: Any) -> bool:
        nonlocal asked
        asked += 1
        return truly(self, labels)

    monkeypatch.setattr(Matcher, "matches", counting)
    costs = []
    for count in (10, 1000):
        index = PlaybookIndex(many(count))
        asked = 0
        assert names(index, alertname="Alert7", severity="critical", pod="x") == ["playbook-7"]
        costs.append(asked)
    assert costs[0] == costs[1] > 0
