"""What one playbook or several can be refused or warned for, beyond the form of the file. Pure; the library gives the places."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from remediator.playbooks import language
from remediator.playbooks.fields import Misplaced, nested
from remediator.playbooks.index import OWN_ALERTS
from remediator.playbooks.matchers import MatcherSet, Op
from remediator.playbooks.model import Condition, Playbook
from remediator.playbooks.promql import PromqlTemplate
from remediator.playbooks.template import Template, TemplateError
from remediator.playbooks.variables import undefined

ParamsByName = Mapping[str, type[BaseModel]]
_PLACES = tuple[str | int, ...]
_OWN_ALERT_PROBES = tuple(OWN_ALERTS + rest for rest in ("", "Down", "StoreUnusable", "RunStuck", "X"))


def parameters(playbook: Playbook, action_params: ParamsByName, condition_params: ParamsByName) -> Iterator[Misplaced]:
    """Parameters that their action or condition does not take, and templates in them that cannot be filled."""
    for place, step in _steps(playbook):
        yield from _params(action_params.get(step.action), step.params, place, step.action)
        yield from _templates(playbook, step.params, (*place, step.action))
    for place, condition in _conditions(playbook):
        yield from _params(condition_params.get(condition.name), condition.params, place, condition.name)
        yield from _templates(playbook, condition.params, (*place, condition.name))
    for number, item in enumerate(playbook.evidence):
        # What is collected before a change takes the parameters of the step that only looks.
        yield from _params(action_params.get(f"evidence.{item.name}"), item.params, ("evidence", number), item.name)


def unknown_names(
    playbook: Playbook, action_params: ParamsByName, condition_params: ParamsByName
) -> Iterator[Misplaced]:
    """Actions, conditions and evidence that are no part of the language at all."""
    for (place, kind, name), known, _ in _names(playbook, action_params, condition_params):
        if message := language.unknown(kind, name, known=known):
            yield place, message


def not_built(playbook: Playbook, action_params: ParamsByName, condition_params: ParamsByName) -> Iterator[Misplaced]:
    """Every part of the language that this playbook uses and this release cannot carry out, by name."""
    for (place, kind, name), known, built in _names(playbook, action_params, condition_params):
        if name in known and (message := language.objection(kind, name, known=known, built=built)):
            yield place, message
    yield from (
        (place, f"{what} is part of the language but not built in this release") for place, what in _unbuilt(playbook)
    )


def temporary(playbook: Playbook) -> Iterator[Misplaced]:
    """``for:`` beside an action whose change cannot be put back, or for no time at all (S39)."""
    for place, step in _steps(playbook):
        if step.for_ is not None and step.action not in language.TEMPORARY:
            accepted = ", ".join(sorted(language.TEMPORARY))
            yield (*place, "for"), f"what {step.action} changes cannot be put back after a time; accepted: {accepted}"
        elif step.for_ is None and step.action in language.MUST_END:
            yield (
                (*place, step.action),
                f"what {step.action} does must end by itself; add beside it, for example, for: 24h",
            )
        elif step.for_ is not None and not step.for_:
            yield (*place, "for"), "a change for no time would be put back at once; accepted: a duration such as 24h"


def own_alerts(playbook: Playbook) -> Iterator[Misplaced]:
    """Match sets that would take alerts about remediator itself (S30)."""
    for number, matchers in enumerate(playbook.match_sets):
        named = [matcher for matcher in matchers.matchers if matcher.name == "alertname"]
        if any(all(matcher.matches({"alertname": probe}) for matcher in named) for probe in _OWN_ALERT_PROBES):
            yield (
                ("match", number),
                "this set would also take alerts about remediator itself, which go to people directly; "
                f'accepted: a set with alertname, or with alertname!~"{OWN_ALERTS}.*"',
            )


def overlaps(playbooks: Iterable[Playbook]) -> Iterator[tuple[Playbook, Playbook]]:
    """Pairs of one priority that can both match one alert, as far as matchers with plain values show it (S6)."""
    keyed: dict[tuple[int, str, str], list[tuple[Playbook, MatcherSet]]] = {}
    seen: set[frozenset[str]] = set()
    for playbook in playbooks:
        for matchers in playbook.match_sets:
            for matcher in matchers.matchers:
                for value in matcher.values or ():
                    others = keyed.setdefault((playbook.priority, matcher.name, value), [])
                    for other, theirs in others:
                        pair = frozenset((playbook.name, other.name))
                        if len(pair) == 2 and pair not in seen and _can_both_match(matchers, theirs, playbook, other):
                            seen.add(pair)
                            yield other, playbook
                    others.append((playbook, matchers))


def _can_both_match(one: MatcherSet, two: MatcherSet, first: Playbook, second: Playbook) -> bool:
    for mine, theirs in zip(first.only.model_dump().values(), second.only.model_dump().values(), strict=True):
        if mine is not None and theirs is not None and not set(mine) & set(theirs):
            return False
    every = (*one.matchers, *two.matchers)
    for name in {matcher.name for matcher in every}:
        about = [matcher for matcher in every if matcher.name == name]
        listed = next((matcher.values for matcher in about if matcher.values is not None), None)
        possible = ("",) if any(matcher.op is Op.EQUAL and not matcher.value for matcher in about) else listed
        if possible is not None and not any(all(m.matches({name: value}) for m in about) for value in possible):
            return False
    return True


def _steps(playbook: Playbook) -> Iterator[tuple[_PLACES, Any]]:
    for number, remedy in enumerate(playbook.remedies):
        for position, step in enumerate(remedy.steps):
            yield ("remedies", number, "steps", position), step


def _conditions(playbook: Playbook) -> Iterator[tuple[_PLACES, Condition]]:
    for number, remedy in enumerate(playbook.remedies):
        for position, condition in enumerate(remedy.when):
            yield from _leaves(condition, ("remedies", number, "when", position))
        if remedy.verify is not None:
            key = "all" if remedy.verify.all is not None else "any"
            for position, condition in enumerate(remedy.verify.all or remedy.verify.any or ()):
                yield from _leaves(condition, ("remedies", number, "verify", key, position))
    for number, rule in enumerate(playbook.escalate):
        for position, cause in enumerate(rule.on):
            if cause.condition is not None:
                yield from _leaves(cause.condition, ("escalate", number, "on", position, "condition"))


def _leaves(condition: Condition, place: _PLACES) -> Iterator[tuple[_PLACES, Condition]]:
    if not condition.of:
        yield place, condition
    for position, inner in enumerate(condition.of):
        below = (condition.name,) if condition.name == "not" else (condition.name, position)
        yield from _leaves(inner, (*place, *below))


_Named = tuple[tuple[_PLACES, str, str], frozenset[str], frozenset[str]]


def _names(playbook: Playbook, action_params: ParamsByName, condition_params: ParamsByName) -> Iterator[_Named]:
    actions, built_actions = language.ACTIONS | action_params.keys(), language.BUILT_ACTIONS | action_params.keys()
    conditions = language.CONDITIONS | condition_params.keys()
    built_conditions = language.BUILT_CONDITIONS | condition_params.keys()
    for place, step in _steps(playbook):
        yield ((*place, step.action), "action", step.action), actions, built_actions
    for place, condition in _conditions(playbook):
        yield ((*place, condition.name), "condition", condition.name), conditions, built_conditions
    for number, item in enumerate(playbook.evidence):
        yield (("evidence", number, item.name), "evidence", item.name), language.EVIDENCE, language.BUILT_EVIDENCE


def _unbuilt(playbook: Playbook) -> Iterator[tuple[_PLACES, str]]:
    if playbook.targets:
        yield ("targets",), "targets (several named ones)"
    if playbook.target is not None and playbook.target.type not in language.BUILT_TARGETS:
        yield ("target", playbook.target.type), f"target {playbook.target.type}"
    if playbook.approval == "step":
        yield ("approval",), "approval: step"
    for guard in ("blast_radius", "windows"):
        if getattr(playbook.guards, guard):
            yield ("guards", guard), f"guard {guard}"
    if playbook.guards.drift == "suspend":
        yield ("guards", "drift"), "drift: suspend"
    for place, step in _steps(playbook):
        for key, value in (("remembers", step.remembers), ("restores", step.restores)):
            if value is not None:
                yield (*place, key), f"step key {key}"
    for number, rule in enumerate(playbook.escalate):
        for position, cause in enumerate(rule.on):
            if cause.condition is not None:
                yield ("escalate", number, "on", position), "escalate on a condition"


def _params(kind: type[BaseModel] | None, params: Mapping[str, Any], place: _PLACES, name: str) -> Iterator[Misplaced]:
    if kind is None:
        return
    try:
        kind.model_validate(dict(params))
    except ValidationError as error:
        yield from nested(error, kind, dict(params), *place, name)


def _templates(playbook: Playbook, value: Any, place: _PLACES) -> Iterator[Misplaced]:
    if isinstance(value, dict | list):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _templates(playbook, item, (*place, key))
    elif isinstance(value, str) and "{{" in value:
        try:
            read = PromqlTemplate.parse(value) if place[-1] == "query" else Template.parse(value)
        except TemplateError as error:
            yield place, str(error)
        else:
            yield from (
                (place, undefined(name, playbook.vars)) for name in sorted(read.variable_names - playbook.vars.keys())
            )
