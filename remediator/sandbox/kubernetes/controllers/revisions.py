"""ControllerRevisions: the history of templates that StatefulSets and DaemonSets keep."""

from remediator.sandbox.kubernetes.controllers.templates import REVISION_LABEL, owner_reference, template_hash
from remediator.sandbox.kubernetes.resources import CONTROLLER_REVISIONS, Object, Resource
from remediator.sandbox.kubernetes.store import ObjectStore, Writer

_WRITER = Writer("kube-controller-manager", external=False)


def present_revision(store: ObjectStore, resource: Resource, workload: Object) -> str:
    """The name of the revision of the present template, with its object made or renumbered to be the highest."""
    metadata, template = workload["metadata"], workload["spec"]["template"]
    name = f"{metadata['name']}-{template_hash(template)}"
    known = store.children(metadata["uid"], CONTROLLER_REVISIONS)
    highest = max((found["revision"] for found in known), default=0)
    found = next((found for found in known if found["metadata"]["name"] == name), None)
    if found is None:
        revision: Object = {
            "metadata": {
                "name": name,
                "namespace": metadata["namespace"],
                "labels": {**((template.get("metadata") or {}).get("labels") or {}), REVISION_LABEL: name},
                "ownerReferences": [owner_reference(resource, workload)],
            },
            "data": {"spec": {"template": {**template, "$patch": "replace"}}},
            "revision": highest + 1,
        }
        store.create(CONTROLLER_REVISIONS, revision, _WRITER)
    elif found["revision"] < highest:
        store.update(CONTROLLER_REVISIONS, found, {**found, "revision": highest + 1}, _WRITER)
    return name


def template_of(store: ObjectStore, workload: Object, revision: str) -> Object:
    """The template of a revision; the present one when the revision is not known."""
    kept = store.get(CONTROLLER_REVISIONS, workload["metadata"]["namespace"], revision)
    template: Object = kept["data"]["spec"]["template"] if kept is not None else workload["spec"]["template"]
    return {key: value for key, value in template.items() if key != "$patch"}
