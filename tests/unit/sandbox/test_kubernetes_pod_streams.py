"""Logs of containers and commands run in them, through the real client."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from kubernetes_asyncio import client
from kubernetes_asyncio.client.exceptions import ApiException
from kubernetes_asyncio.stream import WsApiClient

from remediator.sandbox.kubernetes.controllers import pods
from remediator.sandbox.kubernetes.server import KubernetesApi
from remediator.sandbox.timekeeping import Pace
from tests.unit.sandbox.manifests import Untyped, status_of, untyped

PREFIX = "sandbox.remediator.dev"


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    server = KubernetesApi(pace=Pace(speed=5))
    await server.start()
    yield server
    await server.stop()


async def running(cluster: KubernetesApi, *containers: str, **annotations: str) -> None:
    told = {f"{PREFIX}/{key.replace('_', '-')}": value for key, value in annotations.items()}
    spec = {"containers": [{"name": name, "image": name} for name in containers or ("app",)]}
    cluster.put("pods", {"metadata": {"name": "one", "namespace": "shop", "annotations": told}, "spec": spec})
    await cluster.until(lambda: "containerStatuses" in cluster.get("pods", "shop", "one")["status"])


async def refused(call: Any) -> tuple[int, str]:
    with pytest.raises(ApiException) as caught:
        await call
    assert caught.value.status is not None
    return caught.value.status, status_of(caught.value)["message"]


async def test_a_log_is_what_the_annotation_says_cut_as_asked(core: Untyped, cluster: KubernetesApi) -> None:
    await running(cluster, logs="first\nsecond\nthird\n")
    read = core.read_namespaced_pod_log
    assert await read("one", "shop") == "first\nsecond\nthird\n"
    assert await read("one", "shop", tail_lines=2) == "second\nthird\n"
    assert await read("one", "shop", limit_bytes=8) == "first\nse"
    assert await read("one", "shop", tail_lines=0) == ""


async def test_a_crashed_container_has_a_previous_log_and_others_have_none(
    core: Untyped, cluster: KubernetesApi
) -> None:
    await running(cluster)
    code, message = await refused(core.read_namespaced_pod_log("one", "shop", previous=True))
    assert (code, message) == (400, 'previous terminated container "app" in pod "one" not found')
    await core.patch_namespaced_pod("one", "shop", {"metadata": {"annotations": {f"{PREFIX}/behaviour": "oom-killed"}}})
    await cluster.until(lambda: pods.restart_count(cluster.get("pods", "shop", "one")) > 0)
    assert "fatal: OOMKilled" in await core.read_namespaced_pod_log("one", "shop", previous=True)


async def test_a_container_that_never_started_has_no_log(core: Untyped, cluster: KubernetesApi) -> None:
    await running(cluster, behaviour="image-error")
    code, message = await refused(core.read_namespaced_pod_log("one", "shop"))
    assert (code, message) == (400, 'container "app" in pod "one" is waiting to start: ImagePullBackOff')


async def test_of_several_containers_one_must_be_named(core: Untyped, cluster: KubernetesApi) -> None:
    await running(cluster, "app", "proxy")
    code, message = await refused(core.read_namespaced_pod_log("one", "shop"))
    assert (code, message) == (400, "a container name must be specified for pod one, choose one of: [app proxy]")
    code, message = await refused(core.read_namespaced_pod_log("one", "shop", container="other"))
    assert (code, message) == (400, "container other is not valid for pod one")
    assert "proxy: ready" in await core.read_namespaced_pod_log("one", "shop", container="proxy")


async def execute(cluster: KubernetesApi, *argv: str, **kwargs: Any) -> tuple[str, str, dict[str, Any]]:
    """stdout, stderr and the status of a command."""
    said: dict[int, bytes] = {1: b"", 2: b"", 3: b""}
    async with WsApiClient(client.Configuration(host=cluster.url)) as api:
        connect = untyped(client.CoreV1Api(api)).connect_get_namespaced_pod_exec
        asked = {"stdout": True, "stderr": True, "stdin": False, "tty": False, **kwargs}
        socket = await connect("one", "shop", command=list(argv), _preload_content=False, **asked)
        async with socket as opened:
            async for message in opened:
                said[message.data[0]] += message.data[1:]
    return said[1].decode(), said[2].decode(), json.loads(said[3])


async def test_a_command_echoes_its_arguments(cluster: KubernetesApi) -> None:
    await running(cluster)
    out, err, status = await execute(cluster, "df", "-h", "/data")
    assert (out, err, status["status"]) == ("df -h /data\n", "", "Success")


async def test_a_command_does_what_its_script_says(cluster: KubernetesApi) -> None:
    script = {"psql": {"stdout": "x" * 20_000, "stderr": "oh", "code": 3}}
    await running(cluster, exec=json.dumps(script))
    out, err, status = await execute(cluster, "psql")
    assert (len(out), err, status["reason"]) == (20_000, "oh", "NonZeroExitCode")
    assert status["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]
    out, err, _ = await execute(cluster, "psql", stdout=False)
    assert (out, err) == ("", "oh")


async def test_nothing_runs_where_no_container_does_or_without_an_upgrade(
    core: Untyped, cluster: KubernetesApi
) -> None:
    await running(cluster, behaviour="crash-loop")
    with pytest.raises(Exception, match="500"):
        await execute(cluster, "df")
    code, _ = await refused(core.connect_get_namespaced_pod_exec("one", "shop", command=["df"]))
    assert code == 400


async def test_reading_is_no_leave_to_run(cluster: KubernetesApi) -> None:
    await running(cluster)
    cluster.grant("reader", [("", "pods/exec", "get", "shop")])
    async with client.ApiClient(client.Configuration(host=cluster.url), "Authorization", "Bearer reader") as api:
        call = untyped(client.CoreV1Api(api)).connect_get_namespaced_pod_exec("one", "shop", command=["df"])
        code, message = await refused(call)
    assert code == 403
    assert 'cannot create resource "pods/exec"' in message
