"""S20, S21: what must not leave does not leave. Asserted on what the simulated API server received."""

from pathlib import Path

import aiohttp
import pytest
from yarl import URL

from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.connect import connect
from remediator.clients.transport import Rules, WritePermit, open_session, permit
from remediator.clock import SystemClock
from remediator.errors import ConfigError, FactsMissingError, NotSentError
from remediator.sandbox.kubeconfig import write_kubeconfig
from remediator.sandbox.world import World
from remediator.settings import Cluster
from tests.contract.conftest import CHECKOUT, TIMEOUT_S, may_write

INTENT = "int_0123456789abcdefghjkmnpqrs"
DEPLOYMENT = "/apis/apps/v1/namespaces/shop/deployments/checkout"


def writes(world: World) -> list[str]:
    return [str(received) for received in world.kubernetes.requests if received.writes]


async def restart(client: KubernetesClient) -> None:
    workload = await client.workloads.read(CHECKOUT)
    await client.workloads.restart(workload, INTENT, client.now())


async def test_a_live_write_without_a_permit_is_refused_unsent(world: World, kubernetes: KubernetesClient) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    with pytest.raises(NotSentError, match="no write permit"):
        await restart(kubernetes)
    assert writes(world) == []


async def test_a_permit_that_ends_within_the_time_out_is_refused_unsent(
    world: World, kubernetes: KubernetesClient
) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    with (
        permit(WritePermit(SystemClock().boottime() + TIMEOUT_S - 0.01)),
        pytest.raises(NotSentError, match="less than"),
    ):
        await restart(kubernetes)
    assert writes(world) == []


async def test_a_renewed_permit_counts_at_once(world: World, kubernetes: KubernetesClient) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    held = WritePermit(0.0)
    with permit(held):
        held.valid_until = SystemClock().boottime() + 60
        await restart(kubernetes)
    assert writes(world) == [f"PATCH {DEPLOYMENT}"]


async def test_a_permit_is_checked_after_the_wait_for_a_connection(world: World, cluster: Cluster) -> None:
    """A thawed process holds a connection and a permit that has run out meanwhile."""

    def freeze(point: str) -> None:
        if point == "send.kubernetes.before":
            held.valid_until = 0.0

    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    client = await connect(cluster, name="prod", dry_run=False, clock=SystemClock(), timeout_s=TIMEOUT_S, probe=freeze)
    held = WritePermit(SystemClock().boottime() + 60)
    with permit(held), pytest.raises(NotSentError):
        await restart(client)
    await client.close()
    assert writes(world) == []


async def test_the_probe_is_told_around_the_send_of_a_write_only(world: World, cluster: Cluster) -> None:
    told: list[tuple[str, int]] = []

    def probe(point: str) -> None:
        told.append((point, len(writes(world))))

    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    client = await connect(cluster, name="prod", dry_run=False, clock=SystemClock(), timeout_s=TIMEOUT_S, probe=probe)
    with may_write():
        await restart(client)
    await client.close()
    assert told == [("send.kubernetes.before", 0), ("send.kubernetes.after", 1)]


@pytest.mark.parametrize("query", ["", "?dryRun=", "?dryRun=all", "?dryRun=All&dryRun=None", "?dryrun=All"])
async def test_the_dry_transport_refuses_an_unmarked_write_unsent(world: World, query: str) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    async with open_session(Rules("dry", SystemClock(), TIMEOUT_S, loopback_only=True)) as session:
        with may_write():
            for method in ("PATCH", "PUT", "DELETE", "POST"):
                with pytest.raises(NotSentError, match="dryRun=All"):
                    await session.request(method, f"{world.kubernetes_url}{DEPLOYMENT}{query}", json={})
    assert len(world.kubernetes.requests) == 0


