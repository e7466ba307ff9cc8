"""Annotations that tell the test bed's nodes and pods what to do: the emulator's words, and what only a real cluster needs.

Those of pods stand in the pod template or on the pod itself, and count from the moment they are set. Behaviours are healthy (the
default), slow[:S], never-ready, crash-loop, crash-until-restart, oom-killed, image-error, fail[:S] and succeed-after[:S], with S in
whole seconds. A pod that is not restarted always (a Job's) and is healthy succeeds after a moment.
"""

from remediator.sandbox.kubernetes.words import (
    BEHAVIOUR,
    EXEC,
    LOGS,
    ON_RESTART,
    PREFIX,
    PREVIOUS_LOGS,
    PROVISIONER,
    READY,
    RESIZE,
    STUCK_TERMINATING,
)

__all__ = [
    "BEHAVIOUR",
    "EXEC",
    "KUBELET",
    "LOGS",
    "ON_RESTART",
    "PREVIOUS_LOGS",
    "PROVISIONER",
    "READY",
    "RESIZE",
    "RESTARTED_AT",
    "STUCK_TERMINATING",
]

KUBELET = f"{PREFIX}/kubelet"
"""Node label: the test bed plays the kubelet of this node."""
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
"""Pod: with it ON_RESTART holds."""
