"""What comes out of containers: their logs, and the output of a command run in one by websocket (v4.channel.k8s.io)."""

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from aiohttp import web

from remediator.sandbox.journal import Received
from remediator.sandbox.kubernetes import words
from remediator.sandbox.kubernetes.errors import ApiError, Cause, bad_request, invalid
from remediator.sandbox.kubernetes.query_numbers import whole_number
from remediator.sandbox.kubernetes.resources import Object, Resource
from remediator.sandbox.timekeeping import Pace

_PROTOCOL = "v4.channel.k8s.io"
_STDOUT, _STDERR, _STATUS = b"\x01", b"\x02", b"\x03"
_CHUNK = 8192
_YES = ("1", "true")


def log(pod: Object, received: Received) -> web.Response:
    """The log of a container as plain text; raises 400 for a container that has none."""
    query = received.query
    tail, limit = _count(pod, query, "tailLines"), _count(pod, query, "limitBytes")
    name = _container(pod, query.get("container"))
    if not pod["spec"].get("nodeName"):
        return web.Response(body=b"", content_type="text/plain")
    text = _text(pod, name, previous=query.get("previous", "").lower() in _YES)
    if tail is not None:
        lines = text.splitlines(keepends=True)
        text = "".join(lines[max(len(lines) - tail, 0) :])
    return web.Response(body=text.encode()[:limit], content_type="text/plain")


def _text(pod: Object, name: str, *, previous: bool) -> str:
    named = f'container "{name}" in pod "{pod["metadata"]["name"]}"'
    status = _status(pod, name)
    if previous and not status.get("lastState"):
        raise bad_request(f"previous terminated {named} not found")
    if "waiting" in status["state"] and not status.get("lastState"):
        raise bad_request(f"{named} is waiting to start: {status['state']['waiting']['reason']}")
    annotations = pod["metadata"].get("annotations") or {}
    written: str | None = annotations.get(words.PREVIOUS_LOGS if previous else words.LOGS)
    if written is not None:
        return written
    run = status["restartCount"] - (previous and "running" in status["state"])
    ended = (status.get("lastState") or status["state"]).get("terminated")
    last = "ready" if ended is None else f"fatal: {ended['reason']}"
    return f"{name}: starting (run {run})\n{name}: {last}\n"


class Command:
    """A command in a container, from the upgrade to its exit code. Raises ApiError when it cannot be run there."""

    def __init__(self, pod: Object, received: Received, pace: Pace) -> None:
        self._argv = received.repeated("command")
        self._query = received.query
        self._pace = pace
        if received.headers.get("Upgrade", "").lower() != "websocket":
            raise bad_request("Upgrade request required")
        if not self._argv:
            raise bad_request("you must specify at least one command for the container")
        phase = pod.get("status", {}).get("phase")
        if phase in ("Succeeded", "Failed"):
            raise bad_request(f"cannot exec into a container in a completed pod; current phase is {phase}")
        name = _container(pod, self._query.get("container"))
        if not pod["spec"].get("nodeName"):
            raise bad_request(f"pod {pod['metadata']['name']} does not have a host assigned")
        if "running" not in _status(pod, name)["state"]:
            raise ApiError(500, f'container not found ("{name}")')
        self._script = _scripted(pod, self._argv)

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Write what the script says, in frames as a kubelet would."""
        socket = web.WebSocketResponse(protocols=(_PROTOCOL,))
        await socket.prepare(request)
        # A real kubelet says with an empty message that the connection stands.
        await socket.send_bytes(_STDOUT)
        if await _left(socket, self._pace.sleep(float(self._script.get("after_s", 0)))):
            return socket
        for channel, stream in ((_STDOUT, "stdout"), (_STDERR, "stderr")):
            asked = self._query.get(stream, "").lower() in _YES
            said = str(self._script.get(stream, "")).encode() if asked else b""
            for start in range(0, len(said), _CHUNK):
                await socket.send_bytes(channel + said[start : start + _CHUNK])
                await asyncio.sleep(0)
        await socket.send_bytes(_STATUS + json.dumps(_outcome(int(self._script.get("code", 0)))).encode())
        await socket.close()
        return socket


async def _left(socket: web.WebSocketResponse, waiting: Coroutine[Any, Any, None]) -> bool:
    """Wait, unless whoever asked goes away first."""
    both = [asyncio.ensure_future(waiting), asyncio.ensure_future(socket.receive())]
    done, others = await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
    for other in others:
        other.cancel()
    await asyncio.gather(*others, return_exceptions=True)
    return both[0] not in done


def _scripted(pod: Object, argv: list[str]) -> dict[str, Any]:
    """What the pod's annotation says about this command; one that it does not name echoes its arguments."""
    try:
        scripts = json.loads((pod["metadata"].get("annotations") or {}).get(words.EXEC, "{}"))
    except ValueError:
        scripts = {}
    script = scripts.get(argv[0]) if isinstance(scripts, dict) else None
    return script if isinstance(script, dict) else {"stdout": " ".join(argv) + "\n"}


def _outcome(code: int) -> Object:
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def _container(pod: Object, wanted: str | None) -> str:
    """The container that is meant; raises 400 when it is not there, or not named and there are several."""
    names = [container["name"] for container in pod["spec"].get("containers", [])]
    known = names + [container["name"] for container in pod["spec"].get("initContainers") or []]
    pod_name = pod["metadata"]["name"]
    if wanted:
        if wanted not in known:
            raise bad_request(f"container {wanted} is not valid for pod {pod_name}")
        return wanted
    if len(names) != 1:
        raise bad_request(f"a container name must be specified for pod {pod_name}, choose one of: [{' '.join(names)}]")
    return str(names[0])


def _status(pod: Object, name: str) -> Object:
    waiting = {"state": {"waiting": {"reason": "ContainerCreating"}}, "lastState": {}, "restartCount": 0}
    statuses = pod.get("status", {}).get("containerStatuses", [])
    return next((found for found in statuses if found["name"] == name), waiting)


def _count(pod: Object, query: dict[str, str], field: str) -> int | None:
    number = whole_number(query.get(field))
    if number is not None and number < 0:
        text = f"Invalid value: {number}: must be greater than or equal to 0"
        options = Resource("", "v1", "pods", "PodLogOptions")
        raise invalid(options, pod["metadata"]["name"], [Cause("FieldValueInvalid", text, field)])
    return number
