"""What a container has written."""

from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.part import Part
from remediator.clients.kubernetes.pod_state import PodState
from remediator.clients.permissions import Permission

_POD = RESOURCES["pod"]
READ_LOGS: Permission = _POD.permission("get", "log")
_LIMIT_BYTES = 128 * 1024
"""Of one read: the server begins with the first of the lines asked for and stops there, wherever in a line that is."""


class PodLogs(Part):
    """Of one cluster."""

    async def last_lines(self, pod: PodState, container: str, lines: int, *, previous: bool) -> str:
        """The newest ones, with their times; ``previous``: of the container's run before its last restart.

        As it was written: it may hold secrets and anything else. Raises TargetNotFoundError or FactsMissingError.
        """
        query = {
            "container": container,
            "tailLines": str(lines),
            "limitBytes": str(_LIMIT_BYTES),
            "timestamps": "true",
            **({"previous": "true"} if previous else {}),
        }
        text = await self._api.text(_POD.path(pod.namespace, pod.name, "log"), READ_LOGS, query)
        if len(text.encode(errors="replace")) < _LIMIT_BYTES:
            return text
        # Half a line could be half a secret, which no pattern knows.
        return text.rpartition("\n")[0] + f"\n[cut by the server at {_LIMIT_BYTES} bytes; newer lines are missing]"