_DELETED = "/api/v1/namespaces/shop/pods/checkout-1"
_UNMARKED_WITHIN = [
    ("DELETE", _DELETED, "{}"),
    ("DELETE", _DELETED, '{"dryRun": ["None"]}'),
    ("DELETE", _DELETED, "no JSON"),
    ("POST", f"{_DELETED}/eviction", ""),
    ("POST", f"{_DELETED}/eviction", '{"dryRun": ["All"]}'),
    ("POST", f"{_DELETED}/eviction", '{"deleteOptions": {}}'),
]


@pytest.mark.parametrize(("method", "path", "body"), _UNMARKED_WITHIN)
async def test_a_dry_run_is_marked_where_the_server_looks_for_it(
    world: World, method: str, path: str, body: str
) -> None:
    """A delete's or eviction's options stand in its body; a mark in the query alone would be overlooked."""
    async with open_session(Rules("dry", SystemClock(), TIMEOUT_S, loopback_only=True)) as session:
        with pytest.raises(NotSentError, match="dryRun=All"):
            await session.request(method, f"{world.kubernetes_url}{path}?dryRun=All", data=body.encode())
    assert len(world.kubernetes.requests) == 0


@pytest.mark.parametrize(
    ("path", "body"),
    [(_DELETED, '{"dryRun": ["All"]}'), (f"{_DELETED}/eviction", '{"deleteOptions": {"dryRun": ["All"]}}')],
)
async def test_what_is_marked_within_is_sent(world: World, path: str, body: str) -> None:
    method = "POST" if path.endswith("/eviction") else "DELETE"
    async with open_session(Rules("dry", SystemClock(), TIMEOUT_S, loopback_only=True)) as session:
        url = f"{world.kubernetes_url}{path}?dryRun=All"
        async with session.request(method, url, data=body, headers={"Content-Type": "application/json"}) as answered:
            assert answered.status in (400, 404)
    assert writes(world) == [f"{method} {path}"]


_THROUGH = [
    "/api/v1/namespaces/shop/pods/checkout-1/exec?command=ls",
    "/api/v1/namespaces/shop/pods/checkout-1/attach",
    "/api/v1/namespaces/shop/pods/checkout-1/portforward",
    "/api/v1/namespaces/shop/pods/checkout-1/proxy/delete-everything",
    "/api/v1/namespaces/shop/services/checkout:80/proxy/",
    "/api/v1/nodes/worker-1/proxy/exec/shop/checkout-1/app",
    "/k8s/clusters/c-1//api/v1/namespaces/shop/pods/checkout-1%2Fexec",
]


@pytest.mark.parametrize("path", _THROUGH)
async def test_what_leads_into_a_pod_counts_as_a_write_and_has_no_dry_run(world: World, path: str) -> None:
    url = URL(f"{world.kubernetes_url}{path}", encoded=True)
    for kind, said in (("live", "no write permit"), ("dry", "no dry-run"), ("read", "only reads")):
        rules = Rules(kind, SystemClock(), TIMEOUT_S, loopback_only=True)  # type: ignore[arg-type]
        async with open_session(rules) as session:
            with pytest.raises(NotSentError, match=said):
                await session.get(url.update_query(dryRun="All"))
    assert len(world.kubernetes.requests) == 0


async def test_asking_what_we_may_do_is_a_read(world: World) -> None:
    body = {"spec": {"resourceAttributes": {"group": "apps", "resource": "deployments", "verb": "patch"}}}
    async with open_session(Rules("read", SystemClock(), TIMEOUT_S, loopback_only=True)) as session:
        url = f"{world.kubernetes_url}/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
        async with session.post(url, json=body) as answered:
            assert (await answered.json())["status"]["allowed"] is True
        with pytest.raises(NotSentError, match="only reads"):
            await session.post(f"{world.kubernetes_url}/api/v1/namespaces/shop/pods", json={})


@pytest.mark.parametrize("host", ["192.0.2.1", "kubernetes.example.net", "127.0.0.1.example.net", "[2001:db8::1]"])
async def test_loopback_only_refuses_every_other_host_before_connecting(host: str) -> None:
    async with open_session(Rules("read", SystemClock(), TIMEOUT_S, loopback_only=True)) as session:
        with pytest.raises(NotSentError, match="not loopback"):
            await session.get(f"http://{host}:6443/api")


