"""What several conditions ask of a target's workload, and what they say when it cannot be read: unknown, never a no."""

from remediator.answers import Answer
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.revision import Revision
from remediator.clients.kubernetes.workload import Workload
from remediator.clients.kubernetes.workloads import HISTORY
from remediator.clients.permissions import Permission, read_workloads
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError
from remediator.targets import Target


def read_history(kind: str) -> tuple[Permission, ...]:
    """What reading a target's workload and the templates that it had needs."""
    kept = sorted({HISTORY[kind]} if kind in HISTORY else set(HISTORY.values()))
    return (*read_workloads(kind), *(RESOURCES[one].permission("list") for one in kept))


async def read(kubernetes: KubernetesClient, target: Target) -> Workload | Look:
    """The target's workload, or an unknown answer that says why not."""
    if target.workload is None:
        return Look(Answer.UNKNOWN, f"{target.kind} {target.short} belongs to no workload")
    try:
        return await kubernetes.workloads.read(target.workload)
    except (TargetNotFoundError, FactsMissingError) as error:
        return Look(Answer.UNKNOWN, str(error))


async def read_with_history(
    kubernetes: KubernetesClient, target: Target
) -> tuple[Workload, tuple[Revision, ...]] | Look:
    """Also the templates that it had, as far as they are kept."""
    workload = await read(kubernetes, target)
    if isinstance(workload, Look):
        return workload
    try:
        return workload, await kubernetes.workloads.revisions(workload)
    except FactsMissingError as error:
        return Look(Answer.UNKNOWN, str(error))
