"""One cluster, narrow and typed: what actions, conditions and the decider may ask of it and do to it.

Dry-run is the same class over a dry transport (see connect.py): each write goes out as ``dryRun=All``.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from remediator.clients.http_json import items_of
from remediator.clients.kubernetes.api import KubernetesApi
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.workload import (
    INTENT,
    Autoscaler,
    Pod,
    Scale,
    Workload,
    restart_body,
    scale_body,
)
from remediator.clients.kubernetes.workload_json import autoscaler_from, pod_from, workload_from
from remediator.clients.permissions import Permission
from remediator.clock import Clock
from remediator.errors import FactsMissingError, OutcomeUnknownError, StepError
from remediator.targets import WORKLOAD_KINDS, Target

FIELD_MANAGER = "remediator"
WRITES = frozenset({"restart", "scale"})
"""The methods that change something. Every other one only reads; a test compares this with what each sends."""

T = TypeVar("T")

_PLURALS = {"deployment": "deployments", "statefulset": "statefulsets", "daemonset": "daemonsets"}
_HISTORY = {"deployment": "replicasets", "statefulset": "controllerrevisions", "daemonset": "controllerrevisions"}


def scale_manager(intent_id: str) -> str:
    """The fieldManager that marks a change of scale: the subresource keeps no annotation (S15)."""
    return f"{FIELD_MANAGER}-{hashlib.sha256(intent_id.encode()).hexdigest()[:32]}"


def scale_marked_by(workload: Workload, intent_id: str) -> bool:
    """Does managedFields still show that this intent wrote the scale? Gone once somebody else writes ``spec.replicas``."""
    return any(manager.name == scale_manager(intent_id) for manager in workload.managers)


def path_of(target: Target, subresource: str = "") -> str:
    """The path of a workload, as a plan shows it."""
    path = f"/apis/apps/v1/namespaces/{target.namespace}/{_PLURALS[target.kind]}/{target.name}"
    return f"{path}/{subresource}" if subresource else path


class KubernetesClient:
    """Reads and writes of one cluster. Every method raises only our own errors (see KubernetesApi)."""

    def __init__(self, api: KubernetesApi, *, name: str, clock: Clock) -> None:
        self.name = name
        """The cluster's canonical name, the ``place`` of its targets."""
        self._api = api
        self._clock = clock

    @property
    def dry_run(self) -> bool:
        """Are writes only validated?"""
        return self._api.dry_run

    async def close(self) -> None:
        """Close its connections."""
        await self._api.close()

    def now(self) -> datetime:
        """The time by the clock it was given."""
        return self._clock.now()

    async def workload(self, target: Target) -> Workload:
        """Read a Deployment, StatefulSet or DaemonSet. Raises TargetNotFoundError or FactsMissingError."""
        document = await self._api.get(self._path(target), Permission("apps", _PLURALS[target.kind], "get"))
        return self._workload(target, document)

    async def find_workloads(
        self, cluster: str, namespace: str, name: str, kinds: Sequence[str] = WORKLOAD_KINDS
    ) -> tuple[Target, ...]:
        """The workloads that have this name, of the given kinds (for a target of kind ``any``). More than one is ambiguous.

        Raises:
            FactsMissingError: one kind could not be asked, so what was found may not be all.
        """
        found = []
        for kind in kinds:
            target = Target.kubernetes(cluster, namespace, kind, name)
            try:
                await self.workload(target)
            except TargetNotFoundError:
                continue
            found.append(target)
        return tuple(found)

    async def pods_of(self, workload: Workload) -> tuple[Pod, ...]:
        """Its pods, old and new, also those that are going. A pod that matches its selector but is another's is left out."""
        documents = await self._selected(workload, "/api/v1", "pods", Permission("", "pods", "list"))
        return _understood(
            workload.target,
            lambda: tuple(pod_from(document) for document in documents if _is_pod_of(workload, document)),
        )

    async def autoscalers_of(self, workload: Workload) -> tuple[Autoscaler, ...]:
        """The HorizontalPodAutoscalers (KEDA's too) that decide its size."""
        path = f"/apis/autoscaling/v2/namespaces/{workload.target.namespace}/horizontalpodautoscalers"
        listed = await self._api.get(path, Permission("autoscaling", "horizontalpodautoscalers", "list"))
        return _understood(
            workload.target,
            lambda: tuple(
                autoscaler_from(item) for item in items_of(listed["items"]) if _scales(item, workload.target)
            ),
        )

    async def restart(self, workload: Workload, intent_id: str, at: datetime) -> Workload:
        """Roll the pods of a workload as just read; raises ConflictError when somebody wrote since.

        Marks object and template with the intent. Sent twice with one intent it rolls twice: ask ``marked_by`` in between.
        """
        document = await self._api.patch(
            self._path(workload.target),
            Permission("apps", _PLURALS[workload.kind], "patch"),
            restart_body(workload.resource_version, intent_id, at.isoformat(timespec="microseconds")),
            field_manager=FIELD_MANAGER,
        )
        return self._workload(workload.target, document, OutcomeUnknownError)

    async def scale(self, target: Target, replicas: int, resource_version: str, intent_id: str) -> Scale:
        """Set the number of replicas; raises ConflictError when the resource version is no longer the present one."""
        document = await self._api.patch(
            self._path(target, "scale"),
            Permission("apps", f"{_PLURALS[target.kind]}/scale", "patch"),
            scale_body(resource_version, replicas),
            field_manager=scale_manager(intent_id),
        )
        return _understood(target, lambda: _scale(document), OutcomeUnknownError)

    async def restart_marked_by(self, workload: Workload, intent_id: str) -> bool:
        """Did this intent write the pod template, now or in a revision that is still kept?

        The history is asked too: a rollback by somebody takes our marks off the workload itself.
        """
        if intent_id in (workload.intent, workload.annotations.get(INTENT)):
            return True
        plural = _HISTORY[workload.kind]
        revisions = await self._selected(workload, "/apis/apps/v1", plural, Permission("apps", plural, "list"))
        return _understood(
            workload.target,
            lambda: any(_revision_intent(one) == intent_id for one in revisions if _owned_by(workload, one)),
        )

    async def _selected(
        self, workload: Workload, root: str, plural: str, permission: Permission
    ) -> list[dict[str, Any]]:
        if not workload.selector:
            raise FactsMissingError(f"{workload.target} has no selector, so its {plural} cannot be told")
        path = f"{root}/namespaces/{workload.target.namespace}/{plural}"
        listed = await self._api.get(path, permission, {"labelSelector": workload.selector})
        items: list[dict[str, Any]] = _understood(workload.target, lambda: items_of(listed["items"]))
        return items

    def _path(self, target: Target, subresource: str = "") -> str:
        if target.place != self.name:
            # Never let one cluster's target be read or changed in another.
            raise ValueError(f"{target} is not in cluster {self.name!r}")
        return path_of(target, subresource)

    def _workload(
        self, target: Target, document: Mapping[str, Any], otherwise: type[StepError] = FactsMissingError
    ) -> Workload:
        return _understood(target, lambda: workload_from(target, document, self._clock.now()), otherwise)


