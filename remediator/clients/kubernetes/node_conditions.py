"""How a node says it is: ready or not, short of something or not, and since when."""

from dataclasses import dataclass
from typing import Any

from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.permissions import Permission

_NODE = RESOURCES["node"]
READ_NODE: Permission = _NODE.permission("get", everywhere=True)


@dataclass(frozen=True, slots=True)
class NodeConditions:
    """One read of one node, in lines for people."""

    uid: str
    lines: tuple[str, ...]


class NodeStates(Part):
    """Of one cluster."""

    async def of(self, name: str) -> NodeConditions:
        """Raises TargetNotFoundError or FactsMissingError."""
        document = await self._api.get(_NODE.path("", name), READ_NODE)
        return understood(
            f"node {name}", lambda: NodeConditions(str(document["metadata"]["uid"]), tuple(_lines(document)))
        )


def _lines(document: dict[str, Any]) -> list[str]:
    spec, status = document.get("spec") or {}, document.get("status") or {}
    lines = [
        f"{one['type']}={one['status']} since {one.get('lastTransitionTime', '?')} "
        f"{one.get('reason', '')}: {str(one.get('message', '')).strip()}"
        for one in status.get("conditions") or ()
    ]
    if spec.get("unschedulable"):
        lines.append("cordoned: it takes no new pods")
    lines += [f"taint {one.get('key')}={one.get('value', '')}:{one.get('effect')}" for one in spec.get("taints") or ()]
    return lines
