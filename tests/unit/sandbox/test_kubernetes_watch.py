"""Watches and lists in pages, through the real client and as lines of JSON."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from kubernetes_asyncio import client, watch
from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox.kubernetes.resources import Object
from remediator.sandbox.kubernetes.server import KubernetesApi
from tests.unit.sandbox.manifests import Untyped, status_of, untyped

MERGE = "application/merge-patch+json"


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    """Without controllers: what is told is what the test does."""
    server = KubernetesApi(controllers=False)
    await server.start()
    yield server
    await server.stop()


def note(cluster: KubernetesApi, name: str, **labels: str) -> Object:
    return cluster.put("configmaps", {"metadata": {"name": name, "namespace": "shop", "labels": labels}})


@asynccontextmanager
async def watched(
    api: client.ApiClient, cluster: KubernetesApi, query: str, path: str = "configmaps"
) -> AsyncIterator[Any]:
    pool: Any = api.rest_client.pool_manager
    async with pool.get(f"{cluster.url}/api/v1/namespaces/shop/{path}?watch=1&{query}") as answer:
        assert answer.status == 200
        yield answer.content


async def told(lines: Any) -> tuple[str, Object]:
    async with asyncio.timeout(30):
        event = json.loads(await lines.readline())
    return event["type"], event["object"]


async def test_a_watch_tells_what_changes_after_a_version(
    api: client.ApiClient, core: Untyped, cluster: KubernetesApi
) -> None:
    note(cluster, "old")
    version = (await core.list_namespaced_config_map("shop")).metadata.resource_version
    async with watched(api, cluster, f"resourceVersion={version}") as lines:
        made = note(cluster, "new")
        await core.patch_namespaced_config_map("new", "shop", {"data": {"a": "b"}})
        await core.delete_namespaced_config_map("new", "shop")
        events = [await told(lines) for _ in range(3)]
    assert [kind for kind, _ in events] == ["ADDED", "MODIFIED", "DELETED"]
    assert {found["metadata"]["uid"] for _, found in events} == {made["metadata"]["uid"]}
    assert events[0][1]["kind"] == "ConfigMap"
    versions = [int(found["metadata"]["resourceVersion"]) for _, found in events]
    assert versions == sorted(set(versions))


@pytest.mark.parametrize("flag", ["1", "true", "True"])
async def test_a_watch_without_a_version_begins_with_what_is_there(
    api: client.ApiClient, cluster: KubernetesApi, flag: str
) -> None:
    note(cluster, "old")
    async with watched(api, cluster, f"watch={flag}") as lines:
        kind, found = await told(lines)
    assert (kind, found["metadata"]["name"]) == ("ADDED", "old")


async def test_leaving_a_selector_is_a_deletion_for_that_watch(
    api: client.ApiClient, core: Untyped, cluster: KubernetesApi
) -> None:
    note(cluster, "mine", app="a")
    async with watched(api, cluster, f"resourceVersion={cluster.store.version}&labelSelector=app=a") as lines:
        note(cluster, "other", app="b")
        await core.patch_namespaced_config_map("mine", "shop", {"metadata": {"labels": {"app": "b"}}})
        kind, found = await told(lines)
        assert (kind, found["metadata"]["labels"]) == ("DELETED", {"app": "a"})
        await core.patch_namespaced_config_map("other", "shop", {"metadata": {"labels": {"app": "a"}}})
        kind, found = await told(lines)
        assert (kind, found["metadata"]["name"]) == ("ADDED", "other")


async def test_a_watch_ends_after_its_time_with_a_bookmark(api: client.ApiClient, cluster: KubernetesApi) -> None:
    version = cluster.store.version
    async with watched(api, cluster, f"resourceVersion={version}&timeoutSeconds=1&allowWatchBookmarks=true") as lines:
        kind, found = await told(lines)
        assert (kind, found["metadata"]["resourceVersion"]) == ("BOOKMARK", version)
        assert await lines.readline() == b""


async def test_a_version_that_is_forgotten_is_an_error_event(api: client.ApiClient, cluster: KubernetesApi) -> None:
    version = cluster.store.version
    note(cluster, "one")
    cluster.watch_log.forget()
    async with watched(api, cluster, f"resourceVersion={version}") as lines:
        kind, status = await told(lines)
        assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")
        assert await lines.readline() == b""


async def test_the_clients_own_watch_understands_it(core: Untyped, cluster: KubernetesApi) -> None:
    note(cluster, "one")
    note(cluster, "two")
    names: list[str] = []
    async with watch.Watch() as stream:
        async for event in untyped(stream).stream(core.list_namespaced_config_map, "shop", timeout_seconds=5):
            names.append(event["object"].metadata.name)
            if len(names) == 2:
                break
    assert names == ["one", "two"]


async def test_a_watch_of_new_events_shows_them_in_their_shape(api: client.ApiClient, cluster: KubernetesApi) -> None:
    cluster.put(
        "events",
        {
            "metadata": {"name": "e", "namespace": "shop"},
            "involvedObject": {"kind": "Pod", "name": "one", "namespace": "shop"},
            "message": "text",
            "reason": "Because",
        },
    )
    pool: Any = api.rest_client.pool_manager
    path = "/apis/events.k8s.io/v1/namespaces/shop/events?watch=1&fieldSelector=regarding.name=one"
    async with pool.get(f"{cluster.url}{path}") as answer:
        _, found = await told(answer.content)
    assert (found["regarding"]["name"], found["note"]) == ("one", "text")


async def test_lists_come_in_pages_in_the_order_of_names(core: Untyped, cluster: KubernetesApi) -> None:
    for name in ("c", "a", "e", "b", "d"):
        note(cluster, name)
    pages: list[list[str]] = []
    token, left = None, []
    while token != "":
        kwargs: dict[str, Any] = {"_continue": token} if token else {}
        page = await core.list_namespaced_config_map("shop", limit=2, **kwargs)
        pages.append([item.metadata.name for item in page.items])
        left.append(page.metadata.remaining_item_count)
        token = page.metadata._continue or ""
    assert pages == [["a", "b"], ["c", "d"], ["e"]]
    assert left == [3, 1, None]


async def test_a_page_that_is_asked_for_too_late_is_gone(core: Untyped, cluster: KubernetesApi) -> None:
    for name in ("a", "b"):
        note(cluster, name)
    page = await core.list_namespaced_config_map("shop", limit=1)
    note(cluster, "c")
    cluster.watch_log.forget()
    with pytest.raises(ApiException) as caught:
        await core.list_namespaced_config_map("shop", limit=1, _continue=page.metadata._continue)
    assert (caught.value.status, status_of(caught.value)["reason"]) == (410, "Expired")
    with pytest.raises(ApiException) as nonsense:
        await core.list_namespaced_config_map("shop", _continue="nonsense")
    assert nonsense.value.status == 400


async def test_watching_needs_the_verb_watch(cluster: KubernetesApi) -> None:
    cluster.grant("lister", [("", "configmaps", "list", None)])
    async with client.ApiClient(client.Configuration(host=cluster.url), "Authorization", "Bearer lister") as api:
        core = untyped(client.CoreV1Api(api))
        await core.list_namespaced_config_map("shop")
        with pytest.raises(ApiException) as caught:
            await core.list_namespaced_config_map("shop", watch=True, _preload_content=True)
    assert caught.value.status == 403
