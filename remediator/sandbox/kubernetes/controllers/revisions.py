"""ControllerRevisions: the history of templates that StatefulSets and DaemonSets keep."""

from remediator.sandbox.kubernetes.controllers.templates import REVISION_LABEL, owner_reference, template_hash
from remediator.sandbox.kubernetes.resources import CONTROLLER_REVISIONS, DAEMON_SETS, PODS, Object, Resource
from remediator.sandbox.kubernetes.store import ObjectStore, Writer

_WRITER = Writer("kube-controller-manager", external=False)
_STATEFUL_HASH_LABEL = "controller.kubernetes.io/hash"


def present_revision(store: ObjectStore, resource: Resource, workload: Object) -> str:
    """The name of the revision of the present template, with its object made or renumbered to be the highest."""
    metadata, template = workload["metadata"], workload["spec"]["template"]
    digest = template_hash(template)
    name = f"{metadata['name']}-{digest}"
    known = store.children(metadata["uid"], CONTROLLER_REVISIONS)
    highest = max((found["revision"] for found in known), default=0)
    found = next((found for found in known if found["metadata"]["name"] == name), None)
    if found is None:
        label = REVISION_LABEL if resource is DAEMON_SETS else _STATEFUL_HASH_LABEL
        revision: Object = {
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "labels": {**((template.get("metadata") or {}).get("labels") or {}), label: digest},
                **({"annotations": dict(metadata["annotations"])} if metadata.get("annotations") else {}),
                "ownerReferences": [owner_reference(resource, workload)],
            },
            "data": {"spec": {"template": {**template, "$patch": "replace"}}},
            "revision": highest + 1,
        }
        store.create(CONTROLLER_REVISIONS, revision, _WRITER)
    elif found["revision"] < highest:
        store.update(CONTROLLER_REVISIONS, found, {**found, "revision": highest + 1}, _WRITER)
    return name


def pod_label(resource: Resource, workload: Object, revision: str) -> str:
    """What REVISION_LABEL is on pods of a revision: its name for StatefulSets, the bare hash for DaemonSets."""
    return revision.removeprefix(f"{workload['metadata']['name']}-") if resource is DAEMON_SETS else revision


def template_of(store: ObjectStore, workload: Object, revision: str) -> Object:
    """The template of a revision; the present one when the revision is not known."""
    kept = store.get(CONTROLLER_REVISIONS, workload["metadata"]["namespace"], revision)
    template: Object = kept["data"]["spec"]["template"] if kept is not None else workload["spec"]["template"]
    return {key: value for key, value in template.items() if key != "$patch"}


def trim(store: ObjectStore, resource: Resource, workload: Object, in_use: set[str]) -> None:
    """Forget the oldest revisions that neither the workload (`in_use`) nor a pod of it uses, beyond its history limit."""
    owned = store.children(workload["metadata"]["uid"], PODS)
    labels = {pod["metadata"]["labels"].get(REVISION_LABEL) for pod in owned}
    spare = sorted(
        (
            found
            for found in store.children(workload["metadata"]["uid"], CONTROLLER_REVISIONS)
            if (name := found["metadata"]["name"]) not in in_use and pod_label(resource, workload, name) not in labels
        ),
        key=lambda found: int(found["revision"]),
    )
    for found in spare[: max(0, len(spare) - workload["spec"]["revisionHistoryLimit"])]:
        store.remove(CONTROLLER_REVISIONS, found, _WRITER)
