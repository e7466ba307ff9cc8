"""Reading, listing, creating and deleting through the real client, and what the server says when it will not."""

import asyncio
from datetime import UTC, datetime

import aiohttp
import pytest
from kubernetes_asyncio import client, config
from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox import workloads
from remediator.sandbox.kubeconfig import write_kubeconfig
from remediator.sandbox.kubernetes.resources import Resource
from remediator.sandbox.kubernetes.server import KubernetesApi
from tests.unit.sandbox.manifests import Untyped, deployed, status_of, untyped


def pod(name: str, **labels: str) -> dict[str, object]:
    return {
        "metadata": {"name": name, "namespace": "shop", "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "x"}]},
    }


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        ("app=a", {"one"}),
        ("app==a", {"one"}),
        ("app!=a", {"two", "three"}),
        ("app in (a, b)", {"one", "two"}),
        ("app notin (a,b)", {"three"}),
        ("tier", {"two"}),
        ("!tier,app", {"one"}),
        ("app in (a,b),tier=x", {"two"}),
        ("", {"one", "two", "three"}),
    ],
)
async def test_label_selectors(core: Untyped, cluster: KubernetesApi, selector: str, found: set[str]) -> None:
    for made in (pod("one", app="a"), pod("two", app="b", tier="x"), pod("three")):
        cluster.put("pods", dict(made))
    listed = await core.list_namespaced_pod("shop", label_selector=selector)
    assert {item.metadata.name for item in listed.items} == found


async def test_a_bad_selector_is_a_bad_request(core: Untyped) -> None:
    for arguments in ({"label_selector": "a in b"}, {"field_selector": "spec.colour=red"}):
        with pytest.raises(ApiException) as caught:
            await core.list_namespaced_pod("default", **arguments)
        assert caught.value.status == 400


async def test_field_selectors_find_pods_by_node_and_phase(core: Untyped, cluster: KubernetesApi) -> None:
    await deployed(cluster)
    node = workloads.pods_of(cluster, "deployments", "shop", "checkout")[0]["spec"]["nodeName"]
    listed = await core.list_pod_for_all_namespaces(field_selector=f"spec.nodeName={node},status.phase=Running")
    assert [item.spec.node_name for item in listed.items] == [node]
    assert (await core.list_pod_for_all_namespaces(field_selector="status.phase=Failed")).items == []


async def test_items_of_a_list_carry_no_kind_and_the_list_a_version(apps: Untyped, cluster: KubernetesApi) -> None:
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout"))
    listed = await apps.list_namespaced_deployment("shop")
    assert listed.kind == "DeploymentList"
    assert listed.metadata.resource_version
    assert listed.items[0].kind is None
    assert (await apps.read_namespaced_deployment("checkout", "shop")).kind == "Deployment"


async def test_a_missing_object_is_a_status_that_names_it(apps: Untyped) -> None:
    with pytest.raises(ApiException) as caught:
        await apps.read_namespaced_deployment("missing", "shop")
    status = status_of(caught.value)
    assert (status["reason"], status["code"]) == ("NotFound", 404)
    assert status["details"] == {"name": "missing", "group": "apps", "kind": "deployments"}


async def test_creating_answers_201_and_a_taken_name_409(apps: Untyped, cluster: KubernetesApi) -> None:
    cluster.add_namespace("shop")
    made = workloads.manifest("deployments", "shop", "checkout")
    _, code, _ = await apps.create_namespaced_deployment_with_http_info("shop", made)
    assert code == 201
    with pytest.raises(ApiException) as caught:
        await apps.create_namespaced_deployment("shop", made)
    assert (caught.value.status, status_of(caught.value)["reason"]) == (409, "AlreadyExists")


async def test_creating_in_a_missing_namespace_is_404(apps: Untyped) -> None:
    with pytest.raises(ApiException) as caught:
        await apps.create_namespaced_deployment("nowhere", workloads.manifest("deployments", "nowhere", "checkout"))
    assert caught.value.status == 404


