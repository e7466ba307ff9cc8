"""A command run in a container, by websocket (v4.channel.k8s.io). What it says is read up to a limit and no further."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from remediator.clients.kubernetes.names import RESOURCES
from remediator.clients.kubernetes.part import Part
from remediator.clients.kubernetes.pod_state import PodState
from remediator.clients.permissions import Permission

if TYPE_CHECKING:  # aiohttp takes half a second to import; `check` and `schema` do not need it
    import aiohttp

_POD = RESOURCES["pod"]
# The handshake of a websocket is a GET; from Kubernetes 1.35 on it needs the right to create as well, as a POST always did.
EXEC: tuple[Permission, ...] = (_POD.permission("create", "exec"), _POD.permission("get", "exec"))

_STDOUT, _STDERR, _STATUS = 1, 2, 3


@dataclass(slots=True)
class Said:
    """What a command has written, and how it ended. May hold secrets and anything else."""

    most: int
    sent: bool = True
    """False: this is a dry-run, and there is none of a command."""
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    exit_code: int | None = None
    """None: it is not known how it ended, or whether it has."""
    failure: str = ""
    """Why it could not be run, in the kubelet's words."""
    cut: bool = False
    """It had more to say; the stream was closed."""
    timed_out: bool = False
    """It had not ended; the stream was closed. The kubelet may let it run on."""

    def take(self, channel: int, said: bytes) -> bool:
        """Keep one message. False: no more is wanted."""
        if channel == _STATUS:
            self.exit_code, self.failure = _outcome(said)
            return False
        if channel not in (_STDOUT, _STDERR):
            return True
        left = self.most - len(self.stdout) - len(self.stderr)
        (self.stdout if channel == _STDOUT else self.stderr).extend(said[:left])
        self.cut = len(said) > left
        return not self.cut


class Commands(Part):
    """Of one cluster."""

    async def run(
        self, pod: PodState, container: str, command: Sequence[str], *, timeout_s: float, max_bytes: int
    ) -> Said:
        """Run it once, without a shell and without input. In a dry-run nothing is sent.

        Raises as every write does; once it runs, whatever comes is an answer.
        """
        if self._api.dry_run:
            return Said(max_bytes, sent=False)
        query = [("container", container), ("stdout", "true"), ("stderr", "true")]
        query += [("command", argument) for argument in command]
        said = Said(max_bytes)
        async with self._api.stream(_POD.path(pod.namespace, pod.name, "exec"), EXEC, query) as socket:
            try:
                async with asyncio.timeout(timeout_s):
                    await _listen(socket, said)
            except TimeoutError:
                said.timed_out = True
        return said


async def _listen(socket: "aiohttp.ClientWebSocketResponse[bool]", said: Said) -> None:
    async for message in socket:
        data = message.data
        if not isinstance(data, bytes) or (data and not said.take(data[0], data[1:])):
            return


def _outcome(status: bytes) -> tuple[int | None, str]:
    try:
        document: Any = json.loads(status)
        if document["status"] == "Success":
            return 0, ""
        causes = (document.get("details") or {}).get("causes") or ()
        codes = [int(one["message"]) for one in causes if one.get("reason") == "ExitCode"]
        return (codes[0], "") if codes else (None, str(document.get("message") or "no reason given"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None, "how it ended cannot be understood"
