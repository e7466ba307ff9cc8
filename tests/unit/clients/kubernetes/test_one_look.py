"""Within one look everything is read once; outside of it, and after a failure, it is read anew."""

import json
from typing import Any

import pytest

from remediator.clients.kubernetes.api import KubernetesApi
from remediator.clients.kubernetes.one_look import one_look
from remediator.clients.permissions import Permission
from remediator.errors import FactsMissingError

PATH = "/apis/apps/v1/namespaces/shop/deployments/web"
READ = Permission("apps", "deployments", "get")


class Answer:
    def __init__(self, status: int, body: bytes) -> None:
        self.status, self.headers, self._body = status, dict[str, str](), body

    async def __aenter__(self) -> "Answer":
        return self

    async def __aexit__(self, *_: object) -> None:
        pass

    async def read(self) -> bytes:
        return self._body


class Server:
    """Counts what it is asked; every answer differs."""

    def __init__(self) -> None:
        self.asked = 0
        self.status = 200

    async def call_api(self, path: str, method: str, **_: Any) -> Answer:
        self.asked += 1
        return Answer(self.status, json.dumps({"path": path, "number": self.asked}).encode())


def api(server: Server) -> KubernetesApi:
    return KubernetesApi(server, dry_run=False, timeout_s=1.0)  # type: ignore[arg-type]


async def test_what_was_read_is_not_read_again_and_each_has_a_document_of_its_own() -> None:
    server = Server()
    client = api(server)
    with one_look():
        first = await client.get(PATH, READ)
        first["number"] = "changed by whoever asked first"
        assert await client.get(PATH, READ) == {"path": PATH, "number": 1}
    assert server.asked == 1


async def test_another_query_another_cluster_and_another_look_are_read() -> None:
    server, other = Server(), Server()
    client = api(server)
    with one_look():
        await client.get(PATH, READ)
        await client.get(PATH, READ, {"limit": "1"})
        await api(other).get(PATH, READ)
    with one_look():
        await client.get(PATH, READ)
    assert (await client.get(PATH, READ))["number"] == 4
    assert (await client.get(PATH, READ))["number"] == 5, "outside of a look nothing is kept"
    assert other.asked == 1


async def test_a_failure_is_not_kept() -> None:
    server = Server()
    client = api(server)
    with one_look():
        server.status = 500
        with pytest.raises(FactsMissingError):
            await client.get(PATH, READ)
        server.status = 200
        assert (await client.get(PATH, READ))["number"] == 2