def _understood(target: Target, read: Callable[[], T], otherwise: type[StepError] = FactsMissingError) -> T:
    """What was answered, or ``otherwise``: of a read that the fact is missing, of a write that its outcome is unknown."""
    try:
        return read()
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise otherwise(f"{target}: the answer cannot be understood: {type(error).__name__}: {error}") from None


def _scale(document: Mapping[str, Any]) -> Scale:
    metadata = document["metadata"]
    return Scale(str(metadata["uid"]), str(metadata["resourceVersion"]), int(document["spec"].get("replicas") or 0))


def _scales(document: Mapping[str, Any], target: Target) -> bool:
    aimed = document["spec"]["scaleTargetRef"]
    group = str(aimed.get("apiVersion") or "apps/v1").partition("/")[0]
    return (group, str(aimed["kind"]).lower(), aimed["name"]) == ("apps", target.kind, target.name)


def _owner(document: Mapping[str, Any]) -> Mapping[str, Any]:
    owners = document["metadata"].get("ownerReferences") or ()
    return next((owner for owner in owners if owner.get("controller")), {})


def _owned_by(workload: Workload, document: Mapping[str, Any]) -> bool:
    return _owner(document).get("uid") == workload.uid


def _is_pod_of(workload: Workload, document: Mapping[str, Any]) -> bool:
    if _owned_by(workload, document):
        return True
    template = (document["metadata"].get("labels") or {}).get("pod-template-hash")
    owner = _owner(document)
    return (
        workload.kind == "deployment"
        and owner.get("kind") == "ReplicaSet"
        and owner.get("name") == f"{workload.target.name}-{template}"
    )


def _revision_intent(document: Mapping[str, Any]) -> str | None:
    """Of a ReplicaSet (``spec.template``) or a ControllerRevision (``data.spec.template``)."""
    spec = (document.get("data") or {}).get("spec") or document.get("spec") or {}
    metadata = (spec.get("template") or {}).get("metadata") or {}
    intent = (metadata.get("annotations") or {}).get(INTENT)
    return None if intent is None else str(intent)
