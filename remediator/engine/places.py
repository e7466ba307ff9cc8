"""Where an alert may lead: its source fixes cluster, account and region, or names the labels that choose among listed ones (S1)."""

from collections.abc import Callable, Mapping

from remediator.alerts.certificate_expiry import SOURCE as WATCHER
from remediator.decision.facts import Problem
from remediator.settings import BUILT_IN_SOURCES, Choice, Settings


def cluster_of(settings: Settings, source: str, labels: Mapping[str, str]) -> str | Problem:
    """The canonical name of the cluster, or why there is none. Labels never lead outside what the source allows."""
    configured = settings.sources.get(source)
    if configured is None:
        if source == WATCHER and (named := settings.cluster_named(labels.get("cluster", ""))) is not None:
            return named  # nobody but remediator writes the labels of these alerts
        if source in BUILT_IN_SOURCES and len(settings.clusters) == 1:
            return next(iter(settings.clusters))
        return Problem("place_undetermined", f"source {source} is not in settings.sources")
    return _named(source, "cluster", configured.cluster, labels, settings.cluster_named)


def account_of(settings: Settings, source: str, labels: Mapping[str, str]) -> str | Problem:
    """Number of the account and the region, as ``<account>/<region>``, or why there is none. As ``cluster_of``."""
    configured = settings.sources.get(source)
    if configured is None:
        places = [f"{one.id}/{region}" for one in settings.accounts.values() for region in one.regions]
        if source in BUILT_IN_SOURCES and len(places) == 1:
            return places[0]
        return Problem("place_undetermined", f"source {source} is not in settings.sources")

    def number(name: str) -> str | None:
        return None if (account := settings.account_named(name)) is None else account.id

    account = _named(source, "account", configured.account, labels, number)
    if isinstance(account, Problem):
        return account
    region = _named(source, "region", configured.region, labels, lambda name: name)
    if isinstance(region, Problem):
        return region
    known = settings.account_named(account)
    if known is None or region not in known.regions:
        return Problem("place_not_allowed", f"region {region[:80]!r} is not among the regions of account {account}")
    return f"{account}/{region}"


def _named(
    source: str,
    word: str,
    given: str | Choice | None,
    labels: Mapping[str, str],
    canonical: Callable[[str], str | None],
) -> str | Problem:
    if given is None:
        return Problem("place_undetermined", f"settings.sources.{source}.{word} is not set")
    if isinstance(given, str):
        return canonical(given) or Problem("place_undetermined", f"{word} {given} is not in settings.{word}s")
    value = labels.get(given.label, "")
    if not value:
        return Problem("place_undetermined", f"label {given.label}, which chooses the {word}, is missing")
    named = canonical(value)
    listed = {canonical(name) for name in given.among}
    if named is None or named not in listed:
        text = f"label {given.label}={value[:80]!r} is not among settings.sources.{source}.{word}.among"
        return Problem("place_not_allowed", text)
    return named
