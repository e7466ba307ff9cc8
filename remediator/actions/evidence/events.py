"""Evidence ``kubernetes_events``: what the cluster told about the target and its sickest pods."""

import asyncio
from typing import Any, ClassVar

from pydantic import Field

from remediator.actions.base import ActionParams
from remediator.actions.evidence.base import Scene, in_part
from remediator.clients.kubernetes.event_log import permission_for_events
from remediator.clients.permissions import Permission
from remediator.redaction import last_of, redacted
from remediator.targets import CLUSTER_SCOPED

_PODS = 3
_MOST = 12_000


class Params(ActionParams):
    """How many of them."""

    newest: int = Field(30, ge=1, le=200, description="so many, by when they were seen last")


class Events:
    """Oldest first, as a story is told."""

    name: ClassVar[str] = "kubernetes_events"
    params: ClassVar[type[ActionParams]] = Params

    def applies(self, kind: str) -> bool:
        del kind
        return True

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return (permission_for_events(everywhere=kind == "node"),)

    async def read(self, scene: Scene, params: Any) -> str:
        target = scene.target
        about = {target.name: target.namespace}
        if target.workload is not None:
            about[target.workload.name] = target.namespace
        if target.kind not in CLUSTER_SCOPED:
            about |= {pod.name: pod.namespace for pod in scene.pods[:_PODS]}
            about |= {pod.owner[1]: pod.namespace for pod in scene.pods[:_PODS] if pod.owner[1]}
        found = await asyncio.gather(
            *(scene.kubernetes.event_log.about(name, namespace) for name, namespace in about.items()),
            return_exceptions=True,
        )
        told = {event for one in found if not isinstance(one, BaseException) for event in one}
        lines = [str(event) for event in sorted(told, key=lambda event: event.at)[-params.newest :]]
        lines += in_part([one if isinstance(one, BaseException) else "" for one in found])
        return "\n".join(lines) or "none was told within the last hour or so"

    def fit(self, text: str) -> str:
        return last_of(redacted(text), _MOST)
