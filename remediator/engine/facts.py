"""Facts in one place: a survey of the world, completed inside the deciding transaction by what the store and settings know.

The store's part is read in the transaction that acts on it, so that limits are exact (S9) and a pause is never overlooked (S23).
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path

from remediator.alerts.severity import Severity
from remediator.conditions.alert_resolved import AlertResolved
from remediator.conditions.base import EpisodeView, Known
from remediator.decision.facts import (
    AutonomyFacts,
    EpisodeFacts,
    Facts,
    Ladder,
    Limits,
    PauseFact,
    Problem,
    RemedyFacts,
)
from remediator.engine import own_nodes
from remediator.engine.named_target import traces
from remediator.engine.survey import Survey, Surveyor
from remediator.playbooks.model import Autonomy, Condition, Playbook
from remediator.runs.plan import Plan
from remediator.settings import Settings, Trusted
from remediator.store import autonomy, episodes, ledger, locks, meta, pauses, replicas, stopped
from remediator.store.database import Connection
from remediator.store.episodes import EpisodeRow
from remediator.targets import WORKLOAD_KINDS, Target

_ALWAYS_OWN = ("kube-system", "kube-public", "kube-node-lease")
"""Namespaces that remediator stands on in every cluster (S12)."""


async def complete(
    connection: Connection,
    *,
    settings: Settings,
    mode: str,
    episode: EpisodeRow,
    playbook: Playbook,
    playbook_present: bool,
    survey: Survey,
    now: datetime,
    own_run: str | None = None,
    acting: bool = False,
) -> Facts:
    """Everything that a decision about this episode and playbook rests on. ``own_run`` is the run that asks: what it did, holds
    or reserved never counts against it (S10). ``acting``: it is asked by the replica that would do it next."""
    target = survey.target
    nodes: Collection[str] = ()
    if target is not None and target.kind == "node":
        living = [replica.node for replica in await replicas.living(connection, now)]
        nodes = own_nodes.denied(settings.own_node, living, acting=acting)
    limits = Limits(settings.totals.actions, settings.totals.per_playbook, settings.totals.per)
    counted = None
    busy: tuple[str, ...] | None = None
    said_no = None
    if target is not None:
        said_no = await stopped.said_no(
            connection, mode=mode, playbook=playbook.name, revision=playbook.revision, target=str(target)
        )
        busy = await locks.in_the_way(connection, mode=mode, target=target, without=own_run)
        counted = await ledger.facts(
            connection,
            mode=mode,
            playbook=playbook.name,
            target=target.counted,
            budget=playbook.guards.budget,
            limits=limits,
            now=now,
            without=own_run,
        )
        if any(step.for_ is not None for remedy in playbook.remedies for step in remedy.steps):
            # Two changes for a time on one thing would not unwind: the later one would look like somebody having written since.
            busy += await locks.to_be_put_back(connection, mode=mode, target=target, without=own_run)
    standing = await pauses.covering(connection, playbook.name, target)
    for moved in moved_by(target, survey.remedy):  # a drain also does something to those whose pods it moves
        standing += await pauses.covering(connection, playbook.name, moved)
    return Facts(
        now=now,
        episode=EpisodeFacts(
            firing=episode.state == "open",
            severity=Severity(episode.severity),
            first_received_at=episode.first_received_at,
            confirmed_at=episode.confirmed_at,
        ),
        autonomy=autonomy_facts(settings, playbook.name, await autonomy.of(connection, playbook.name)),
        limits=limits,
        playbook_present=playbook_present,
        target=target,
        target_problem=survey.target_problem,
        namespace_allowed=allowed(settings, target),
        own_ground=own_ground(settings, target, nodes) or own_ground_moved(settings, target, survey.remedy),
        pauses=(*by_pause_file(settings.pause_file), *standing),
        said_no=said_no,
        start_hold_until=await meta.get_instant(connection, meta.HOLD_UNTIL) if mode == "live" else None,
        ledger=counted,
        busy=busy,
        remedy=survey.remedy,
        missing=survey.missing,
        lacking=survey.lacking,
    )


def autonomy_facts(settings: Settings, playbook: str, ladder: Ladder | None) -> AutonomyFacts:
    """Levels from outside the playbook's file (S14)."""
    start, named = Autonomy(settings.autonomy.start), settings.autonomy.playbooks.get(playbook)
    if isinstance(named, Trusted):
        return AutonomyFacts(start, Autonomy(named.level), named.content, ladder)
    return AutonomyFacts(start, None if named is None else Autonomy(named), None, ladder)


