"""Volumes: claims get one at once when their class exists, and a larger one a moment after they ask for it."""

import re

from remediator.sandbox.kubernetes import words
from remediator.sandbox.kubernetes.controllers.timings import Timings
from remediator.sandbox.kubernetes.quantities import quantity
from remediator.sandbox.kubernetes.resources import CLAIMS, STORAGE_CLASSES, VOLUMES, Object
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

_BINDER = Writer("kube-controller-manager", external=False)
_BINDER_STATUS = Writer("kube-controller-manager", "status", external=False)
_RESIZER = Writer("csi-resizer", "status", external=False)


class Volumes:
    """Looks after one claim at a time."""

    def __init__(self, store: ObjectStore, pace: Pace, timings: Timings) -> None:
        self._store = store
        self._pace = pace
        self._timings = timings
        self._asked_s: dict[tuple[str, str], float] = {}

    def sync(self, claim: Object) -> float | None:
        """Bind or enlarge; the seconds until a larger volume is there, or None."""
        if not claim["spec"].get("volumeName"):
            self._bind(claim)
            return None
        volume = self._store.get(VOLUMES, "", claim["spec"]["volumeName"])
        if volume is None:
            return None
        there, asked = volume["spec"]["capacity"]["storage"], claim["spec"]["resources"]["requests"]["storage"]
        if quantity(asked) <= quantity(there):
            return None
        return self._enlarge(claim, volume, asked)

    def _bind(self, claim: Object) -> None:
        volume = self._free_volume(claim) or self._provision(claim)
        if volume is None:
            return
        metadata = claim["metadata"]
        reference = {
            "kind": "PersistentVolumeClaim",
            "apiVersion": "v1",
            "namespace": metadata["namespace"],
            "name": metadata["name"],
            "uid": metadata["uid"],
        }
        taken = {**volume, "spec": {**volume["spec"], "claimRef": reference}, "status": {"phase": "Bound"}}
        self._store.update(VOLUMES, volume, taken, _BINDER)
        bound = self._store.update(
            CLAIMS, claim, {**claim, "spec": {**claim["spec"], "volumeName": volume["metadata"]["name"]}}, _BINDER
        )
        status = {
            "phase": "Bound",
            "accessModes": claim["spec"]["accessModes"],
            "capacity": {"storage": volume["spec"]["capacity"]["storage"]},
        }
        self._store.update(CLAIMS, bound, {**bound, "status": status}, _BINDER_STATUS)

    def _free_volume(self, claim: Object) -> Object | None:
        """A volume made by hand that is large enough, of the same class, and not taken."""
        wanted = quantity(claim["spec"]["resources"]["requests"]["storage"])
        for volume in self._store.all(VOLUMES):
            spec = volume["spec"]
            fits = quantity(spec["capacity"]["storage"]) >= wanted
            same = (spec.get("storageClassName") or "") == (claim["spec"].get("storageClassName") or "")
            if fits and same and not spec.get("claimRef"):
                return volume
        return None

    def _provision(self, claim: Object) -> Object | None:
        spec = claim["spec"]
        if self._store.get(STORAGE_CLASSES, "", str(spec.get("storageClassName"))) is None:
            return None
        volume: Object = {
            "metadata": {
                "name": f"pvc-{claim['metadata']['uid']}",
                "annotations": {"pv.kubernetes.io/provisioned-by": words.PROVISIONER},
            },
            "spec": {
                "capacity": {"storage": spec["resources"]["requests"]["storage"]},
                "accessModes": spec["accessModes"],
                "storageClassName": spec["storageClassName"],
                "persistentVolumeReclaimPolicy": "Delete",
            },
            "status": {"phase": "Available"},
        }
        return self._store.create(VOLUMES, volume, _BINDER)

    def _enlarge(self, claim: Object, volume: Object, asked: str) -> float | None:
        takes_s = self._resize_s(claim)
        now_s = self._pace.elapsed_s()
        key = (claim["metadata"]["uid"], asked)
        asked_s = self._asked_s.setdefault(key, now_s)
        if takes_s is None or (left_s := asked_s + takes_s - now_s) > 0:
            resizing = {"type": "Resizing", "status": "True", "lastTransitionTime": rfc3339_seconds(self._pace.now())}
            if not claim["status"].get("conditions"):
                status = {**claim["status"], "conditions": [resizing]}
                self._store.update(CLAIMS, claim, {**claim, "status": status}, _RESIZER)
            return None if takes_s is None else left_s
        del self._asked_s[key]
        grown = {**volume, "spec": {**volume["spec"], "capacity": {"storage": asked}}}
        self._store.update(VOLUMES, volume, grown, _RESIZER)
        status = {key: value for key, value in claim["status"].items() if key != "conditions"}
        status["capacity"] = {"storage": asked}
        self._store.update(CLAIMS, claim, {**claim, "status": status}, _RESIZER)
        return None

    def _resize_s(self, claim: Object) -> float | None:
        """How long the resizer takes over it; None: for ever."""
        told = (claim["metadata"].get("annotations") or {}).get(words.RESIZE, "")
        if told == "never":
            return None
        return float(told) if re.fullmatch(r"\d{1,6}(\.\d{1,6})?", told) else self._timings.resize
