"""The running service, by its API. The token goes to the address that was given and nowhere else, and is never shown.

urllib instead of aiohttp: a command that asks one question should not spend half a second on imports.
"""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from remediator.cli.show import fail

_TIMEOUT_S = 60.0
TOKEN_VARIABLE = "REMEDIATOR_TOKEN"  # noqa: S105 - a name, not a token


class Service:
    """Every failure ends the command with one line that says what to do."""

    def __init__(self, url: str, token_file: Path | None) -> None:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.password:
            fail("--url must be http://HOST[:PORT] or https://HOST[:PORT], without user name or password", 2)
        self._base = url.rstrip("/")
        self._token = _token(token_file)

    def get(self, path: str, query: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Ask."""
        given = {key: value for key, value in (query or {}).items() if value is not None}
        return self._call("GET", path + (f"?{urlencode(given)}" if given else ""), None)

    def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Order."""
        return self._call("POST", path, json.dumps(dict(body)).encode())

    def _call(self, method: str, path: str, body: bytes | None) -> dict[str, Any]:
        import http.client
        from urllib.error import HTTPError, URLError
        from urllib.request import HTTPRedirectHandler, Request, build_opener

        class Stay(HTTPRedirectHandler):
            """A redirect would carry the token to another address."""

            def redirect_request(self, *args: Any) -> None:
                del args

        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        request = Request(f"{self._base}/api/v1{path}", data=body, headers=headers, method=method)  # noqa: S310 - http(s) only
        try:
            with build_opener(Stay).open(request, timeout=_TIMEOUT_S) as answer:
                return self._read(answer.status, answer.read())
        except HTTPError as error:
            with error:
                return self._read(error.code, error.read())
        except (URLError, OSError, http.client.HTTPException) as error:
            why = getattr(error, "reason", None) or error
            said = getattr(why, "strerror", None) or why
            fail(f"cannot reach {self._base}: {said}; is `remediator serve` running there? (--url, REMEDIATOR_URL)")

    def _read(self, status: int, body: bytes) -> dict[str, Any]:
        try:
            answer = json.loads(body)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            fail(f"{self._base} answered {status} without JSON; is that remediator's address? (--url, REMEDIATOR_URL)")
        said = answer.get("error", "no reason given")
        if status == 401:
            given = "the token was not accepted" if self._token is not None else "a token is needed"
            fail(f"{given}: give --token-file FILE or set {TOKEN_VARIABLE} to one of settings.api_tokens")
        if status != 200:
            fail(said, 2 if status == 400 else 1)
        return answer


def path_of(*parts: str) -> str:
    """A path below ``/api/v1`` with every part quoted: what a person typed cannot become another path."""
    return "".join(f"/{quote(part, safe='')}" for part in parts)


def _token(file: Path | None) -> str | None:
    if file is not None:
        try:
            token = file.read_text().strip()
        except (OSError, UnicodeDecodeError) as error:
            fail(f"--token-file {file} cannot be read: {getattr(error, 'strerror', 'not text')}", 2)
    else:
        token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token:
        if file is not None:
            fail(f"--token-file {file} is empty", 2)
        return None
    if not token.isascii() or not token.isprintable() or " " in token:
        fail("the token is not one word of printable ASCII characters; is this the right file?", 2)
    return token
