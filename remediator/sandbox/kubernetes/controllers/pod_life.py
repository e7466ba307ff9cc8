"""What a pod does next: a decision from the pod, what its kubelet remembers of it, its behaviour and the time."""

from dataclasses import dataclass

from remediator.sandbox.kubernetes.controllers import pods
from remediator.sandbox.kubernetes.controllers.timings import Timings
from remediator.sandbox.kubernetes.resources import Object

_ENDS = {"crash-loop": "Error", "oom-killed": "OOMKilled", "fail": "Error", "succeed-after": "Completed"}


@dataclass(slots=True)
class Life:
    """What a kubelet remembers of one pod; instants are the pace's elapsed seconds."""

    began_s: float
    started_s: float | None = None
    stopping_s: float | None = None
    ready_s: float | None = None
    crashed_s: float | None = None


@dataclass(frozen=True, slots=True)
class Next:
    """The status to write (None: as it is), when to look again (None: at the next change), an event to tell."""

    status: Object | None = None
    again_s: float | None = None
    event: tuple[str, str] | None = None


def look(pod: Object, life: Life, behaviour: str, timings: Timings, now_s: float, now: str) -> Next:
    """Decide, and note in `life` when containers started and crashed."""
    word, _, number = behaviour.partition(":")
    seconds = float(number) if number else None
    start_s = (seconds or timings.pod_start_slow) if word == "slow" else timings.pod_start
    if (left_s := life.began_s + start_s - now_s) > 0:
        return Next(again_s=left_s)
    if life.started_s is None:
        life.started_s = now_s
    if word == "image-error":
        message = f'Back-off pulling image "{pod["spec"]["containers"][0].get("image", "")}"'
        return Next(pods.waiting(pod, now, "ImagePullBackOff", message=message), event=("BackOff", message))
    once = pods.runs_once(pod)
    if word in ("crash-loop", "oom-killed") and not once:
        return _crash(pod, life, _ENDS[word], timings, now_s, now)
    if word not in _ENDS and not (once and word in ("healthy", "slow")):
        return Next(pods.running(pod, now, ready=word != "never-ready"))
    run_s = timings.run_once if seconds is None or word == "slow" else seconds
    if life.crashed_s is None and (left_s := life.started_s + run_s - now_s) > 0:
        return Next(pods.running(pod, now, ready=word not in ("crash-loop", "oom-killed", "fail")), left_s)
    reason = _ENDS.get(word, "Completed")
    if once and (reason == "Completed" or pod["spec"]["restartPolicy"] == "Never"):
        return Next(pods.ended(pod, now, reason))
    return _crash(pod, life, reason, timings, now_s, now)


def _crash(pod: Object, life: Life, reason: str, timings: Timings, now_s: float, now: str) -> Next:
    if life.crashed_s is not None and (left_s := life.crashed_s + timings.crash_period - now_s) > 0:
        return Next(again_s=left_s)
    life.crashed_s = now_s
    message = f"back-off restarting failed container {pod['spec']['containers'][0]['name']}"
    last_state = pods.terminated(pod, now, reason)
    crashed = pods.waiting(pod, now, "CrashLoopBackOff", message=message, last_state=last_state)
    return Next(crashed, timings.crash_period, ("BackOff", message))
