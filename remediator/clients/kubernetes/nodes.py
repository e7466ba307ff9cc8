"""Nodes: reading them, and taking one out of service or back into it."""

from typing import Any

from remediator.clients.kubernetes.marks import FIELD_MANAGER
from remediator.clients.kubernetes.names import permission_on
from remediator.clients.kubernetes.node import Node, node_from
from remediator.clients.kubernetes.part import Part, understood
from remediator.errors import OutcomeUnknownError
from remediator.targets import Target


class Nodes(Part):
    """Of one cluster."""

    async def read(self, target: Target) -> Node:
        """Raises TargetNotFoundError or FactsMissingError."""
        document = await self.document(target)
        return understood(target, lambda: node_from(document))

    async def all(self) -> tuple[Node, ...]:
        """Raises FactsMissingError."""
        found = await self._list("node", "")
        return understood("nodes", lambda: tuple(map(node_from, found)))

    async def patch(self, target: Target, body: dict[str, Any]) -> Node:
        """One patch of those in node.py; ConflictError when somebody wrote since the version in it."""
        document = await self._api.patch(
            self._path(target), permission_on(target, "patch"), body, field_manager=FIELD_MANAGER
        )
        return understood(target, lambda: node_from(document), OutcomeUnknownError)

    def target(self, name: str) -> Target:
        """The node of that name as a target. ValueError for what can be no node's name."""
        return Target.kubernetes(self._cluster, "", "node", name)
