"""Short ways to make and read workloads in these tests."""

import json
from typing import Any

from kubernetes_asyncio.client.exceptions import ApiException

from remediator.sandbox import workloads
from remediator.sandbox.kubernetes.server import KubernetesApi

# The client's type hints know neither `_content_type` nor bodies that are dicts.
Untyped = Any

RESTARTED_AT = "kubectl.kubernetes.io/restartedAt"


def restart(value: str) -> dict[str, Any]:
    """The patch body of `kubectl rollout restart`."""
    return {"spec": {"template": {"metadata": {"annotations": {RESTARTED_AT: value}}}}}


async def deployed(cluster: KubernetesApi, name: str = "checkout", plural: str = "deployments", **kwargs: Any) -> None:
    """Seed `shop/<name>` and wait until it is rolled out."""
    cluster.put(plural, workloads.manifest(plural, "shop", name, **kwargs))
    await rolled_out(cluster, name, plural)


async def rolled_out(cluster: KubernetesApi, name: str = "checkout", plural: str = "deployments") -> None:
    await cluster.until(lambda: workloads.is_rolled_out(cluster, plural, "shop", name))


def untyped(api: object) -> Untyped:
    """An API of the client, without its type hints."""
    return api


def status_of(error: ApiException) -> dict[str, Any]:
    """The Status object in the body of a refusal."""
    body = json.loads(error.body or "null")
    assert body["kind"] == "Status"
    assert body["code"] == error.status
    return dict(body)
