"""What every part of the client is built on: requests to one cluster, and answers that are understood or are none."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from remediator.clients.http_json import items_of
from remediator.clients.kubernetes.api import KubernetesApi
from remediator.clients.kubernetes.names import RESOURCES, path_of, permission_on
from remediator.clock import Clock
from remediator.errors import FactsMissingError, StepError
from remediator.targets import Target

T = TypeVar("T")


class Part:
    """One kind of thing in one cluster. Methods raise only our own errors (see KubernetesApi)."""

    def __init__(self, api: KubernetesApi, *, cluster: str, clock: Clock) -> None:
        self._api = api
        self._cluster = cluster
        self._clock = clock

    def now(self) -> datetime:
        """The time by the clock it was given."""
        return self._clock.now()

    async def document(self, target: Target) -> dict[str, Any]:
        """The target as the API gives it. Raises TargetNotFoundError or FactsMissingError."""
        return await self._api.get(self._path(target), permission_on(target, "get"))

    async def _list(
        self, kind: str, namespace: str, query: Mapping[str, str] | None = None, *, everywhere: bool = False
    ) -> list[dict[str, Any]]:
        """All of a kind in a namespace; of the cluster with an empty one."""
        resource = RESOURCES[kind]
        permission = resource.permission("list", everywhere=everywhere or not namespace)
        listed = await self._api.get(resource.path(namespace), permission, query)
        found: list[dict[str, Any]] = understood(f"{resource.plural} of {namespace}", lambda: items_of(listed["items"]))
        return found

    def _path(self, target: Target, subresource: str = "") -> str:
        if target.place != self._cluster:
            # Never let one cluster's target be read or changed in another.
            raise ValueError(f"{target} is not in cluster {self._cluster!r}")
        return path_of(target, subresource)


def understood(what: object, read: Callable[[], T], otherwise: type[StepError] = FactsMissingError) -> T:
    """What was answered, or ``otherwise``: of a read that the fact is missing, of a write that its outcome is unknown."""
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise otherwise(f"{what}: the answer cannot be understood: {type(error).__name__}: {error}") from None
