"""Reading pods, and the statuses that kubelets write."""

from remediator.sandbox.kubernetes.resources import Object

_CONDITIONS = ("PodScheduled", "Initialized", "ContainersReady", "Ready")
_EXIT_CODES = {"Completed": 0, "OOMKilled": 137}


def is_ready(pod: Object) -> bool:
    conditions = pod.get("status", {}).get("conditions", [])
    return any(found["type"] == "Ready" and found["status"] == "True" for found in conditions)


def is_terminating(pod: Object) -> bool:
    return "deletionTimestamp" in pod["metadata"]


def has_ended(pod: Object) -> bool:
    """Whether no container of the pod will ever run again."""
    return pod.get("status", {}).get("phase") in ("Succeeded", "Failed")


def is_active(pod: Object) -> bool:
    """Whether controllers count the pod: neither ended nor going away."""
    return not is_terminating(pod) and not has_ended(pod)


def runs_once(pod: Object) -> bool:
    """Whether the pod ends by itself, as those of Jobs do."""
    return bool(pod["spec"].get("restartPolicy", "Always") != "Always")


def restart_count(pod: Object) -> int:
    return sum(container["restartCount"] for container in pod.get("status", {}).get("containerStatuses", []))


def waiting_reasons(pod: Object) -> set[str]:
    """Why containers of the pod wait: CrashLoopBackOff, ImagePullBackOff, ..."""
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return {found["state"]["waiting"]["reason"] for found in statuses if "waiting" in found["state"]}


def unschedulable(pod: Object, now: str, message: str) -> Object:
    """The status of a pod for which there is no node."""
    old = next((found for found in pod["status"].get("conditions", []) if found["type"] == "PodScheduled"), None)
    condition = {
        "type": "PodScheduled",
        "status": "False",
        "reason": "Unschedulable",
        "message": message,
        "lastTransitionTime": old["lastTransitionTime"] if old is not None else now,
    }
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


def ended(pod: Object, now: str, reason: str) -> Object:
    """The last status of a pod; `reason` Completed is success."""
    phase = "Succeeded" if reason == "Completed" else "Failed"
    status = _status(pod, now, phase, terminated(pod, now, reason), ready=False, restarts=restart_count_of_first(pod))
    for condition in status["conditions"]:
        if condition["status"] == "False":
            condition |= {"reason": "PodCompleted" if phase == "Succeeded" else "PodFailed", "message": ""}
    return status


def terminated(pod: Object, now: str, reason: str) -> Object:
    """The state of containers that ended: Completed, Error, OOMKilled."""
    statuses = pod["status"].get("containerStatuses") or [{}]
    started_at = statuses[0].get("state", {}).get("running", {}).get("startedAt", now)
    code = _EXIT_CODES.get(reason, 1)
    return {"terminated": {"exitCode": code, "reason": reason, "startedAt": started_at, "finishedAt": now}}


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
