"""``POST /webhook/alertmanager[/<source>]``: bytes in, counts out, and 200 only after the commit.

What each answer makes Alertmanager do (measured): 5xx is sent again at once with back-off; any 4xx, 429 too, only at the next
group_interval; a redirect is followed by a GET without a body, and so loses the alert. Hence 503 for everything that may pass,
4xx only for what sending again will not mend, and never a redirect.
"""

import asyncio
import re

import orjson
import structlog
from aiohttp import web
from aiohttp.http_exceptions import ContentEncodingError

from remediator.alerts.payload import NotAlertmanagerError, TooManyAlertsError, unquote_meta
from remediator.clock import Clock
from remediator.engine.intake import Intake
from remediator.errors import StoreUnavailableError
from remediator.metrics import Metrics
from remediator.web.auth import Auth

log = structlog.get_logger()

_PATHS = (
    "/webhook/alertmanager",
    "/webhook/alertmanager/",
    "/webhook/alertmanager/{source}",
    "/webhook/alertmanager/{source}/",
)
_JSON = {"Content-Type": "application/json"}
_HELD = 4
"""Times ``max_body`` that the bodies of all webhooks in hand may take together; more are answered 503."""
_RETRY_AFTER_S = 1
_RECEIVER = re.compile(rb'\s*\{\s*"receiver"\s*:\s*("(?:[^"\\]|\\.){1,200}")')


class Webhook:
    """The handler of the webhook."""

    def __init__(
        self, *, intake: Intake, auth: Auth, metrics: Metrics, clock: Clock, max_body: int, read_timeout_s: float
    ) -> None:
        self._intake = intake
        self._auth = auth
        self._clock = clock
        self._max_body = max_body
        self._read_timeout_s = read_timeout_s
        self._held = 0
        self._metrics = metrics
        self._duration = metrics.webhook_duration
        self._ok = metrics.webhook_requests.labels(code="200")

    def routes(self) -> list[web.AbstractRouteDef]:
        """Every spelling of the path answers by itself: Alertmanager would lose the alert in a redirect."""
        return [web.post(path, self.handle) for path in _PATHS]

    async def handle(self, request: web.Request) -> web.Response:
        """One delivery."""
        began = self._clock.boottime()
        response = await self._answer(request)
        self._duration.observe(self._clock.boottime() - began)
        if response.status == 200:
            self._ok.inc()
        else:
            self._metrics.webhook_requests.labels(code=str(response.status)).inc()
        return response

    async def _answer(self, request: web.Request) -> web.Response:
        try:
            source = self._auth.authenticate_webhook(request)
        except web.HTTPUnauthorized as error:
            challenge = {"WWW-Authenticate": error.headers["WWW-Authenticate"]}
            return _refused(error.status, "a valid Authorization header is required, bearer or basic", challenge)
        except web.HTTPForbidden as error:
            return _refused(error.status, error.reason)
        try:
            body = await self._read(request, source)
            if body is None:
                return _refused(413, f"body is over {self._max_body} bytes (settings: max_body)")
            self._held += len(body)
            try:
                return web.Response(body=orjson.dumps(await self._intake.take(source, body)), headers=_JSON)
            except TooManyAlertsError as error:
                await self._not_taken(source, f"body of {len(body)} bytes {error}", body)
                return _refused(413, f"the body {error}")
            finally:
                self._held -= len(body)
        except NotAlertmanagerError as error:
            log.warning("webhook_refused", source=source, code=400, reason=str(error))
            return _refused(400, str(error))
        except (web.RequestPayloadError, ContentEncodingError) as error:
            response = _refused(400, f"the body cannot be read: {error}")
            response.force_close()  # where the next request begins in what follows is anybody's guess
            return response
        except (TimeoutError, OSError):
            return _refused(503, f"the body did not arrive within {self._read_timeout_s:g} s")
        except StoreUnavailableError as error:
            return _refused(503, error.reason)

    async def _read(self, request: web.Request, source: str) -> bytes | None:
        """The body; None when it is too large. That is written down, because Alertmanager will not shrink it."""
        content = request.content
        declared = request.content_length
        if (declared or 0) <= self._max_body and content.is_eof():  # a small body came together with its head
            body = content.read_nowait()
            if len(body) <= self._max_body:
                return body
            await self._not_taken(source, self._over(declared), body)
            return None
        chunks: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._read_timeout_s):
                while chunk := await content.readany():
                    chunks.append(chunk)
                    size += len(chunk)
                    self._held += len(chunk)
                    if max(size, declared or 0) > self._max_body:
                        break
                    if self._held > _HELD * self._max_body:
                        raise StoreUnavailableError(f"webhooks of {self._held} bytes are in hand already")
                else:
                    return b"".join(chunks)
        finally:
            self._held -= size
        await self._not_taken(source, self._over(declared), chunks[0])
        return None

    def _over(self, declared: int | None) -> str:
        size = "unknown size" if declared is None else f"{declared} bytes"
        return f"body of {size} is over the limit of {self._max_body} (settings: max_body)"

    async def _not_taken(self, source: str, why: str, head: bytes) -> None:
        """Alertmanager's first key is the receiver: knowing it, the reconciler can fetch what was not read."""
        receiver = _receiver_in(head)
        log.warning("webhook_refused", source=source, code=413, reason=why, receiver=receiver)
        await self._intake.too_large(source, f"{why}; refused with 413", receiver)


def _receiver_in(head: bytes) -> str:
    found = _RECEIVER.match(head)
    try:
        return unquote_meta(orjson.loads(found[1])) if found else ""
    except orjson.JSONDecodeError:
        return ""


def _refused(code: int, why: str, headers: dict[str, str] | None = None) -> web.Response:
    again = {"Retry-After": str(_RETRY_AFTER_S)} if code == 503 else {}
    return web.Response(status=code, body=orjson.dumps({"error": why}), headers={**(headers or {}), **again, **_JSON})
