"""Reading pods, and the statuses that kubelets write."""

from remediator.sandbox.kubernetes.resources import Object

_CONDITIONS = ("PodScheduled", "Initialized", "ContainersReady", "Ready")


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)


def is_terminating(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def restart_count(pod: Object) -> int:
    return sum(container["restartCount"] for container in pod.get("status", {}).get("containerStatuses", []))


def waiting_reasons(pod: Object) -> set[str]:
    """Why containers of the pod wait: CrashLoopBackOff, ImagePullBackOff, ..."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return {found["state"]["waiting"]["reason"] for found in statuses if "waiting" in found["state"]}


def unschedulable(pod: Object, now: str) -> Object:
    """The status of a pod for which there is no node."""
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": "0 nodes are available",
        "lastTransitionTime": now,
    }
    if any(found.get("reason") == "Unschedulable" for found in pod["status"].get("conditions", [])):
        return dict(pod["status"])
    return {"phase": "Pending", "conditions": [condition]}


def waiting(pod: Object, now: str, reason: str, *, message: str = "", last_state: Object | None = None) -> Object:
    """A status whose containers wait; with `last_state` the pod has run before and counts one restart more."""
    state: Object = {"waiting": {"reason": reason, **({"message": message} if message else {})}}
    restarts = restart_count_of_first(pod) + (1 if last_state is not None else 0)
    phase = "Pending" if last_state is None else "Running"
    return _status(pod, now, phase, state, ready=False, restarts=restarts, last_state=last_state)


def running(pod: Object, now: str, *, ready: bool) -> Object:
    """A status whose containers run."""
    statuses = pod["status"].get("containerStatuses") or [{}]
    started_at = statuses[0].get("state", {}).get("running", {}).get("startedAt", now)
    state = {"running": {"startedAt": started_at}}
    return _status(pod, now, "Running", state, ready=ready, restarts=restart_count_of_first(pod))


def restart_count_of_first(pod: Object) -> int:
    statuses = pod.get("status", {}).get("containerStatuses") or [{"restartCount": 0}]
    return int(statuses[0]["restartCount"])


def _status(
    pod: Object, now: str, phase: str, state: Object, *, ready: bool, restarts: int, last_state: Object | None = None
) -> Object:
    old = pod.get("status", {})
    old_containers = {found["name"]: found for found in old.get("containerStatuses", [])}
    containers: list[Object] = []
    for container in pod["spec"].get("containers", []):
        kept = last_state if last_state is not None else old_containers.get(container["name"], {}).get("lastState", {})
        containers.append(
            {
                "name": container["name"],
                "image": container.get("image", ""),
                "imageID": "" if phase == "Pending" else f"sandbox/{container.get('image', '')}",
                "ready": ready,
                "started": "running" in state,
                "restartCount": restarts,
                "state": state,
                "lastState": kept,
            }
        )
    status: Object = {
        "phase": phase,
        "conditions": [_condition(old, kind, now, ready=ready) for kind in _CONDITIONS],
        "containerStatuses": containers,
        "startTime": old.get("startTime", now),
        "qosClass": "BestEffort",
    }
    if phase != "Pending":
        status["podIP"] = old.get("podIP") or _address(pod["metadata"]["uid"])
    return status


def _condition(old: Object, kind: str, now: str, *, ready: bool) -> Object:
    value = "True" if ready or kind in ("PodScheduled", "Initialized") else "False"
    for found in old.get("conditions", []):
        if found["type"] == kind and found["status"] == value:
            return dict(found)
    condition: Object = {"type": kind, "status": value, "lastTransitionTime": now}
    if value == "False":
        condition |= {"reason": "ContainersNotReady", "message": "containers with unready status"}
    return condition


def _address(uid: str) -> str:
    number = int(uid[:8], 16)
    return f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
