"""Evidence ``node_conditions``: how the nodes say they are on which the target's sickest pods run."""

import asyncio
from typing import Any, ClassVar

from remediator.actions.base import ActionParams
from remediator.actions.evidence.base import WITHOUT_PODS, Scene, in_part
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.node_conditions import READ_NODE
from remediator.clients.permissions import Permission
from remediator.errors import FactsMissingError
from remediator.redaction import first_of, redacted

_NODES = 3
_MOST = 4_000


class Params(ActionParams):
    """Nothing to choose."""


class NodesConcerned:
    """Three of them at most; of a node itself, that one."""

    name: ClassVar[str] = "node_conditions"
    params: ClassVar[type[ActionParams]] = Params

    def applies(self, kind: str) -> bool:
        return kind != "namespace" and kind not in WITHOUT_PODS

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del kind, params
        return (READ_NODE,)

    async def read(self, scene: Scene, params: Any) -> str:
        del params
        of_pods = dict.fromkeys(pod.node for pod in scene.pods if pod.node)
        names = [scene.target.name] if scene.target.kind == "node" else list(of_pods)[:_NODES]
        if not names:
            raise FactsMissingError("no pod of it runs on a node" if scene.pods else scene.without_pods)
        found = await asyncio.gather(*(_conditions(scene, name) for name in names), return_exceptions=True)
        return "\n".join(in_part(found))

    def fit(self, text: str) -> str:
        return first_of(redacted(text), _MOST)


async def _conditions(scene: Scene, name: str) -> str:
    try:
        found = await scene.kubernetes.node_states.of(name)
    except TargetNotFoundError:
        return f"{name}: there is no such node any more"
    return "\n".join([f"{name}:", *(f"  {line}" for line in found.lines)])
