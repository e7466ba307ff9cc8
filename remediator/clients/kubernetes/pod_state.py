"""A pod as whoever looks for a cause wants it: its containers, what they do now, and how they ended last."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

_DEFAULT_CONTAINER = "kubectl.kubernetes.io/default-container"


@dataclass(frozen=True, slots=True)
class Ending:
    """How a container ended."""

    reason: str
    exit_code: int
    signal: int
    message: str
    at: datetime | None

    def __str__(self) -> str:
        signal = f", signal {self.signal}" if self.signal else ""
        at = f" at {self.at:%Y-%m-%dT%H:%M:%SZ}" if self.at is not None else ""
        said = f": {self.message.strip()}" if self.message.strip() else ""
        return f"{self.reason or 'ended'} (exit code {self.exit_code}{signal}){at}{said}"


@dataclass(frozen=True, slots=True)
class ContainerState:
    """One container of a pod."""

    name: str
    ready: bool
    restarts: int
    waiting: str
    """Why it waits, in the kubelet's words; empty if it does not."""
    running_since: datetime | None
    ended: Ending | None
    ended_before: Ending | None
    """How the run before the present one ended."""

    def __str__(self) -> str:
        if self.waiting:
            now = f"waiting: {self.waiting}"
        elif self.ended is not None:
            now = f"ended: {self.ended}"
        elif self.running_since is not None:
            now = f"running since {self.running_since:%Y-%m-%dT%H:%M:%SZ}"
        else:
            now = "not started"
        last = f"; before: {self.ended_before}" if self.ended_before is not None else ""
        return f"{self.name}: {now}, {'' if self.ready else 'not '}ready, {self.restarts} restarts{last}"


@dataclass(frozen=True, slots=True)
class PodState:
    """One read of one pod."""

    namespace: str
    name: str
    uid: str
    node: str
    """Empty until it is scheduled."""
    phase: str
    reason: str
    """Why it is so, such as ``Evicted: The node was low on resource: memory``; often empty."""
    ready: bool
    terminating: bool
    created_at: datetime
    owner: tuple[str, str]
    """Kind and name of its controller; empty without one."""
    containers: tuple[ContainerState, ...]
    """Those that start it first; empty until a kubelet has taken it."""
    names: tuple[str, ...]
    """Of its containers as the spec lists them, the default one first."""

    @property
    def restarts(self) -> int:
        return sum(container.restarts for container in self.containers)

    @property
    def well(self) -> bool:
        """Ready, or ended as it should."""
        return self.ready or self.phase == "Succeeded"

    @property
    def usable(self) -> bool:
        """Can it be asked anything?"""
        return self.ready and not self.terminating


def sick_first(pods: tuple[PodState, ...]) -> tuple[PodState, ...]:
    """Those that say most about what is wrong come first; of equal ones the order never changes."""
    return tuple(sorted(pods, key=lambda pod: (pod.well, not pod.terminating, -pod.restarts, pod.namespace, pod.name)))


def pod_state_from(document: Mapping[str, Any]) -> PodState:
    """Raises KeyError, TypeError, ValueError or AttributeError for what is not as expected."""
    metadata, spec, status = document["metadata"], document["spec"], document.get("status") or {}
    owners = [one for one in metadata.get("ownerReferences") or () if one.get("controller")]
    statuses = [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]
    names = [str(one["name"]) for one in spec["containers"]]
    default = (metadata.get("annotations") or {}).get(_DEFAULT_CONTAINER)
    conditions = status.get("conditions") or ()
    why = [str(status[key]) for key in ("reason", "message") if status.get(key)]
    why += [
        f"{one.get('reason')}: {one.get('message', '')}"
        for one in conditions
        if one.get("type") == "PodScheduled" and one.get("status") == "False"
    ]
    return PodState(
        namespace=str(metadata["namespace"]),
        name=str(metadata["name"]),
        uid=str(metadata["uid"]),
        node=str(spec.get("nodeName") or ""),
        phase=str(status.get("phase") or ""),
        reason=": ".join(why),
        ready=any(one.get("type") == "Ready" and one.get("status") == "True" for one in conditions),
        terminating=bool(metadata.get("deletionTimestamp")),
        created_at=datetime.fromisoformat(metadata["creationTimestamp"]),
        owner=(str(owners[0]["kind"]), str(owners[0]["name"])) if owners else ("", ""),
        containers=tuple(map(_container, statuses)),
        names=tuple(sorted(names, key=lambda name: name != default)),
    )


def _container(status: Mapping[str, Any]) -> ContainerState:
    state = status.get("state") or {}
    waiting, running = state.get("waiting") or {}, state.get("running") or {}
    why = [str(waiting[key]) for key in ("reason", "message") if waiting.get(key)]
    return ContainerState(
        name=str(status["name"]),
        ready=bool(status.get("ready")),
        restarts=int(status.get("restartCount") or 0),
        waiting=": ".join(why) or ("no reason given" if "waiting" in state else ""),
        running_since=_instant(running.get("startedAt")),
        ended=_ending(state.get("terminated")),
        ended_before=_ending((status.get("lastState") or {}).get("terminated")),
    )


def _ending(terminated: Mapping[str, Any] | None) -> Ending | None:
    if not terminated:
        return None
    return Ending(
        reason=str(terminated.get("reason") or ""),
        exit_code=int(terminated.get("exitCode") or 0),
        signal=int(terminated.get("signal") or 0),
        message=str(terminated.get("message") or ""),
        at=_instant(terminated.get("finishedAt")),
    )


def _instant(text: Any) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
