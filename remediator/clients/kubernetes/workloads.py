"""Deployments, StatefulSets and DaemonSets: reading them, rolling their pods, setting their size."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from remediator.clients.kubernetes.api import STRATEGIC_MERGE_PATCH
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.marks import FIELD_MANAGER, INTENT, intent_manager
from remediator.clients.kubernetes.names import permission_on
from remediator.clients.kubernetes.part import Part, understood
from remediator.clients.kubernetes.revision import CHANGE_CAUSE, UNDONE, Revision, revision_from
from remediator.clients.kubernetes.workload import Scale, Workload, restart_body, scale_body
from remediator.clients.kubernetes.workload_json import owned_by, workload_from
from remediator.errors import FactsMissingError, OutcomeUnknownError, StepError
from remediator.targets import WORKLOAD_KINDS, Target

HISTORY = {"deployment": "replicaset", "statefulset": "controllerrevision", "daemonset": "controllerrevision"}
"""Which kind of object keeps the templates that a workload had."""


def scale_marked_by(workload: Workload, intent_id: str) -> bool:
    """Does managedFields still show that this intent wrote the scale? Gone once somebody else writes ``spec.replicas``."""
    return any(manager.name == intent_manager(intent_id) for manager in workload.managers)


def undo_body(resource_version: str, intent_id: str, to: Revision, left: str) -> dict[str, Any]:
    """The strategic merge patch that replaces the template whole, and notes the one that is left.

    Unlike kubectl it takes only the change's cause from the revision's annotations: the others may have been set since, and some say
    who owns the workload.
    """
    annotations = {INTENT: intent_id, UNDONE: left, CHANGE_CAUSE: to.change_cause}
    return {
        "metadata": {"resourceVersion": resource_version, "annotations": annotations},
        "spec": {"template": {**to.template, "$patch": "replace"}},
    }


class Workloads(Part):
    """Of one cluster."""

    async def read(self, target: Target) -> Workload:
        """Read a Deployment, StatefulSet or DaemonSet. Raises TargetNotFoundError or FactsMissingError."""
        document = await self.document(target)
        return self._workload(target, document)

    async def find(
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
                await self.read(target)
            except TargetNotFoundError:
                continue
            found.append(target)
        return tuple(found)

    async def restart(self, workload: Workload, intent_id: str, at: datetime) -> Workload:
        """Roll the pods of a workload as just read; raises ConflictError when somebody wrote since.

        Marks object and template with the intent. Sent twice with one intent it rolls twice: ask ``marked_by`` in between.
        """
        document = await self._api.patch(
            self._path(workload.target),
            permission_on(workload.target, "patch"),
            restart_body(workload.resource_version, intent_id, at.isoformat(timespec="microseconds")),
            field_manager=FIELD_MANAGER,
        )
        return self._workload(workload.target, document, OutcomeUnknownError)

    async def replace_template(self, workload: Workload, to: Revision, intent_id: str) -> Workload:
        """Give a workload as just read the template of a revision; raises ConflictError when somebody wrote since.

        The template carries no mark, or no controller would know it as one that it has had.
        """
        document = await self._api.patch(
            self._path(workload.target),
            permission_on(workload.target, "patch"),
            undo_body(workload.resource_version, intent_id, to, workload.template_hash),
            field_manager=FIELD_MANAGER,
            content_type=STRATEGIC_MERGE_PATCH,
        )
        return self._workload(workload.target, document, OutcomeUnknownError)

    async def scale(self, target: Target, replicas: int, resource_version: str, intent_id: str) -> Scale:
        """Set the number of replicas; raises ConflictError when the resource version is no longer the present one."""
        document = await self._api.patch(
            self._path(target, "scale"),
            permission_on(target, "patch", "scale"),
            scale_body(resource_version, replicas),
            field_manager=intent_manager(intent_id),
        )
        return understood(target, lambda: _scale(document), OutcomeUnknownError)

    async def restart_marked_by(self, workload: Workload, intent_id: str) -> bool:
        """Did this intent write the pod template, now or in a revision that is still kept?

        The history is asked too: a rollback by somebody takes our marks off the workload itself.
        """
        if intent_id in (workload.intent, workload.annotations.get(INTENT)):
            return True
        revisions = await self.history(workload)
        return understood(workload.target, lambda: any(_revision_intent(one) == intent_id for one in revisions))

    async def revisions(self, workload: Workload) -> tuple[Revision, ...]:
        """The templates that it had and has, as far as they are kept. Raises FactsMissingError."""
        found = await self.history(workload)
        return understood(workload.target, lambda: tuple(map(revision_from, found)))

    async def history(self, workload: Workload) -> list[dict[str, Any]]:
        """The ReplicaSets or ControllerRevisions that keep its templates, its own only, as the API gives them."""
        kept = HISTORY[workload.kind]
        if not workload.selector:
            raise FactsMissingError(f"{workload.target} has no selector, so its history cannot be told")
        found = await self._list(kept, workload.target.namespace, {"labelSelector": workload.selector})
        return understood(workload.target, lambda: [one for one in found if owned_by(workload, one)])

    def _workload(
        self, target: Target, document: Mapping[str, Any], otherwise: type[StepError] = FactsMissingError
    ) -> Workload:
        return understood(target, lambda: workload_from(target, document, self._clock.now()), otherwise)


def _scale(document: Mapping[str, Any]) -> Scale:
    metadata = document["metadata"]
    return Scale(str(metadata["uid"]), str(metadata["resourceVersion"]), int(document["spec"].get("replicas") or 0))


def _revision_intent(document: Mapping[str, Any]) -> str | None:
    """Of a ReplicaSet (``spec.template``) or a ControllerRevision (``data.spec.template``)."""
    spec = (document.get("data") or {}).get("spec") or document.get("spec") or {}
    metadata = (spec.get("template") or {}).get("metadata") or {}
    intent = (metadata.get("annotations") or {}).get(INTENT)
    return None if intent is None else str(intent)
