"""Where an alert may lead: its source fixes the cluster, or names the label that chooses among a listed set (S1)."""

from collections.abc import Mapping

from remediator.decision.facts import Problem
from remediator.settings import BUILT_IN_SOURCES, ClusterChoice, Settings


def cluster_of(settings: Settings, source: str, labels: Mapping[str, str]) -> str | Problem:
    """The canonical name of the cluster, or why there is none. Labels never lead outside what the source allows."""
    configured = settings.sources.get(source)
    if configured is None:
        if source in BUILT_IN_SOURCES and len(settings.clusters) == 1:
            return next(iter(settings.clusters))
        return Problem("place_undetermined", f"source {source} is not in settings.sources")
    allowed = configured.cluster
    if allowed is None:
        return Problem("place_undetermined", f"settings.sources.{source}.cluster is not set")
    if isinstance(allowed, str):
        named = settings.cluster_named(allowed)
        return named or Problem("place_undetermined", f"cluster {allowed} is not in settings.clusters")
    return _chosen(settings, source, allowed, labels)


def _chosen(settings: Settings, source: str, choice: ClusterChoice, labels: Mapping[str, str]) -> str | Problem:
    value = labels.get(choice.label, "")
    if not value:
        return Problem("place_undetermined", f"label {choice.label}, which chooses the cluster, is missing")
    named = settings.cluster_named(value)
    listed = {settings.cluster_named(name) for name in choice.among}
    if named is None or named not in listed:
        text = f"label {choice.label}={value[:80]!r} is not among settings.sources.{source}.cluster.among"
        return Problem("place_not_allowed", text)
    return named
