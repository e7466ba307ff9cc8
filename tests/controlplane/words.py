"""Annotations that tell the test bed's nodes and pods what to do. Those of pods stand in the pod template or on the pod itself,
and count from the moment they are set. The emulator (`remediator/sandbox/`) reads the same words."""

PREFIX = "sandbox.remediator.dev"

BEHAVIOUR = f"{PREFIX}/behaviour"
"""Pod: healthy (the default), slow[:S], never-ready, crash-loop, crash-until-restart, oom-killed, image-error, fail[:S],
succeed-after[:S]. S are whole seconds. A pod that is not restarted always (a Job's) and is healthy succeeds after a moment."""
ON_RESTART = f"{PREFIX}/on-restart"
"""Pod: the behaviour once the template carries RESTARTED_AT."""
RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"
STUCK_TERMINATING = f"{PREFIX}/stuck-terminating"
"""Pod: "true": once deleted it stays terminating until somebody deletes it with a grace period of 0."""
LOGS = f"{PREFIX}/logs"
PREVIOUS_LOGS = f"{PREFIX}/previous-logs"
"""Pod: what its containers have written, what they had written before their last restart."""
EXEC = f"{PREFIX}/exec"
"""Pod: JSON {argv[0]: {"stdout": ..., "stderr": ..., "code": ..., "after_s": ...}}; a command that is not in it echoes its argv."""

KUBELET = f"{PREFIX}/kubelet"
"""Node label: the test bed plays the kubelet of this node."""
READY = f"{PREFIX}/ready"
"""Node: "False" or "Unknown" makes it so."""

RESIZE = f"{PREFIX}/resize"
"""PersistentVolumeClaim: "never", or seconds until a larger request is given."""
PROVISIONER = f"{PREFIX}/volumes"
"""The `provisioner` of storage classes whose volumes the test bed makes, enlarges and deletes."""
