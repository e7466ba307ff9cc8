"""The nodes that remediator stands on (S12): one of them may be worked on while another replica, on another node, can do the work."""

from collections.abc import Iterable, Mapping

from remediator.targets import InvalidTargetError, Target


def denied(own: str | None, of_living: Iterable[str | None], *, acting: bool) -> frozenset[str]:
    """Nodes on which nothing may be done. ``acting``: this very replica would do it; else any replica that lives may.

    A replica that does not know its node counts for nothing: it may stand on the one that is to be drained.
    """
    stood_on = {node for node in (own, *of_living) if node is not None}
    if acting:
        return frozenset(stood_on & {own})
    return frozenset(stood_on) if len(stood_on) == 1 else frozenset()


def left_to_others(own: str | None, of_living: Iterable[str | None], clusters: Mapping[str, object]) -> tuple[str, ...]:
    """Targets of runs that this replica does not claim, because one on another node can."""
    if own is None or denied(own, of_living, acting=False):
        return ()
    try:
        return tuple(str(Target.kubernetes(cluster, "", "node", own)) for cluster in clusters)
    except InvalidTargetError:
        return ()
