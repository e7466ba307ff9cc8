"""What a pause may cover (S23): everything, a playbook, a namespace or a target, by names that exist.

A pause of a misspelt name would stand, be listed, and stop nothing. So a name that could never match anything is refused.
"""

from collections.abc import Collection
from dataclasses import replace

from remediator.engine.facts import allowed
from remediator.engine.refused import InvalidOrderError
from remediator.settings import Settings
from remediator.store.pauses import ALL
from remediator.targets import InvalidTargetError, Target

GRAMMAR = (
    "all, playbook:<name>, namespace:<cluster>/<namespace>, target:kubernetes/<cluster>/<namespace>/<kind>/<name>, "
    "target:kubernetes/<cluster>/node/<name>, target:aws/<account>/<region>/<kind>/<name>, or any other target as runs show it"
)
_FIELD = "scope"


def canonical(text: str, *, settings: Settings, playbooks: Collection[str]) -> str:
    """The scope as the store keeps it: clusters by their own names, not by an alias; with one cluster its name may be left out.

    Raises:
        InvalidOrderError: it covers nothing that remediator could ever change.
    """
    kind, colon, value = text.partition(":")
    if text == ALL:
        return ALL
    if not colon or not value:
        raise InvalidOrderError(_FIELD, f"{text[:200]!r} is no scope", GRAMMAR)
    match kind:
        case "playbook":
            if value not in playbooks:
                raise InvalidOrderError(_FIELD, f"there is no playbook {value[:80]!r}", ", ".join(sorted(playbooks)))
            return text
        case "namespace":
            cluster, _, namespace = value.rpartition("/")
            return f"namespace:{_allowed(settings, cluster, namespace)}"
        case "target":
            try:
                target = Target.parse(value)
            except InvalidTargetError as error:
                raise InvalidOrderError(_FIELD, str(error), GRAMMAR) from None
            target = replace(target, place=_allowed_place(settings, target))
            if target.kind == "namespace":  # with all that stands in it
                return f"namespace:{target.place}/{target.name}"
            return f"target:{target}"
        case _:
            raise InvalidOrderError(_FIELD, f"{text[:200]!r} is no scope", GRAMMAR)


def _allowed_place(settings: Settings, target: Target) -> str:
    """The cluster's own name, or account and region, if settings let remediator change such a target there."""
    if target.provider == "aws":
        if not allowed(settings, target):
            raise InvalidOrderError(_FIELD, f"{target} is never changed: no accounts.<name>.targets names it", GRAMMAR)
        return target.place
    if target.namespace:
        return _allowed(settings, target.place, target.namespace).partition("/")[0]
    name = _cluster(settings, target.place)
    if not settings.clusters[name].nodes:
        message = f"nodes are never changed: settings clusters.{name}.nodes is not set"
        raise InvalidOrderError(_FIELD, message, GRAMMAR)
    return name


def _cluster(settings: Settings, cluster: str) -> str:
    if not cluster and len(settings.clusters) == 1:
        cluster = next(iter(settings.clusters))
    name = settings.cluster_named(cluster)
    if name is None:
        listed = ", ".join(sorted(settings.clusters)) or "none, settings.clusters is empty"
        raise InvalidOrderError(_FIELD, f"there is no cluster {cluster[:80]!r}", listed)
    return name


def _allowed(settings: Settings, cluster: str, namespace: str) -> str:
    """``<cluster>/<namespace>``, if settings let remediator change anything there."""
    name = _cluster(settings, cluster)
    namespaces = settings.clusters[name].namespaces
    if namespace not in namespaces:
        listed = ", ".join(sorted(namespaces)) or "none"
        message = f"namespace {namespace[:80]!r} is never changed: it is not in settings clusters.{name}.namespaces"
        raise InvalidOrderError(_FIELD, message, listed)
    return f"{name}/{namespace}"
