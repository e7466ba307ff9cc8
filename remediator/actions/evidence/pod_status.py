"""Evidence ``pod_status``: what the target's pods do, and how their containers ended last."""

from typing import Any, ClassVar

from remediator.actions.base import ActionParams
from remediator.actions.evidence.base import WITHOUT_PODS, Scene
from remediator.clients.permissions import Permission
from remediator.errors import FactsMissingError
from remediator.redaction import first_of, redacted

_PODS = 10
_MOST = 12_000


class Params(ActionParams):
    """Nothing to choose."""


class PodStatus:
    """Of the first few, those that are sick before others."""

    name: ClassVar[str] = "pod_status"
    params: ClassVar[type[ActionParams]] = Params

    def applies(self, kind: str) -> bool:
        return kind not in WITHOUT_PODS

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return ()

    async def read(self, scene: Scene, params: Any) -> str:
        del params
        if scene.unread:
            raise FactsMissingError(scene.unread)
        if not scene.pods:
            return scene.without_pods
        lines: list[str] = []
        for pod in scene.pods[:_PODS]:
            terminating = ", terminating" if pod.terminating else ""
            why = f" ({pod.reason})" if pod.reason else ""
            ready = "ready" if pod.ready else "not ready"
            lines.append(f"{pod.name} on {pod.node or 'no node'}: {pod.phase}, {ready}{terminating}{why}")
            lines += [f"  {container}" for container in pod.containers]
        rest = scene.pods[_PODS:]
        if rest:
            lines.append(f"and {len(rest)} pods more, {sum(pod.ready for pod in rest)} of them ready")
        return "\n".join(lines)

    def fit(self, text: str) -> str:
        return first_of(redacted(text), _MOST)
