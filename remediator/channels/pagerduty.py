"""PagerDuty's Events API v2: https://developer.pagerduty.com/docs/send-alert-event

202 means queued. The integration key stands in the body, so neither bodies nor answers appear in errors or logs. We trigger and
resolve; nothing here can acknowledge (S32: an acknowledged incident pages nobody).
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

import aiohttp

from remediator.channels.base import Message, Sent
from remediator.errors import OutcomeUnknownError, PermanentError, TransientError

CONNECT_TIMEOUT_S = 5.0
TIMEOUT_S = 15.0
LARGEST_BODY = 512_000
"""Bytes. PagerDuty says 512 KB; Alertmanager cuts at the same size."""

_LATER = frozenset({408, 425, 429})
_BARE_SUMMARY = 200


def _no_probe(point: str) -> None:
    del point


class PagerDuty:
    """One integration of one service. The session is the caller's; redirects are not followed, they would carry the key away."""

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        routing_key: str,
        url: str = "https://events.pagerduty.com/v2/enqueue",
        client_url: str = "",
        probe: Callable[[str], None] = _no_probe,
    ) -> None:
        """``client_url`` is this service's address, shown as the sender's. ``probe`` is for crash tests."""
        self._session = session
        self._routing_key = routing_key
        self._url = url
        self._client_url = client_url
        self._probe = probe

    def __repr__(self) -> str:
        return f"PagerDuty({self._url})"

    async def send(self, message: Message) -> Sent:
        """Send one event. A trigger that is refused as malformed is sent once more with nothing from outside in it.

        Raises:
            TransientError: 429, 5xx, or no connection.
            OutcomeUnknownError: the answer was lost; safe to send again by its dedup key.
            PermanentError: refused, also without details.
        """
        event = self._event(message, message.content)
        refusal = "larger than PagerDuty takes" if len(event) > LARGEST_BODY else await self._post(event)
        if refusal is None:
            return Sent()
        if message.action == "trigger":
            again = await self._post(self._event(message, _bare(message)))
            if again is None:
                return Sent(reduced=refusal)
            refusal = again
        raise PermanentError(f"PagerDuty refused the event: {refusal}")

    async def _post(self, body: bytes) -> str | None:
        """None when it was taken, else why it never will be."""
        self._probe("send.pagerduty.before")
        code: int | None = None
        answer = b""
        try:
            async with self._session.post(
                self._url,
                data=body,
                headers={"Content-Type": "application/json"},
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=TIMEOUT_S, sock_connect=CONNECT_TIMEOUT_S),
            ) as response:
                code = response.status
                answer = await response.content.read(4_096)
        except aiohttp.ClientConnectorError as error:
            raise TransientError(f"PagerDuty could not be reached: {type(error).__name__}") from None
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if code is None:
                raise OutcomeUnknownError(f"PagerDuty's answer was lost: {type(error).__name__}") from None
        self._probe("send.pagerduty.after")
        if code in (200, 202):
            return None
        if code in _LATER or code >= 500:
            raise TransientError(f"PagerDuty answered {code}", retry_after_s=30.0 if code == 429 else None)
        return f"answered {code}{self._errors(answer)}"

    def _event(self, message: Message, content: Mapping[str, Any]) -> bytes:
        event: dict[str, Any] = {
            "routing_key": self._routing_key,
            "event_action": message.action,
            "dedup_key": message.dedup_key,
        }
        if message.action == "trigger":
            event["payload"] = {
                name: value for name, value in content.items() if name not in ("links",) and value is not None
            }
            event["links"] = list(content.get("links", ()))
            event["client"] = "remediator"
            if self._client_url:
                event["client_url"] = self._client_url
        return json.dumps(event, ensure_ascii=True).encode()

    def _errors(self, answer: bytes) -> str:
        """PagerDuty's own words, which name fields; never with the key in them."""
        try:
            errors = json.loads(answer).get("errors", [])
            words = "; ".join(error for error in errors if isinstance(error, str))
        except (ValueError, AttributeError, TypeError):
            return ""
        return f": {words[:300]}".replace(self._routing_key, "(key)") if words else ""


def _bare(message: Message) -> dict[str, Any]:
    """A message that cannot be malformed: a person is told, and finds the rest in remediator."""
    summary = str(message.content.get("summary", ""))
    safe = "".join(c if c.isascii() and c.isprintable() else "?" for c in summary[:_BARE_SUMMARY])
    severity = message.content.get("severity")
    return {
        "summary": f"{safe or 'remediator needs you'} (details were refused: {message.dedup_key})",
        "source": "remediator",
        "severity": severity if severity in ("critical", "error", "warning", "info") else "error",
    }
