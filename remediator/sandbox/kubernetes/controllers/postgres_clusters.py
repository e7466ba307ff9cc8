"""CloudNativePG's operator as far as a switchover goes: who is primary follows, a moment later, who was asked to be."""

from remediator.sandbox.kubernetes import words
from remediator.sandbox.kubernetes.controllers.timings import Timings
from remediator.sandbox.kubernetes.resources import PODS, POSTGRES_CLUSTERS, Object
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

HEALTHY = "Cluster in healthy state"
SWITCHOVER = "Switchover in progress"
ROLE_LABELS = ("cnpg.io/instanceRole", "role")

_STATUS = Writer("manager", "status", external=False)
_OPERATOR = Writer("manager", external=False)


class PostgresClusters:
    """Looks after one cluster at a time. It makes no pods; those that bear its instances' names get their role as a label."""

    def __init__(self, store: ObjectStore, pace: Pace, timings: Timings) -> None:
        self._store = store
        self._pace = pace
        self._timings = timings
        self._asked_s: dict[str, tuple[str, float]] = {}

    def sync(self, cluster: Object) -> float | None:
        """One step; the seconds until the switchover is done, or None."""
        status, uid = cluster.get("status") or {}, cluster["metadata"]["uid"]
        if not status.get("currentPrimary"):
            self._write(cluster, self._first_status(cluster))
            return None
        target = status.get("targetPrimary", status["currentPrimary"])
        if target == status["currentPrimary"]:
            self._asked_s.pop(uid, None)
            self._label(cluster, target)
            return None
        never = (cluster["metadata"].get("annotations") or {}).get(words.SWITCHOVER) == "never"
        if never or target not in (status.get("instancesStatus") or {}).get("healthy", []):
            self._write(cluster, {**status, "phase": SWITCHOVER, "phaseReason": f"Switching over to {target}"})
            return None
        now_s = self._pace.elapsed_s()
        asked_for, asked_s = self._asked_s.get(uid, ("", now_s))
        if asked_for != target:
            asked_s = now_s
        self._asked_s[uid] = (target, asked_s)
        if (left_s := asked_s + self._timings.switchover - now_s) > 0:
            self._write(cluster, {**status, "phase": SWITCHOVER, "phaseReason": f"Switching over to {target}"})
            return left_s
        done = {key: value for key, value in status.items() if key != "phaseReason"}
        done |= {"currentPrimary": target, "currentPrimaryTimestamp": self._now(), "phase": HEALTHY}
        self._write(cluster, done)
        return None

    def _first_status(self, cluster: Object) -> Object:
        count = cluster["spec"].get("instances", 1)
        names = [f"{cluster['metadata']['name']}-{number}" for number in range(1, count + 1)]
        return {
            "instances": count,
            "readyInstances": count,
            "instanceNames": names,
            "instancesStatus": {"healthy": names},
            "currentPrimary": names[0],
            "targetPrimary": names[0],
            "currentPrimaryTimestamp": self._now(),
            "targetPrimaryTimestamp": self._now(),
            "phase": HEALTHY,
        }

    def _label(self, cluster: Object, primary: str) -> None:
        for name in (cluster.get("status") or {}).get("instanceNames", []):
            pod = self._store.get(PODS, cluster["metadata"]["namespace"], name)
            if pod is not None:
                role = "primary" if name == primary else "replica"
                labels = {**(pod["metadata"].get("labels") or {}), **dict.fromkeys(ROLE_LABELS, role)}
                self._store.update(PODS, pod, {**pod, "metadata": {**pod["metadata"], "labels": labels}}, _OPERATOR)

    def _write(self, cluster: Object, status: Object) -> None:
        self._store.update(POSTGRES_CLUSTERS, cluster, {**cluster, "status": status}, _STATUS)

    def _now(self) -> str:
        return rfc3339_seconds(self._pace.now())
