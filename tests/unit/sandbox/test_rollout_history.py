"""What an undo finds: old templates by number, renumbered when they return, and trimmed by the history limit."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from remediator.sandbox import workloads
from remediator.sandbox.kubernetes.resources import CONTROLLER_REVISIONS, REPLICA_SETS, Object
from remediator.sandbox.kubernetes.server import KubernetesApi
from remediator.sandbox.timekeeping import Pace
from tests.unit.sandbox.manifests import Untyped, deployed, rolled_out

REVISION = "deployment.kubernetes.io/revision"
HERE = ("checkout", "shop")


@pytest.fixture
async def cluster() -> AsyncIterator[KubernetesApi]:
    server = KubernetesApi(pace=Pace(speed=10))
    await server.start()
    yield server
    await server.stop()


def image(tag: str) -> Object:
    containers = [{"name": "checkout", "image": f"checkout:{tag}"}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


def images(cluster: KubernetesApi, plural: str) -> set[str]:
    found = workloads.pods_of(cluster, plural, "shop", "checkout")
    return {pod["spec"]["containers"][0]["image"] for pod in found}


def revisions(cluster: KubernetesApi) -> dict[str, int]:
    """Image by number, of ControllerRevisions."""
    return {
        found["data"]["spec"]["template"]["spec"]["containers"][0]["image"]: found["revision"]
        for found in cluster.store.all(CONTROLLER_REVISIONS, "shop")
    }


async def test_kubectls_undo_of_a_deployment_numbers_the_old_replica_set_anew(
    apps: Untyped, cluster: KubernetesApi
) -> None:
    await deployed(cluster, image="checkout:1", annotations={"team": "shop"})
    await apps.patch_namespaced_deployment(*HERE, image("2"))
    await rolled_out(cluster)
    (old,) = [
        found for found in cluster.store.all(REPLICA_SETS, "shop") if found["metadata"]["annotations"][REVISION] == "1"
    ]
    assert old["metadata"]["annotations"]["team"] == "shop"
    assert old["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"] == "3"
    template: dict[str, Any] = dict(old["spec"]["template"])
    labels = {key: value for key, value in template["metadata"]["labels"].items() if key != "pod-template-hash"}
    template["metadata"] = {**template["metadata"], "labels": labels}
    kept = cluster.get("deployments", "shop", "checkout")["metadata"]["annotations"]
    await apps.patch_namespaced_deployment(
        *HERE,
        [
            {"op": "replace", "path": "/spec/template", "value": template},
            {"op": "replace", "path": "/metadata/annotations", "value": kept},
        ],
    )
    await rolled_out(cluster)
    assert images(cluster, "deployments") == {"checkout:1"}
    numbers = {
        found["spec"]["template"]["spec"]["containers"][0]["image"]: found["metadata"]["annotations"]
        for found in cluster.store.all(REPLICA_SETS, "shop")
    }
    assert (numbers["checkout:1"][REVISION], numbers["checkout:2"][REVISION]) == ("3", "2")
    assert numbers["checkout:1"]["deployment.kubernetes.io/revision-history"] == "1"
    assert cluster.get("deployments", "shop", "checkout")["metadata"]["annotations"][REVISION] == "3"


@pytest.mark.parametrize(("plural", "kind"), [("statefulsets", "stateful_set"), ("daemonsets", "daemon_set")])
async def test_data_of_a_controller_revision_is_the_patch_that_brings_its_template_back(
    apps: Untyped, cluster: KubernetesApi, plural: str, kind: str
) -> None:
    patch = getattr(apps, f"patch_namespaced_{kind}")
    await deployed(cluster, plural=plural, image="checkout:1")
    await patch(*HERE, image("2"))
    await rolled_out(cluster, plural=plural)
    assert revisions(cluster) == {"checkout:1": 1, "checkout:2": 2}
    (first,) = [found for found in cluster.store.all(CONTROLLER_REVISIONS, "shop") if found["revision"] == 1]
    assert first["data"]["spec"]["template"]["$patch"] == "replace"
    patched = await patch(*HERE, first["data"])
    assert patched.spec.template.spec.containers[0].image == "checkout:1"
    assert "$patch" not in cluster.get(plural, "shop", "checkout")["spec"]["template"]
    await rolled_out(cluster, plural=plural)
    assert images(cluster, plural) == {"checkout:1"}
    assert revisions(cluster) == {"checkout:1": 3, "checkout:2": 2}


@pytest.mark.parametrize(("plural", "kind"), [("statefulsets", "stateful_set"), ("daemonsets", "daemon_set")])
async def test_the_history_limit_forgets_the_oldest(
    apps: Untyped, cluster: KubernetesApi, plural: str, kind: str
) -> None:
    await deployed(cluster, plural=plural, image="checkout:1", spec={"revisionHistoryLimit": 1})
    for tag in ("2", "3"):
        await getattr(apps, f"patch_namespaced_{kind}")(*HERE, image(tag))
        await rolled_out(cluster, plural=plural)
    await cluster.until(lambda: len(revisions(cluster)) == 2)
    assert revisions(cluster) == {"checkout:2": 2, "checkout:3": 3}


async def test_pods_bear_the_revisions_name_in_a_stateful_set_and_its_hash_in_a_daemon_set(
    cluster: KubernetesApi,
) -> None:
    for plural in ("statefulsets", "daemonsets"):
        await deployed(cluster, plural, plural=plural)
        (revision,) = cluster.store.children(
            cluster.get(plural, "shop", plural)["metadata"]["uid"], CONTROLLER_REVISIONS
        )
        name = revision["metadata"]["name"]
        expected = name if plural == "statefulsets" else name.removeprefix("daemonsets-")
        found = workloads.pods_of(cluster, plural, "shop", plural)
        assert {pod["metadata"]["labels"]["controller-revision-hash"] for pod in found} == {expected}


@pytest.mark.parametrize(("plural", "kind"), [("statefulsets", "stateful_set"), ("daemonsets", "daemon_set")])
async def test_under_on_delete_a_deleted_pod_comes_back_with_the_new_template(
    apps: Untyped, core: Untyped, cluster: KubernetesApi, plural: str, kind: str
) -> None:
    await deployed(cluster, plural=plural, image="checkout:1", spec={"updateStrategy": {"type": "OnDelete"}})
    generation = (await getattr(apps, f"patch_namespaced_{kind}")(*HERE, image("2"))).metadata.generation
    await cluster.until(lambda: cluster.get(plural, *HERE[::-1])["status"]["observedGeneration"] == generation)
    assert images(cluster, plural) == {"checkout:1"}
    for pod in workloads.pods_of(cluster, plural, "shop", "checkout"):
        await core.delete_namespaced_pod(pod["metadata"]["name"], "shop")
    await cluster.until(lambda: images(cluster, plural) == {"checkout:2"})
