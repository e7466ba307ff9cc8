"""What the API server asks of kubelets over HTTPS: the logs of a container, and a command run in one.

Commands only by websocket with v4.channel.k8s.io, which the API server passes on as it is. For `kubectl exec` it would speak SPDY.
"""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from aiohttp import web

from tests.controlplane.api import Object
from tests.controlplane.words import EXEC, LOGS, PREVIOUS_LOGS

_PROTOCOL = "v4.channel.k8s.io"
_STDOUT, _STDERR, _STATUS = b"\x01", b"\x02", b"\x03"
_CHUNK = 8192

Pods = Mapping[tuple[str, str], Object]


@asynccontextmanager
async def serving(pods: Pods, tls: ssl.SSLContext) -> AsyncIterator[int]:
    """The port, on 127.0.0.1. `pods` by namespace and name, kept up to date by its owner."""
    asked = _Asked(pods)
    app = web.Application()
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", asked.logs)
    app.router.add_get("/exec/{namespace}/{pod}/{container}", asked.execute)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


class _Asked:
    def __init__(self, pods: Pods) -> None:
        self._pods = pods

    def _container(self, request: web.Request) -> tuple[Object, Object]:
        """Pod and status of the container; 404 when there is none."""
        at = request.match_info
        pod = self._pods.get((at["namespace"], at["pod"]))
        statuses = pod.get("status", {}).get("containerStatuses", []) if pod is not None else []
        found = next((one for one in statuses if one["name"] == at["container"]), None)
        if pod is None or found is None:
            raise web.HTTPNotFound(text=f'pod "{at["pod"]}" not found')
        return pod, found

    async def logs(self, request: web.Request) -> web.Response:
        pod, container = self._container(request)
        name, previous = (
            f'container "{container["name"]}" in pod "{pod["metadata"]["name"]}"',
            "previous" in request.query,
        )
        annotations = pod["metadata"].get("annotations") or {}
        if previous and not container.get("lastState"):
            raise web.HTTPBadRequest(text=f"previous terminated {name} not found")
        if not container["containerID"]:
            reason = container["state"]["waiting"]["reason"]
            raise web.HTTPBadRequest(text=f"{name} is waiting to start: {reason}")
        text = annotations.get(PREVIOUS_LOGS if previous else LOGS)
        if text is None:
            run = container["restartCount"] - (previous and "running" in container["state"])
            text = f"{container['name']}: starting (run {run})\n{container['name']}: {_last_word(container)}\n"
        if (tail := request.query.get("tailLines")) is not None:
            lines = text.splitlines(keepends=True)
            text = "".join(lines[max(len(lines) - int(tail), 0) :])
        limit = int(request.query.get("limitBytes", len(text.encode())))
        return web.Response(body=text.encode()[:limit], content_type="text/plain")

    async def execute(self, request: web.Request) -> web.WebSocketResponse:
        pod, container = self._container(request)
        if "running" not in container["state"]:
            raise web.HTTPInternalServerError(text=f'container not found ("{container["name"]}")')
        argv = request.query.getall("command")
        script = json.loads((pod["metadata"].get("annotations") or {}).get(EXEC, "{}")).get(argv[0])
        if script is None:
            script = {"stdout": " ".join(argv) + "\n"}
        socket = web.WebSocketResponse(protocols=(_PROTOCOL,))
        await socket.prepare(request)
        await socket.send_bytes(_STDOUT)  # a real kubelet says with an empty message that the connection stands
        await asyncio.sleep(float(script.get("after_s", 0)))
        for channel, asked, text in ((_STDOUT, "output", "stdout"), (_STDERR, "error", "stderr")):
            said = script.get(text, "").encode() if asked in request.query else b""
            for start in range(0, len(said), _CHUNK):
                await socket.send_bytes(channel + said[start : start + _CHUNK])
        await socket.send_bytes(_STATUS + json.dumps(_outcome(int(script.get("code", 0)))).encode())
        await socket.close()
        return socket


def _last_word(container: Object) -> str:
    ended = (container.get("lastState") or container["state"]).get("terminated")
    return "ready" if ended is None else f"fatal: {ended['reason']}"


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
