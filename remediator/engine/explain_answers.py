"""The parts of an explanation that are pure: which matcher says no with which value, and each guard's answer by itself."""

from collections.abc import Mapping, Sequence

from remediator.decision import guards
from remediator.decision.facts import Facts
from remediator.engine.explanation import GuardAnswer, MatchSet
from remediator.playbooks.index import OWN_ALERTS
from remediator.playbooks.matchers import quote
from remediator.playbooks.model import Playbook

_SHOWN = 120


def match_sets(playbook: Playbook, labels: Mapping[str, str]) -> list[MatchSet]:
    """Every set of the playbook, judged."""
    return [
        MatchSet(
            matchers=[str(matcher) for matcher in matchers.matchers],
            holds=matchers.matches(labels),
            said_no=[
                f"{matcher}: the alert has {_shown(labels, matcher.name)}"
                for matcher in matchers.matchers
                if not matcher.matches(labels)
            ],
        )
        for matchers in playbook.match_sets
    ]


def why_no_match(sets: Sequence[MatchSet], labels: Mapping[str, str]) -> str | None:
    """What stands in the way beside the matchers."""
    if not sets:
        return "only people start it: it has no `match`"
    if labels.get("alertname", "").startswith(OWN_ALERTS):
        return "no playbook may touch alerts about remediator itself"
    return None


def answer_of(guard: guards.Guard, playbook: Playbook, found: Facts) -> GuardAnswer:
    """One guard by itself: people want to see also what says yes."""
    name = getattr(guard, "__name__", "guard")
    denials = guards.denials((guard,), playbook, found)
    if denials:
        return GuardAnswer(passes=False, **(denials[0].to_json() | {"guard": name}))
    return GuardAnswer(guard=name, passes=True)


def _shown(labels: Mapping[str, str], name: str) -> str:
    if name not in labels:
        return f"no label {name}"
    value = labels[name]
    return quote(value if len(value) <= _SHOWN else f"{value[:_SHOWN]}...")
