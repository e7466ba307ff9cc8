"""One request to the API server: the only place that calls kubernetes_asyncio, and the last that sees a foreign error.

Every request has a time-out (the library has none by default), every write carries a field manager and, in a dry-run,
``dryRun=All``; none is repeated, and no redirect is followed.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol

from remediator.clients.kubernetes.errors import Refusal, read_refused, write_refused
from remediator.clients.kubernetes.one_look import seen
from remediator.clients.permissions import Permission
from remediator.errors import FactsMissingError, NotSentError, OutcomeUnknownError, StepError, TransientError

if TYPE_CHECKING:  # aiohttp takes half a second to import; `check` and `schema` do not need it
    import aiohttp

Method = Literal["GET", "PATCH", "POST", "DELETE"]
Refused = Callable[[str, Refusal, str], StepError]
Failed = Callable[[str, str, bool], StepError]

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
JSON_PATCH = "application/json-patch+json"

WRITES = frozenset({"patch", "create", "delete"})
"""The methods that change something; each goes out marked in a dry-run, which a test compares with what is sent."""


class ApiClient(Protocol):
    """What is used of ``kubernetes_asyncio.client.ApiClient``."""

    configuration: Any
    rest_client: Any
    user_agent: str

    def call_api(self, resource_path: str, method: str, **kwargs: Any) -> Awaitable["aiohttp.ClientResponse"]: ...

    def update_params_for_auth(
        self, headers: dict[str, str], queries: list[tuple[str, str]], auth_settings: list[str]
    ) -> Awaitable[None]: ...

    async def close(self) -> None: ...


class KubernetesApi:
    """Sends requests to one cluster. ``dry_run`` marks each write; that it is marked is checked again by the transport.

    Every write raises:
        NotSentError, TransientError: nothing was changed.
        ConflictError: the object is not as the request presupposes (version, uid), or exists already; nothing was changed.
        PermanentError: refused; nothing was changed.
        OutcomeUnknownError: it left, and no certain answer came.
    """

    def __init__(self, api_client: ApiClient, *, dry_run: bool, timeout_s: float) -> None:
        self._api_client = api_client
        self._timeout_s = timeout_s
        self.dry_run = dry_run

    async def close(self) -> None:
        """Close its connections."""
        await self._api_client.close()

    async def get(self, path: str, permission: Permission, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """Read; within ``one_look`` once.

        Raises:
            TargetNotFoundError: the named object does not exist.
            FactsMissingError: everything else that is not an answer.
        """
        asked, look = dict(query or {}), seen()
        key = (id(self), path, tuple(sorted(asked.items())))
        content = None if look is None else look.get(key)
        if content is None:
            content = await self._request("GET", path, permission, asked, None, None, read_refused, _read_failed)
            if look is not None:
                look[key] = content
        return _document(content, f"GET {path}", _read_failed)

    async def text(self, path: str, permission: Permission, query: Mapping[str, str] | None = None) -> str:
        """Read something that is no JSON, such as a log. What is no UTF-8 is replaced. Raises as ``get`` does."""
        call = self._request("GET", path, permission, dict(query or {}), None, None, read_refused, _read_failed)
        return (await call).decode(errors="replace")

    async def ask(self, path: str, permission: Permission, question: dict[str, Any]) -> dict[str, Any]:
        """A POST that only asks, such as a review of access: nothing is stored, dry-run or not. Raises as ``get`` does."""
        return await self._call("POST", path, permission, {}, question, None, read_refused, _read_failed)

    async def patch(
        self,
        path: str,
        permission: Permission,
        body: dict[str, Any] | list[Any],
        *,
        field_manager: str,
        content_type: str = MERGE_PATCH,
    ) -> dict[str, Any]:
        """One patch, sent once."""
        query = {"fieldManager": field_manager, "fieldValidation": "Strict"}
        return await self._write("PATCH", path, permission, query, body, content_type)

    async def create(
        self, path: str, permission: Permission, body: dict[str, Any], *, field_manager: str
    ) -> dict[str, Any]:
        """One POST, sent once. ConflictError when an object of this name is there already."""
        query = {"fieldManager": field_manager, "fieldValidation": "Strict"}
        return await self._write("POST", path, permission, query, body, "application/json")

    async def delete(self, path: str, permission: Permission, *, uid: str, **options: Any) -> dict[str, Any]:
        """One DELETE of exactly the object of this uid, sent once; ``options`` are further DeleteOptions."""
        body = {"kind": "DeleteOptions", "apiVersion": "v1", "preconditions": {"uid": uid}, **options}
        if self.dry_run:
            # With a body the server reads the options from there alone: a mark in the query would be overlooked, and it would delete.
            body["dryRun"] = ["All"]
        return await self._write("DELETE", path, permission, {}, body, "application/json")

    @asynccontextmanager
    async def stream(
        self, path: str, permissions: Sequence[Permission], query: Sequence[tuple[str, str]]
    ) -> AsyncIterator["aiohttp.ClientWebSocketResponse[bool]"]:
        """A websocket into a container. Raises as a write does until it is open; there is no dry-run of it (see transport.py)."""
        import aiohttp

        from remediator.clients.transport import departure

        what, headers = f"GET {path}", {"User-Agent": self._api_client.user_agent}
        with departure() as watched:
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._api_client.update_params_for_auth(headers, [], ["BearerToken"])
                    socket = await self._api_client.rest_client.pool_manager.open_stream(
                        f"{self._api_client.configuration.host}{path}", query, headers
                    )
            except NotSentError:
                raise
            except TimeoutError:
                raise _write_failed(what, f"no answer within {self._timeout_s:g} s", watched.begun) from None
            except aiohttp.WSServerHandshakeError as error:
                needed = " or missing permission: ".join(map(str, permissions))
                raise write_refused(what, Refusal(error.status, b""), needed) from None
            except Exception as error:
                raise _write_failed(what, f"{type(error).__name__}: {str(error)[:300]}", watched.begun) from None
        async with socket:
            yield socket

    async def _write(
        self,
        method: Method,
        path: str,
        permission: Permission,
        query: dict[str, str],
        body: dict[str, Any] | list[Any],
        content_type: str,
    ) -> dict[str, Any]:
        if self.dry_run:
            query["dryRun"] = "All"
        return await self._call(method, path, permission, query, body, content_type, write_refused, _write_failed)

    async def _call(
        self,
        method: Method,
        path: str,
        permission: Permission,
        query: dict[str, str],
        body: dict[str, Any] | list[Any] | None,
        content_type: str | None,
        refused: Refused,
        failed: Failed,
    ) -> dict[str, Any]:
        content = await self._request(method, path, permission, query, body, content_type, refused, failed)
        return _document(content, f"{method} {path}", failed)

    async def _request(
        self,
        method: Method,
        path: str,
        permission: Permission,
        query: dict[str, str],
        body: dict[str, Any] | list[Any] | None,
        content_type: str | None,
        refused: Refused,
        failed: Failed,
    ) -> bytes:
        from remediator.clients.transport import departure

        what = f"{method} {path}"
        with departure() as watched:
            try:
                async with asyncio.timeout(self._timeout_s):
                    status, headers, content = await self._exchange(method, path, query, body, content_type)
            except NotSentError as error:
                if failed is _read_failed:
                    raise FactsMissingError(f"{what}: {error}") from None
                raise
            except TimeoutError:
                raise failed(what, f"no answer within {self._timeout_s:g} s", watched.begun) from None
            except Exception as error:
                # Whatever the library, its token loader or aiohttp raises: nothing foreign passes (S20). Only what is known
                # about the departure decides what it means.
                raise failed(what, f"{type(error).__name__}: {str(error)[:300]}", watched.begun) from None
        if not 200 <= status < 300:
            raise refused(what, Refusal(status, content, headers.get("Retry-After")), str(permission))
        return content

    async def _exchange(
        self, method: str, path: str, query: dict[str, str], body: Any, content_type: str | None
    ) -> tuple[int, Mapping[str, str], bytes]:
        headers = {"Accept": "application/json, */*", "Content-Type": content_type or "application/json"}
        response = await self._api_client.call_api(
            path,
            method,
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
            _preload_content=False,
            _request_timeout=self._timeout_s,
        )
        async with response:
            return response.status, response.headers, await response.read()


def _document(content: bytes, what: str, failed: Failed) -> dict[str, Any]:
    try:
        document = json.loads(content)
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise failed(what, "a success with a body that is no JSON object", True)
    return document


def _read_failed(what: str, why: str, begun: bool) -> StepError:  # noqa: ARG001 - the shape of ``failed``
    return FactsMissingError(f"{what}: {why}")


def _write_failed(what: str, why: str, begun: bool) -> StepError:
    if begun:
        return OutcomeUnknownError(f"{what}: sent, then {why}")
    return TransientError(f"{what}: not sent, {why}")