@pytest.mark.parametrize("name", ["Upper", "a_b", "-a", "a" * 254])
async def test_names_are_checked(apps: Untyped, name: str) -> None:
    with pytest.raises(ApiException) as caught:
        await apps.create_namespaced_deployment("default", workloads.manifest("deployments", "default", name))
    assert caught.value.status == 422


async def test_a_deployment_gets_its_defaults_and_must_select_its_own_pods(apps: Untyped) -> None:
    made = workloads.manifest("deployments", "default", "a")
    del made["spec"]["replicas"]
    created = await apps.create_namespaced_deployment("default", made)
    assert (created.spec.replicas, created.spec.progress_deadline_seconds) == (1, 600)
    other = workloads.manifest("deployments", "default", "b", spec={"selector": {"matchLabels": {"app": "x"}}})
    with pytest.raises(ApiException) as caught:
        await apps.create_namespaced_deployment("default", other)
    assert caught.value.status == 422


async def test_an_autoscaler_with_a_minimum_above_its_maximum_is_invalid(api: client.ApiClient) -> None:
    spec = {"scaleTargetRef": {"kind": "Deployment", "name": "a"}, "minReplicas": 5, "maxReplicas": 2}
    with pytest.raises(ApiException) as caught:
        await untyped(client.AutoscalingV2Api(api)).create_namespaced_horizontal_pod_autoscaler(
            "default", {"metadata": {"name": "a"}, "spec": spec}
        )
    assert caught.value.status == 422


async def test_events_can_be_written_in_the_new_shape_and_read_in_the_old(api: client.ApiClient, core: Untyped) -> None:
    event = {
        "metadata": {"generateName": "remediator-", "namespace": "default"},
        "eventTime": datetime(2026, 1, 1, 1, 1, 1, 123456, tzinfo=UTC).isoformat(),
        "action": "Restart",
        "reason": "Remediated",
        "note": "restarted",
        "type": "Normal",
        "reportingController": "remediator",
        "reportingInstance": "remediator-0",
        "regarding": {"kind": "Deployment", "name": "checkout", "namespace": "default"},
    }
    created = await untyped(client.EventsV1Api(api)).create_namespaced_event("default", event)
    assert created.note == "restarted"
    listed = await core.list_namespaced_event("default", field_selector="involvedObject.name=checkout")
    assert [found.message for found in listed.items] == ["restarted"]
    with pytest.raises(ApiException) as caught:
        await untyped(client.EventsV1Api(api)).create_namespaced_event("default", {**event, "action": ""})
    assert caught.value.status == 422


async def test_a_delete_with_another_uid_is_a_conflict_and_deletes_nothing(
    core: Untyped, cluster: KubernetesApi
) -> None:
    cluster.put("pods", dict(pod("one")))
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid="other"))
    with pytest.raises(ApiException) as caught:
        await core.delete_namespaced_pod("one", "shop", body=options)
    assert caught.value.status == 409
    assert "deletionTimestamp" not in cluster.get("pods", "shop", "one")["metadata"]


async def test_a_deleted_pod_stays_listed_for_a_moment_and_is_then_gone(core: Untyped, cluster: KubernetesApi) -> None:
    cluster.put("pods", dict(pod("one")))
    uid = cluster.get("pods", "shop", "one")["metadata"]["uid"]
    options = client.V1DeleteOptions(preconditions=client.V1Preconditions(uid=uid))
    deleted = await core.delete_namespaced_pod("one", "shop", body=options)
    assert deleted.metadata.deletion_timestamp is not None
    assert (await core.read_namespaced_pod("one", "shop")).metadata.deletion_timestamp is not None

    def gone() -> bool:
        return next(iter(cluster.store.all(cluster.registry.by_plural("pods"), "shop")), None) is None

    await cluster.until(gone)


