"""Everything in a namespace that has a size: reading it all, and writing one size."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from remediator.clients.kubernetes.errors import NoSuchApiError
from remediator.clients.kubernetes.marks import FIELD_MANAGER
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.kubernetes.sized import REPLICATED, Sized, scaled_by, sized_from
from remediator.clients.kubernetes.workload_json import autoscaler_from
from remediator.clients.permissions import Permission
from remediator.targets import Target

WITHOUT_CRON_JOBS = (*REPLICATED, "scaledobject")
WITH_CRON_JOBS = (*WITHOUT_CRON_JOBS, "cronjob")
"""In the order in which sizes are taken away: KEDA would wake what it scales when it is not paused after that. Back, the other way."""


def read_sizes(kinds: Sequence[str]) -> tuple[Permission, ...]:
    """What reading all sizes of these kinds needs."""
    namespace = RESOURCES["namespace"].permission("get", everywhere=True)
    return (namespace, *(RESOURCES[kind].permission("list") for kind in (*kinds, "horizontalpodautoscaler")))


@dataclass(frozen=True, slots=True)
class NamespaceSizes:
    """One read of one namespace."""

    uid: str
    terminating: bool
    things: tuple[Sized, ...]
    bounds: Mapping[str, tuple[str, int, int]]
    """Of each HorizontalPodAutoscaler: the key of what it scales, and its bounds."""

    def get(self, key: str) -> Sized | None:
        return next((thing for thing in self.things if thing.key == key), None)

    def running(self, but_not: Collection[str] = ()) -> list[str]:
        """The Deployments and StatefulSets, without those of these names, that have pods or want some, in words."""
        return [
            f"{thing.key} wants {thing.size} and has {thing.pods}"
            for thing in self.things
            if thing.kind in REPLICATED and thing.name not in but_not and not (thing.at_nothing and thing.pods == 0)
        ]

    def scaled(self, key: str) -> bool:
        """Does an autoscaler decide the size of this?"""
        return any(aimed == key for aimed, _, _ in self.bounds.values()) or any(
            thing.scales == key for thing in self.things
        )


class Sizes(Part):
    """Of one cluster."""

    async def of(self, target: Target, kinds: Sequence[str]) -> NamespaceSizes:
        """Raises TargetNotFoundError or FactsMissingError."""
        namespace = await self.document(target)
        things = [thing for kind in kinds for thing in await self._of_kind(kind, target.name)]
        listed = await self._list("horizontalpodautoscaler", target.name)
        metadata = namespace["metadata"]
        return understood(
            target,
            lambda: NamespaceSizes(
                uid=str(metadata["uid"]),
                terminating="deletionTimestamp" in metadata,
                things=tuple(things),
                bounds={str(one["metadata"]["name"]): _bounds(one) for one in listed},
            ),
        )

    async def again(self, target: Target, thing: Sized) -> Sized | None:
        """The thing of that name as it is now; None if it is gone. Raises FactsMissingError."""
        query = {"fieldSelector": f"metadata.name={thing.name}"}
        found = await self._list(thing.kind, target.name, query)
        read = understood(thing.key, lambda: [sized_from(thing.kind, one) for one in found])
        return next((one for one in read if one.name == thing.name), None)

    async def write(self, target: Target, thing: Sized, body: dict[str, Any]) -> None:
        """One of its patches; raises ConflictError when somebody wrote since it was read."""
        resource = RESOURCES[thing.kind]
        await self._api.patch(
            resource.path(target.name, thing.name), resource.permission("patch"), body, field_manager=FIELD_MANAGER
        )

    async def _of_kind(self, kind: str, namespace: str) -> list[Sized]:
        try:
            found = await self._list(kind, namespace)
        except NoSuchApiError:
            if kind == "scaledobject":  # a cluster without KEDA
                return []
            raise
        return understood(f"{kind}s of {namespace}", lambda: [sized_from(kind, one) for one in found])


def _bounds(document: Mapping[str, Any]) -> tuple[str, int, int]:
    found = autoscaler_from(document)
    return scaled_by(document), found.min_replicas, found.max_replicas
