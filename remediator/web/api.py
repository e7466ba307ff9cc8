"""``/api/v1``: token, JSON in, JSON out. Label text is data: it leaves only as JSON, whose every character beyond ASCII is escaped.

A POST must say that it brings JSON: a foreign page in an operator's browser can send forms and plain text without asking, but not
that, so it cannot approve anything on a service that runs without authentication.
"""

import json
from typing import Any

import structlog
from aiohttp import web
from pydantic import BaseModel

from remediator.engine.explain import Explainer
from remediator.engine.operate import Operations
from remediator.engine.refused import InvalidOrderError, NoEffectError, UnknownIdError
from remediator.errors import StoreUnavailableError
from remediator.web import openapi
from remediator.web.auth import Auth
from remediator.web.endpoints import ENDPOINTS, Asked, Endpoint

log = structlog.get_logger(__name__)

BASE = "/api/v1"
_HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


class Api:
    """The routes of operators and their programs."""

    def __init__(self, *, operations: Operations, explainer: Explainer, auth: Auth) -> None:
        self._operations = operations
        self._explainer = explainer
        self._auth = auth
        self._description = openapi.document(BASE, ENDPOINTS)

    def routes(self) -> list[web.AbstractRouteDef]:
        """For ``web.server.build_app``."""
        return [
            *(web.route(one.method, f"{BASE}{one.path}", self._handler(one)) for one in ENDPOINTS),
            web.get(f"{BASE}/openapi.json", self.describe, allow_head=False),
            web.route("*", BASE + "/{rest:.*}", self.elsewhere),
        ]

    async def describe(self, request: web.Request) -> web.Response:
        """The OpenAPI document."""
        refused = self._refused(request)
        return _json(200, self._description) if isinstance(refused, str) else refused

    async def elsewhere(self, request: web.Request) -> web.Response:
        """A path that there is not, or not for this method."""
        refused = self._refused(request)
        if not isinstance(refused, str):
            return refused
        for method in ("GET", "POST"):
            found = await request.app.router.resolve(request.clone(method=method))
            if found.handler != self.elsewhere:
                why = f"{request.method} is not for this path; accepted: {method}"
                return _error(405, why, {"Allow": method})
        return _error(404, f"there is no such path; see {BASE}/openapi.json")

    def _handler(self, endpoint: Endpoint) -> Any:
        async def handle(request: web.Request) -> web.Response:
            return await self._answer(endpoint, request)

        return handle

    async def _answer(self, endpoint: Endpoint, request: web.Request) -> web.Response:
        by = self._refused(request)
        if not isinstance(by, str):
            return by
        try:
            document = None if endpoint.body is None else await _document(request)
            named = request.match_info.get("id", "")
            asked = Asked(self._operations, self._explainer, by, named, request.query, document)
            return _json(200, await endpoint.handle(asked))
        except InvalidOrderError as error:
            return _error(400, str(error))
        except UnknownIdError as error:
            return _error(404, str(error))
        except NoEffectError as error:
            return _error(409, str(error))
        except StoreUnavailableError as error:
            return _error(503, f"the store cannot be used: {error.reason}")
        except web.HTTPRequestEntityTooLarge:
            return _error(413, "the body is too large (settings: max_body)")
        except Exception:
            log.exception("api_failed", method=endpoint.method, path=endpoint.path)
            return _error(500, "internal error; the log has the details")

    def _refused(self, request: web.Request) -> web.Response | str:
        """The caller's name, or the answer to one without a good token."""
        try:
            return self._auth.authenticate_api(request)
        except web.HTTPUnauthorized:
            return _error(
                401, "a valid bearer token is required (settings: api_tokens)", {"WWW-Authenticate": "Bearer"}
            )


async def _document(request: web.Request) -> Any:
    if request.content_type != "application/json":
        raise InvalidOrderError("Content-Type", "the body must be JSON", "application/json")
    try:
        return json.loads(await request.read())
    except (ValueError, RecursionError) as error:
        raise InvalidOrderError("body", f"not JSON: {error}") from None


def _json(status: int, answer: BaseModel | dict[str, Any], headers: dict[str, str] | None = None) -> web.Response:
    value = answer.model_dump() if isinstance(answer, BaseModel) else answer
    text = json.dumps(value, default=_written).replace("\x7f", "\\u007f")
    return web.Response(status=status, body=text.encode(), headers={**_HEADERS, **(headers or {})})


def _written(value: Any) -> str:
    """What JSON does not know: instants, and words of closed sets."""
    return str(value.isoformat()) if hasattr(value, "isoformat") else str(value)


def _error(status: int, why: str, headers: dict[str, str] | None = None) -> web.Response:
    return _json(status, {"error": why}, headers)