async def test_deleting_a_deployment_takes_its_pods_along_and_orphan_leaves_them(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    await deployed(cluster, "checkout")
    await deployed(cluster, "orphaned")
    await apps.delete_namespaced_deployment("checkout", "shop", propagation_policy="Background")
    await apps.delete_namespaced_deployment("orphaned", "shop", propagation_policy="Orphan")
    pods = cluster.registry.by_plural("pods")

    def of(app: str) -> int:
        return sum(found["metadata"]["labels"]["app"] == app for found in cluster.store.all(pods, "shop"))

    await cluster.until(lambda: of("checkout") == 0)
    assert of("orphaned") == 3


async def test_a_further_resource_is_one_line(api: client.ApiClient, cluster: KubernetesApi) -> None:
    cluster.registry.register(Resource("cert-manager.io", "v1", "certificates", "Certificate", built_in=False))
    cluster.put("certificates", {"metadata": {"name": "tls", "namespace": "shop"}, "spec": {}})
    read = await untyped(client.CustomObjectsApi(api)).get_namespaced_custom_object(
        "cert-manager.io", "v1", "shop", "certificates", "tls"
    )
    assert read["kind"] == "Certificate"


async def test_access_reviews_allow_all_but_what_was_denied(
    api: client.ApiClient, apps: Untyped, cluster: KubernetesApi
) -> None:
    cluster.put("deployments", workloads.manifest("deployments", "shop", "checkout"))
    cluster.deny("patch", "deployments", "scale")

    async def allowed(subresource: str) -> bool:
        attributes = {"group": "apps", "resource": "deployments", "verb": "patch", "namespace": "shop"}
        review = await untyped(client.AuthorizationV1Api(api)).create_self_subject_access_review(
            {"spec": {"resourceAttributes": {**attributes, "subresource": subresource}}}
        )
        return bool(review.status.allowed)

    assert await allowed("")
    assert not await allowed("scale")
    with pytest.raises(ApiException) as caught:
        await apps.patch_namespaced_deployment_scale("checkout", "shop", {"spec": {"replicas": 1}})
    assert (caught.value.status, status_of(caught.value)["reason"]) == (403, "Forbidden")


async def test_with_a_token_configured_requests_need_it(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = KubernetesApi(token="s3cret")
    await server.start()
    try:
        kubeconfig = write_kubeconfig(tmp_path_factory.mktemp("kube") / "config", server.url, "s3cret")
        configuration = client.Configuration()
        await config.load_kube_config(str(kubeconfig), client_configuration=configuration)
        async with client.ApiClient(configuration) as api:
            assert len((await untyped(client.CoreV1Api(api)).list_node()).items) == 3
        async with client.ApiClient(client.Configuration(host=server.url)) as api:
            with pytest.raises(ApiException) as caught:
                await untyped(client.CoreV1Api(api)).list_node()
            assert caught.value.status == 401
    finally:
        await server.stop()


@pytest.mark.parametrize("path", ["/version", "/readyz", "/livez", "/api", "/apis", "/apis/apps/v1"])
async def test_the_server_describes_itself(cluster: KubernetesApi, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(cluster.url + path) as answer:
        assert answer.status == 200


@pytest.mark.parametrize("path", ["/", "/apis/apps/v1/widgets", "/nonsense"])
async def test_unknown_paths_are_404_in_plain_text(cluster: KubernetesApi, path: str) -> None:
    async with aiohttp.ClientSession() as session, session.get(cluster.url + path) as answer:
        assert answer.status == 404
        assert await answer.text() == "404 page not found\n"


async def test_the_server_listens_on_loopback_only_and_keeps_its_port_over_a_restart(cluster: KubernetesApi) -> None:
    url = cluster.url
    assert url.startswith("http://127.0.0.1:")
    await cluster.stop()
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", int(url.rpartition(":")[2]))
    await cluster.start()
    assert cluster.url == url
