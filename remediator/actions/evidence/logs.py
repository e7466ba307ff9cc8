"""Evidence ``kubernetes_logs``: the last lines of the sickest pods, also of what ran in them before their last restart."""

import asyncio
from typing import Any, ClassVar

from pydantic import Field

from remediator.actions.base import ActionParams
from remediator.actions.evidence.base import WITHOUT_PODS, Scene, in_part
from remediator.clients.kubernetes.pod_logs import READ_LOGS
from remediator.clients.kubernetes.pod_state import PodState
from remediator.clients.permissions import Permission
from remediator.errors import FactsMissingError
from remediator.redaction import last_of, redacted

_PODS = 3
_CONTAINERS = 3
_MOST = 32_000
_EACH_WITHIN_S = 6.0
"""Shorter than all of it may take: a kubelet that is gone does not cost the logs of pods on other nodes."""
_OF_WHOM = frozenset({"node", "namespace"})
"""Targets whose pods are other people's: what those write is none of this run's business."""


class Params(ActionParams):
    """How much of it."""

    lines: int = Field(100, ge=1, le=1_000, description="the last so many lines of each container")
    previous: bool = Field(True, description="also of the run before, where a container was restarted")


class Logs:
    """Of three pods and three containers of each at most; one that cannot be read is told as that."""

    name: ClassVar[str] = "kubernetes_logs"
    params: ClassVar[type[ActionParams]] = Params

    def applies(self, kind: str) -> bool:
        return kind not in _OF_WHOM and kind not in WITHOUT_PODS

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return (READ_LOGS,)

    async def read(self, scene: Scene, params: Any) -> str:
        wanted = [
            (pod, container, previous)
            for pod in scene.pods[:_PODS]
            for container, previous in _runs_of(pod, previous=params.previous)
        ]
        if not wanted:
            raise FactsMissingError(scene.without_pods if not scene.pods else "no container has started yet")
        each = _MOST // len(wanted)
        found = await asyncio.gather(
            *(_section(scene, pod, container, params.lines, each, previous=run) for pod, container, run in wanted),
            return_exceptions=True,
        )
        return "\n".join(in_part(found))

    def fit(self, text: str) -> str:
        return text  # each section was, so that no log crowds the others out


async def _section(scene: Scene, pod: PodState, container: str, lines: int, most: int, *, previous: bool) -> str:
    title = f"== {pod.name} {container}{', before its last restart' if previous else ''}"
    try:
        async with asyncio.timeout(_EACH_WITHIN_S):
            text = await scene.kubernetes.pod_logs.last_lines(pod, container, lines, previous=previous)
    except TimeoutError:
        raise FactsMissingError(f"no answer for {pod.name} within {_EACH_WITHIN_S:g} s") from None
    return f"{title}\n{last_of(redacted(text.rstrip()), most) or '(nothing)'}"


def _runs_of(pod: PodState, *, previous: bool) -> list[tuple[str, bool]]:
    """Containers and which of their runs to ask for: the former one first, as it happened first."""
    found: list[tuple[str, bool]] = []
    for container in [one for one in pod.containers if one.name in pod.names][:_CONTAINERS]:
        if previous and container.ended_before is not None:
            found.append((container.name, True))
        if container.running_since is not None or container.ended is not None:
            found.append((container.name, False))
    return found
