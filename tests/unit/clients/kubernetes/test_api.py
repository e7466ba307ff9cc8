"""What the library does before and after the request itself is bounded and translated too."""

from typing import Any

import aiohttp
import pytest

from remediator.clients.kubernetes.api import KubernetesApi
from remediator.clients.permissions import Permission
from remediator.errors import FactsMissingError, TransientError
from tests.support.clock import ManualClock

GET, PATCH = Permission("apps", "deployments", "get"), Permission("apps", "deployments", "patch")


class Hanging:
    """A credential plugin that never answers, before anything is sent."""

    configuration: Any = None
    rest_client: Any = None
    user_agent = "test"

    async def update_params_for_auth(
        self, headers: dict[str, str], queries: list[tuple[str, str]], auth_settings: list[str]
    ) -> None: ...

    async def call_api(self, resource_path: str, method: str, **kwargs: Any) -> aiohttp.ClientResponse:
        await ManualClock().sleep(3600)
        raise AssertionError("not reached")

    async def close(self) -> None: ...


class Failing(Hanging):
    """A token file that was removed."""

    async def call_api(self, resource_path: str, method: str, **kwargs: Any) -> aiohttp.ClientResponse:
        raise FileNotFoundError("token")


@pytest.mark.parametrize("library", [Hanging(), Failing()], ids=["hangs", "fails"])
async def test_a_credential_that_cannot_be_had_is_neither_waited_for_nor_taken_for_sent(library: Hanging) -> None:
    api = KubernetesApi(library, dry_run=False, timeout_s=0.02)
    with pytest.raises(FactsMissingError):
        await api.get("/apis", GET)
    with pytest.raises(TransientError, match="not sent"):
        await api.patch("/apis", PATCH, {}, field_manager="remediator")