def own_ground(settings: Settings, target: Target | None, nodes: Collection[str] | None = None) -> str | None:
    """What of remediator's own ground the target is, if any (S12). ``nodes`` that it stands on; by default only this process's."""
    if target is None:
        return None
    if target.kind == "node" and target.name in ((settings.own_node,) if nodes is None else nodes):
        return f"its own node {target.name}"
    if target.namespace in _ALWAYS_OWN:
        return f"namespace {target.namespace}"
    if target.namespace == settings.own_namespace:
        return f"its own namespace {target.namespace}"
    if target.provider == "aws":
        spoken = {target.short, str(target)}
        listed = next((entry for entry in settings.own_ground if entry in spoken), None)
        return None if listed is None else f"{listed} (settings.own_ground)"
    spoken = {target.namespace, target.short}
    for place in (target.place, *settings.clusters[target.place].aliases):
        spoken |= {str(replace(one, place=place)) for one in (target, target.workload) if one is not None}
        spoken |= {f"{place}/{target.namespace}"}
    if target.workload is not None:
        spoken |= {target.workload.short}
    listed = next((entry for entry in settings.own_ground if entry in spoken), None)
    return None if listed is None else f"{listed} (settings.own_ground)"


def own_ground_moved(settings: Settings, target: Target | None, remedy: RemedyFacts | None) -> str | None:
    """What of remediator's own ground would be moved by work on something else, such as its node.

    Pods of kube-system are not asked about here: a drain refuses them by itself, unless its playbook accepts that by name.
    """
    for moved in moved_by(target, remedy):
        if moved.namespace not in _ALWAYS_OWN and (found := own_ground(settings, moved)) is not None:
            return f"{found}, whose pods it would move"
    return None


def moved_by(target: Target | None, remedy: RemedyFacts | None) -> tuple[Target, ...]:
    """What the plans take pods from beside their target: every workload that may be meant, as the kind is not told."""
    if target is None or remedy is None:
        return ()
    named = (one.partition("/") for plan in remedy.plans for one in plan.moves)
    return tuple(
        Target.kubernetes(target.place, namespace, kind, name)
        for namespace, _, name in named
        for kind in WORKLOAD_KINDS
    )


async def known(
    connection: Connection,
    *,
    surveyor: Surveyor,
    playbook: Playbook,
    episode: EpisodeRow,
    target: Target | None,
    now: datetime,
    since: datetime | None,
    asked: Iterable[Condition],
    done: tuple[Plan, ...] = (),
    asked_since: datetime | None = None,
    absent_since: datetime | None = None,
) -> Known:
    """What the store knows, for the conditions that will be asked: for ``alert_resolved`` every alert of this playbook that resolves
    to this target (S26), which only that one needs."""
    same: tuple[EpisodeView, ...] = ()
    if target is not None and any(leaf.name == AlertResolved.name for one in asked for leaf in one.leaves()):
        incident_ids = [] if episode.incident_id is None else [episode.incident_id]
        found = await episodes.of_target(
            connection,
            [episode.source],
            incident_ids,
            since or now,
            alertnames=playbook.alertnames,
            traces=traces(playbook, target),
        )
        same = tuple(
            EpisodeView(one.fingerprint, one.labels, one.state != "closed", one.starts_at, one.ended_at)
            for one in found
            if playbook.matches(one.labels) and _is_about(surveyor, playbook, one.source, one.labels, target)
        )

    def concerns(labels: Mapping[str, str]) -> bool:
        return (
            target is not None
            and playbook.matches(labels)
            and _is_about(surveyor, playbook, episode.source, labels, target)
        )

    return Known(
        now=now,
        labels=episode.labels,
        variables=playbook.vars,
        episodes=same,
        done=done,
        asked_since=asked_since,
        run_since=since,
        absent_since=absent_since,
        concerns=concerns,
    )


def _is_about(surveyor: Surveyor, playbook: Playbook, source: str, labels: Mapping[str, str], target: Target) -> bool:
    named = surveyor.named_target(playbook, source, labels)
    return not isinstance(named, Problem) and named.could_be(target)


def allowed(settings: Settings, target: Target | None) -> bool | None:
    """Do settings let remediator change anything there?"""
    if target is None:
        return None
    if target.provider == "aws":
        account = settings.account_named(target.account)
        name = f"{target.kind}/{target.short}"
        return (
            account is not None
            and target.region in account.regions
            and any(fnmatchcase(name, pattern) for pattern in account.targets)
        )
    cluster = settings.clusters[target.place]
    return cluster.nodes if target.kind == "node" else target.namespace in cluster.namespaces


def by_pause_file(path: Path | None) -> tuple[PauseFact, ...]:
    """The pause file wins over the API (S23). One that cannot be looked at counts as a pause."""
    if path is None:
        return ()
    try:
        path.stat()
    except FileNotFoundError:
        return ()
    except OSError as error:
        return (PauseFact("all", "pause file", f"{path} cannot be looked at: {error.strerror}"),)
    return (PauseFact("all", "pause file", f"{path} exists"),)
