"""What a pod of the test bed does next: a decision from the pod, what is remembered of it, and the time."""

from dataclasses import dataclass
from datetime import UTC, datetime

from tests.controlplane.api import Object
from tests.controlplane.words import BEHAVIOUR, ON_RESTART, RESTARTED_AT

START_S = 0.15
SLOW_START_S = 3.0
RUN_S = 0.3
"""How long a process lives that ends by itself."""
BACK_OFF_S = 1.5

WORDS = ("healthy", "slow", "never-ready", "crash-loop", "oom-killed", "image-error", "fail", "succeed-after")


@dataclass(slots=True)
class Life:
    """What a kubelet remembers of one pod; instants are seconds of a clock that only goes forward."""

    began_s: float
    started_s: float | None = None
    """Start of the present containers."""
    crashed_s: float | None = None
    restarts: int = 0
    last_state: Object | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """The status to write (None: as it is), when to look again (None: at the next change), an event to tell."""

    status: Object | None = None
    again_s: float | None = None
    event: tuple[str, str] | None = None


def behaviour_of(pod: Object) -> tuple[str, float | None]:
    """The word and the whole seconds behind it. An unknown word is healthy: nobody else refuses annotations either."""
    annotations = pod["metadata"].get("annotations") or {}
    asked, restarted = annotations.get(BEHAVIOUR, "healthy"), RESTARTED_AT in annotations
    if asked == "crash-until-restart":
        asked = annotations.get(ON_RESTART, "healthy") if restarted else "crash-loop"
    elif restarted:
        asked = annotations.get(ON_RESTART, asked)
    word, _, seconds = asked.partition(":")
    return (word if word in WORDS else "healthy"), float(seconds) if seconds.isdecimal() else None


def look(pod: Object, life: Life, now_s: float) -> Next:
    """Decide, and note in `life` what happened to the containers."""
    word, seconds = behaviour_of(pod)
    if word == "image-error":
        image = pod["spec"]["containers"][0]["image"]
        message = f'Back-off pulling image "{image}"'
        return Next(waiting(pod, life, "ImagePullBackOff", message), event=("BackOff", message))
    if life.crashed_s is not None:
        if (left := life.crashed_s + BACK_OFF_S - now_s) > 0 and word in ("crash-loop", "oom-killed", "fail"):
            return Next(again_s=left)
        life.crashed_s, life.started_s = None, now_s
        life.restarts += 1
    if life.started_s is None:
        start = (seconds or SLOW_START_S) if word == "slow" else START_S
        if (left := life.began_s + start - now_s) > 0:
            return Next(again_s=left)
        life.started_s = now_s
    return _run(pod, life, now_s, word, seconds)


def _run(pod: Object, life: Life, now_s: float, word: str, seconds: float | None) -> Next:
    assert life.started_s is not None
    once = pod["spec"].get("restartPolicy", "Always") != "Always"
    ends = word in ("crash-loop", "oom-killed", "fail", "succeed-after") or (once and word in ("healthy", "slow"))
    if not ends:
        return Next(running(pod, life, ready=word != "never-ready"))
    span = RUN_S if seconds is None or word == "slow" else seconds
    if (left := life.started_s + span - now_s) > 0:
        return Next(running(pod, life, ready=once or word == "succeed-after"), left)
    succeeded = word in ("healthy", "slow", "succeed-after")
    state = terminated(life, now_s, "Completed" if succeeded else "OOMKilled" if word == "oom-killed" else "Error")
    if succeeded and once:
        return Next(ended(pod, life, "Succeeded", state))
    if pod["spec"].get("restartPolicy") == "Never":
        return Next(ended(pod, life, "Failed", state))
    life.last_state = state
    if life.restarts == 0:  # the first time it is started again at once
        life.restarts, life.started_s = 1, now_s
        return Next(running(pod, life, ready=False), RUN_S)
    life.crashed_s = now_s
    message = f"back-off restarting failed container {pod['spec']['containers'][0]['name']}"
    return Next(waiting(pod, life, "CrashLoopBackOff", message), BACK_OFF_S, ("BackOff", message))


def waiting(pod: Object, life: Life, reason: str, message: str) -> Object:
    """Containers that do not run; a pod that has run before stays in phase Running."""
    phase = "Pending" if life.last_state is None else "Running"
    return _status(pod, life, phase, {"waiting": {"reason": reason, "message": message}}, ready=False)


def running(pod: Object, life: Life, *, ready: bool) -> Object:
    statuses = pod.get("status", {}).get("containerStatuses") or [{}]
    at = statuses[0].get("state", {}).get("running", {}).get("startedAt") or rfc3339()
    return _status(pod, life, "Running", {"running": {"startedAt": at}}, ready=ready)


def ended(pod: Object, life: Life, phase: str, state: Object) -> Object:
    """A pod that will not run again."""
    return _status(pod, life, phase, state, ready=False)


def terminated(life: Life, now_s: float, reason: str) -> Object:
    code = {"Completed": 0, "OOMKilled": 137}.get(reason, 1)
    started = rfc3339(ago_s=now_s - (life.started_s or now_s))
    identity = f"sandbox://{life.restarts}"
    return {
        "terminated": {
            "exitCode": code,
            "reason": reason,
            "startedAt": started,
            "finishedAt": rfc3339(),
            "containerID": identity,
        }
    }


def _status(pod: Object, life: Life, phase: str, state: Object, *, ready: bool) -> Object:
    old = pod.get("status", {})
    before = {one["type"]: one for one in old.get("conditions", [])}
    has_run = phase != "Pending"
    status: Object = {
        "phase": phase,
        "hostIP": "127.0.0.1",
        "startTime": old.get("startTime") or rfc3339(),
        "conditions": [
            _condition(before, "PodReadyToStartContainers", has_run),
            _condition(before, "Initialized", True),
            _condition(before, "ContainersReady", ready),
            _condition(before, "Ready", ready),
        ],
        "containerStatuses": [_container(one, life, state, ready) for one in pod["spec"]["containers"]],
    }
    if inits := pod["spec"].get("initContainers"):
        done = old.get("initContainerStatuses", [{}])[0].get("state") or terminated(life, 0.0, "Completed")
        status["initContainerStatuses"] = [_container(one, Life(0.0), done, True) for one in inits]
    if has_run:
        status["podIP"] = old.get("podIP") or _address(pod["metadata"]["uid"])
        status["podIPs"] = [{"ip": status["podIP"]}]
    return status


def _container(container: Object, life: Life, state: Object, ready: bool) -> Object:
    has_run = "waiting" not in state or life.last_state is not None
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": f"sandbox://{container['image']}" if has_run else "",
        "containerID": f"sandbox://{life.restarts}" if has_run else "",
        "ready": ready,
        "started": "running" in state,
        "restartCount": life.restarts,
        "state": state,
        "lastState": life.last_state or {},
    }


def _condition(before: dict[str, Object], kind: str, holds: bool) -> Object:
    value = str(holds)
    if (found := before.get(kind)) is not None and found["status"] == value:
        return found
    condition: Object = {
        "type": kind,
        "status": value,
        "lastTransitionTime": rfc3339(),
        "reason": None,
        "message": None,
    }
    if not holds and kind in ("ContainersReady", "Ready"):
        condition |= {"reason": "ContainersNotReady", "message": "containers with unready status"}
    return condition


def _address(uid: str) -> str:
    number = int(uid[:4], 16)
    return f"10.244.{number >> 8}.{number & 255}"


def rfc3339(ago_s: float = 0.0) -> str:
    """Now, in the whole seconds that kubelets write."""
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() - ago_s, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