async def test_loopback_only_uses_no_proxy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://192.0.2.1:3128")
    monkeypatch.delenv("NO_PROXY", raising=False)
    rules = Rules("read", SystemClock(), TIMEOUT_S, loopback_only=True)
    async with open_session(rules) as session, session.get(f"{world.kubernetes_url}/readyz") as answered:
        assert answered.status == 200


async def test_connecting_to_another_host_is_refused_at_once(tmp_path: Path) -> None:
    path = write_kubeconfig(tmp_path / "kubeconfig", "https://192.0.2.1:6443", "secret-token")
    settings = Cluster(kubeconfig=path, loopback_only=True)
    with pytest.raises(ConfigError, match=r"clusters\.prod.*loopback_only") as refused:
        await connect(settings, name="prod", dry_run=False, clock=SystemClock(), timeout_s=TIMEOUT_S)
    assert "secret-token" not in str(refused.value)


@pytest.mark.parametrize("text", ["", "not: [yaml", "{}", "[]", '{"current-context": "gone", "contexts": []}'])
async def test_a_kubeconfig_that_cannot_be_used_is_a_config_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "kubeconfig"
    path.write_text(text)
    with pytest.raises(ConfigError, match=r"clusters\.prod"):
        await connect(Cluster(kubeconfig=path), name="prod", dry_run=True, clock=SystemClock(), timeout_s=TIMEOUT_S)


async def test_a_kubeconfig_that_is_not_there_is_told_as_that(tmp_path: Path) -> None:
    cluster = Cluster(kubeconfig=tmp_path / "gone")
    with pytest.raises(ConfigError, match=r"clusters\.prod: .*/gone cannot be used: .*No such file or directory"):
        await connect(cluster, name="prod", dry_run=True, clock=SystemClock(), timeout_s=TIMEOUT_S)


async def test_a_write_is_never_sent_again_by_the_library(world: World) -> None:
    """aiohttp repeats PUT and DELETE by itself when a kept connection breaks (its ``_retry_connection``)."""
    async with open_session(Rules("dry", SystemClock(), TIMEOUT_S, loopback_only=True)) as session:
        async with session.get(f"{world.kubernetes_url}/readyz") as kept:
            await kept.read()
        world.kubernetes.faults.add(match="DELETE *", kind="drop", times=None)
        with pytest.raises(aiohttp.ClientError):
            await session.delete(f"{world.kubernetes_url}{DEPLOYMENT}?dryRun=All")
    assert writes(world) == [f"DELETE {DEPLOYMENT}"]


async def test_a_redirected_write_is_not_followed(world: World, kubernetes: KubernetesClient) -> None:
    world.deploy("shop", "checkout")
    await world.rolled_out("shop", "checkout")
    world.kubernetes.faults.add(
        match="PATCH *", kind="status 307", headers={"Location": f"{world.kubernetes_url}/elsewhere"}
    )
    with may_write(), pytest.raises(Exception, match="307"):
        await restart(kubernetes)
    assert writes(world) == [f"PATCH {DEPLOYMENT}"]


async def test_the_token_goes_with_every_request_and_into_no_message(world: World, tmp_path: Path) -> None:
    async with World(token="the-token") as guarded:
        path = guarded.kubeconfig(tmp_path / "guarded")
        guarded.deploy("shop", "checkout")
        client = await connect(
            Cluster(kubeconfig=path), name="prod", dry_run=True, clock=SystemClock(), timeout_s=TIMEOUT_S
        )
        assert (await client.workloads.read(CHECKOUT)).replicas == 3
        guarded.kubernetes.faults.add(kind="reset")
        with pytest.raises(FactsMissingError) as failed:
            await client.workloads.read(CHECKOUT)
        await client.close()
    assert "the-token" not in f"{failed.value!r} {failed.value.__cause__!r}"
