"""The Deployment controller: one ReplicaSet per template, rolled from old to new within maxSurge and maxUnavailable."""

from remediator.sandbox.kubernetes.controllers.deployment_status import DeploymentStatus, allowed
from remediator.sandbox.kubernetes.controllers.recorder import Recorder
from remediator.sandbox.kubernetes.controllers.templates import (
    HASH_LABEL,
    owner_reference,
    template_hash,
    with_label,
    without_label,
)
from remediator.sandbox.kubernetes.deletion import Deletion
from remediator.sandbox.kubernetes.health import Health
from remediator.sandbox.kubernetes.resources import DEPLOYMENTS, REPLICA_SETS, Object
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace

REVISION = "deployment.kubernetes.io/revision"
_HISTORY = "deployment.kubernetes.io/revision-history"
_DESIRED = "deployment.kubernetes.io/desired-replicas"
_MOST = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = ("kubectl.kubernetes.io/last-applied-configuration", "deployment.kubernetes.io/")
_WRITER = Writer("kube-controller-manager", external=False)
# The real controller writes the revision annotation through the status subresource, so generation stays.
_STATUS = Writer("kube-controller-manager", "status", external=False)


class Deployments:
    """Takes one step of one Deployment at a time; its own writes bring it back for the next."""

    def __init__(self, store: ObjectStore, deletion: Deletion, health: Health, pace: Pace) -> None:
        self._store = store
        self._deletion = deletion
        self._health = health
        self._recorder = Recorder(store, pace, "deployment-controller")
        self.status = DeploymentStatus(pace)

    def sync(self, deployment: Object) -> float | None:
        """One step, then the status; the seconds until the progress deadline if it runs."""
        if "deletionTimestamp" in deployment["metadata"]:
            return None
        spec, metadata = deployment["spec"], deployment["metadata"]
        present = template_hash(spec["template"])
        self._health.note_template(("deployments", metadata["namespace"], metadata["name"]), present, spec["template"])
        owned = sorted(self._store.children(metadata["uid"], REPLICA_SETS), key=_revision)
        new = next((found for found in owned if _same_template(found, spec["template"])), None)
        created = False
        if not spec.get("paused"):
            created = new is None
            new = self._current(deployment, owned, new, present)
            owned = sorted(self._store.children(metadata["uid"], REPLICA_SETS), key=_revision)
        self._roll(deployment, new, [found for found in owned if new is None or found is not new])
        owned = self._store.children(metadata["uid"], REPLICA_SETS)
        if new is not None:
            new = next(found for found in owned if found["metadata"]["uid"] == new["metadata"]["uid"])
        return self._report(deployment, owned, new, created=created)

    def _current(self, deployment: Object, owned: list[Object], new: Object | None, present: str) -> Object:
        """The ReplicaSet of the present template, made or renumbered so that it has the highest revision."""
        highest = max((_revision(found) for found in owned), default=0)
        annotations = _copied_annotations(deployment)
        if new is None:
            return self._create(
                deployment, present, {**annotations, **_sizes(deployment["spec"]), REVISION: str(highest + 1)}
            )
        kept = new["metadata"].get("annotations", {})
        wanted = {**kept, **annotations, **_sizes(deployment["spec"])}
        if _revision(new) < highest:
            history = [*filter(None, kept.get(_HISTORY, "").split(",")), kept[REVISION]]
            wanted |= {REVISION: str(highest + 1), _HISTORY: ",".join(history)}
        changed = {**new, "metadata": {**new["metadata"], "annotations": wanted}}
        if (min_ready_s := deployment["spec"].get("minReadySeconds", 0)) or "minReadySeconds" in new["spec"]:
            changed["spec"] = {**new["spec"], "minReadySeconds": min_ready_s}
        return self._store.update(REPLICA_SETS, new, changed, _WRITER)

    def _create(self, deployment: Object, present: str, annotations: Object) -> Object:
        metadata, spec = deployment["metadata"], deployment["spec"]
        template = with_label(spec["template"], HASH_LABEL, present)
        selector = spec["selector"]
        made: Object = {
            "metadata": {
                "name": f"{metadata['name']}-{present}",
                "namespace": metadata["namespace"],
                "labels": dict(template["metadata"]["labels"]),
                "annotations": annotations,
                "ownerReferences": [owner_reference(DEPLOYMENTS, deployment)],
            },
            "spec": {
                "replicas": 0,
                **({"minReadySeconds": spec["minReadySeconds"]} if spec.get("minReadySeconds") else {}),
                "selector": {**selector, "matchLabels": {**(selector.get("matchLabels") or {}), HASH_LABEL: present}},
                "template": template,
            },
            "status": {"replicas": 0},
        }
        return self._store.create(REPLICA_SETS, made, _WRITER)

    def _roll(self, deployment: Object, new: Object | None, old: list[Object]) -> None:
        """One scaling step, up before down."""
        spec = deployment["spec"]
        if spec.get("paused"):
            active = [found for found in [*old, *([new] if new else [])] if found["spec"]["replicas"] > 0]
            if len(active) == 1:
                self._scale(deployment, active[0], spec["replicas"])
            return
        if new is None:
            return
        if spec["strategy"].get("type") == "Recreate":
            for found in old:
                self._scale(deployment, found, 0)
            if all(not self._store.children(found["metadata"]["uid"]) for found in old):
                self._scale(deployment, new, spec["replicas"])
            return
        surge, unavailable = allowed(spec)
        total = new["spec"]["replicas"] + sum(found["spec"]["replicas"] for found in old)
        missing = spec["replicas"] - new["spec"]["replicas"]
        if missing < 0 or (missing > 0 and total < spec["replicas"] + surge):
            step = min(missing, spec["replicas"] + surge - total) if missing > 0 else missing
            self._scale(deployment, new, new["spec"]["replicas"] + step)
            return
        self._scale_down(deployment, old, new, total, spec["replicas"] - unavailable)

    def _scale_down(self, deployment: Object, old: list[Object], new: Object, total: int, least: int) -> None:
        """Take old pods away: broken ones first, then as many as leave `least` available."""
        new_unavailable = new["spec"]["replicas"] - _available(new)
        budget = total - least - new_unavailable
        left = [found for found in old if found["spec"]["replicas"] > 0]
        for number, found in enumerate(left):
            broken = min(max(budget, 0), found["spec"]["replicas"] - _available(found))
            if broken > 0:
                left[number] = self._scale(deployment, found, found["spec"]["replicas"] - broken)
                budget -= broken
        spare = min(budget, _available(new) + sum(_available(found) for found in left) - least)
        for found in left:
            step = min(max(spare, 0), found["spec"]["replicas"])
            if step > 0:
                self._scale(deployment, found, found["spec"]["replicas"] - step)
                spare -= step

    def _scale(self, deployment: Object, replica_set: Object, replicas: int) -> Object:
        before = replica_set["spec"]["replicas"]
        if replicas != before:
            way = "up" if replicas > before else "down"
            name = replica_set["metadata"]["name"]
            message = f"Scaled {way} replica set {name} from {before} to {replicas}"
            self._recorder.tell(DEPLOYMENTS, deployment, "ScalingReplicaSet", message)
        changed = {**replica_set, "spec": {**replica_set["spec"], "replicas": replicas}}
        return self._store.update(REPLICA_SETS, replica_set, changed, _WRITER)

    def _report(self, deployment: Object, owned: list[Object], new: Object | None, *, created: bool) -> float | None:
        status, left_s = self.status.of(deployment, owned, new, created=created)
        metadata = deployment["metadata"]
        if new is not None:
            revision = new["metadata"]["annotations"][REVISION]
            metadata = {**metadata, "annotations": {**metadata.get("annotations", {}), REVISION: revision}}
        updated = self._store.update(
            DEPLOYMENTS, deployment, {**deployment, "metadata": metadata, "status": status}, _STATUS
        )
        self._trim_history(updated, owned, new)
        return left_s

    def _trim_history(self, deployment: Object, owned: list[Object], new: Object | None) -> None:
        empty = [
            found
            for found in sorted(owned, key=_revision)
            if new is not None
            and found["metadata"]["uid"] != new["metadata"]["uid"]
            and found["spec"]["replicas"] == 0
            and found.get("status", {}).get("replicas", 0) == 0
        ]
        for found in empty[: max(0, len(empty) - deployment["spec"]["revisionHistoryLimit"])]:
            self._deletion.delete(REPLICA_SETS, found, _WRITER)


def _sizes(spec: Object) -> dict[str, str]:
    """What a ReplicaSet notes of its Deployment's size; an undo must not take it over as an annotation of people."""
    surge = allowed(spec)[0] if spec["strategy"].get("type") != "Recreate" else 0
    return {_DESIRED: str(spec["replicas"]), _MOST: str(spec["replicas"] + surge)}


def _revision(replica_set: Object) -> int:
    return int(replica_set["metadata"].get("annotations", {}).get(REVISION, 0))


def _available(replica_set: Object) -> int:
    available: int = replica_set.get("status", {}).get("availableReplicas", 0)
    wanted: int = replica_set["spec"]["replicas"]
    return min(available, wanted)


def _same_template(replica_set: Object, template: Object) -> bool:
    return without_label(replica_set["spec"]["template"], HASH_LABEL) == without_label(template, HASH_LABEL)


def _copied_annotations(deployment: Object) -> Object:
    annotations = deployment["metadata"].get("annotations", {})
    return {key: value for key, value in annotations.items() if not key.startswith(_NOT_COPIED)}
