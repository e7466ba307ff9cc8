"""What containers use now, as metrics-server or its like says (``metrics.k8s.io``). Many clusters have none."""

from dataclasses import dataclass

from remediator.clients.http_json import items_of
from remediator.clients.kubernetes.names import Resource
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.kubernetes.pod_state import PodState
from remediator.clients.permissions import Permission

_POD_METRICS = Resource("metrics.k8s.io", "v1beta1", "pods")
READ_METRICS: Permission = _POD_METRICS.permission("get")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one container, in the API's own quantities (``12m``, ``64Mi``)."""

    container: str
    cpu: str
    memory: str

    def __str__(self) -> str:
        return f"{self.container}: cpu {self.cpu}, memory {self.memory}"


class PodMetrics(Part):
    """Of one cluster."""

    async def of(self, pod: PodState) -> tuple[Usage, ...]:
        """Of its containers.

        Raises:
            TargetNotFoundError: nothing has been measured of it yet.
            NoSuchApiError: the cluster has no such API.
            FactsMissingError: it could not be read.
        """
        document = await self._api.get(_POD_METRICS.path(pod.namespace, pod.name), READ_METRICS)
        return understood(
            f"usage of {pod.name}",
            lambda: tuple(
                Usage(str(one["name"]), str(one["usage"]["cpu"]), str(one["usage"]["memory"]))
                for one in items_of(document["containers"])
            ),
        )
