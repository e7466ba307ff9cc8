"""Evidence ``kubernetes_top``: what the sickest pods use now, where the cluster measures it."""

import asyncio
from typing import Any, ClassVar

from remediator.actions.base import ActionParams
from remediator.actions.evidence.base import WITHOUT_PODS, Scene, in_part
from remediator.clients.kubernetes.errors import NoSuchApiError, TargetNotFoundError
from remediator.clients.kubernetes.pod_metrics import READ_METRICS
from remediator.clients.kubernetes.pod_state import PodState
from remediator.clients.permissions import Permission
from remediator.errors import FactsMissingError
from remediator.redaction import first_of, redacted

_PODS = 5
_MOST = 4_000


class Params(ActionParams):
    """Nothing to choose."""


class Top:
    """Of five pods at most. A cluster without the metrics API is told as that."""

    name: ClassVar[str] = "kubernetes_top"
    params: ClassVar[type[ActionParams]] = Params

    def applies(self, kind: str) -> bool:
        return kind != "node" and kind not in WITHOUT_PODS

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return (READ_METRICS,)

    async def read(self, scene: Scene, params: Any) -> str:
        del params
        if not scene.pods:
            raise FactsMissingError(scene.without_pods)
        found = await asyncio.gather(*(_usage(scene, pod) for pod in scene.pods[:_PODS]), return_exceptions=True)
        if any(isinstance(one, NoSuchApiError) for one in found):
            return "the cluster has no metrics API (metrics.k8s.io)"
        return "\n".join(in_part(found))

    def fit(self, text: str) -> str:
        return first_of(redacted(text), _MOST)


async def _usage(scene: Scene, pod: PodState) -> str:
    try:
        return f"{pod.name}: {'; '.join(map(str, await scene.kubernetes.pod_metrics.of(pod)))}"
    except TargetNotFoundError:
        return f"{pod.name}: not measured yet"
