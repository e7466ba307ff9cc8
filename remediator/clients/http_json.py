"""GET of JSON from Alertmanager and Prometheus: one request, its time-out, and every failure as a missing fact."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from remediator.errors import FactsMissingError
from remediator.settings import Credential

if TYPE_CHECKING:  # aiohttp takes half a second to import; `check` and `schema` do not need it
    import aiohttp


@dataclass(frozen=True, slots=True)
class HttpJson:
    """Reads below one base URL. A path prefix in it is kept; redirects are not followed, so a credential stays where it belongs."""

    base: str
    credential: Credential
    session: "aiohttp.ClientSession"
    timeout_s: float

    async def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> Any:
        """The decoded body of a 200.

        Raises:
            FactsMissingError: anything else; the message names the address without its query.
        """
        body = await self.body(path, query)
        try:
            return json.loads(body)
        except ValueError:
            raise FactsMissingError(
                f"{self.base.rstrip('/')}{path}: answered 200 without JSON; is this the right address?"
            ) from None

    async def body(self, path: str, query: Sequence[tuple[str, str]] = ()) -> bytes:
        """The body of a 200, undecoded: for what is too large to be decoded in one go.

        Raises:
            FactsMissingError: anything else; the message names the address without its query.
        """
        import aiohttp

        url = f"{self.base.rstrip('/')}{path}"
        try:
            for _, value in query:
                # A lone surrogate would silently be left out of the address, and something else be asked for.
                value.encode("utf-8")
            async with asyncio.timeout(self.timeout_s):
                response = await self.session.get(
                    url,
                    params=list(query),
                    headers={"Accept": "application/json", **self._authorization()},
                    allow_redirects=False,
                    timeout=aiohttp.ClientTimeout(total=self.timeout_s),
                )
                async with response:
                    status, location, body = response.status, response.headers.get("Location"), await response.read()
        except TimeoutError:
            raise FactsMissingError(f"{url}: no answer within {self.timeout_s:g} s") from None
        except Exception as error:
            # aiohttp, ssl, sockets, URL parsing: to the caller they are one thing.
            raise FactsMissingError(f"{url}: {type(error).__name__}: {str(error)[:300]}") from None
        if 300 <= status < 400:
            raise FactsMissingError(
                f"{url}: redirects to {str(location)[:200]}, which is not followed; configure that address"
            )
        if status != 200:
            raise FactsMissingError(f"{url}: answered {status}: {_said(body)}")
        return body

    def _authorization(self) -> dict[str, str]:
        if (token := self.credential.bearer) is not None:
            return {"Authorization": f"Bearer {token}"}
        if (basic := self.credential.basic) is not None:
            import aiohttp

            return {"Authorization": aiohttp.encode_basic_auth(*basic)}
        return {}


def items_of(value: Any) -> list[Any]:
    """A list that is one. An object in its place would iterate, and look like an empty list: an absence that was never said.

    Raises:
        ValueError: it is something else.
    """
    if not isinstance(value, list):
        raise ValueError(f"a list was expected, not {type(value).__name__}")
    return value


def _said(body: bytes) -> str:
    """What an error's body says, bounded; Prometheus puts it under ``error``."""
    try:
        document = json.loads(body)
    except ValueError:
        return body[:200].decode("utf-8", "replace").strip() or "nothing"
    found = document.get("error", document) if isinstance(document, dict) else document
    return str(found)[:300]
