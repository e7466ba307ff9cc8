"""The API server as the test bed's nodes see it: calls, and lists that are followed."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp

Object = dict[str, Any]

MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
_RETRY_S = 0.2
_ATTEMPTS = 5
_LONGEST_EVENT = 4 * 1024 * 1024


class Api:
    """Requests of the administrator."""

    def __init__(self, url: str, headers: Mapping[str, str], connector: aiohttp.TCPConnector) -> None:
        self._session = aiohttp.ClientSession(
            url,
            headers=headers,
            connector=connector,
            read_bufsize=_LONGEST_EVENT,
            timeout=aiohttp.ClientTimeout(sock_connect=10),
        )

    async def close(self) -> None:
        await self._session.close()

    async def call(
        self, method: str, path: str, body: Object | None = None, content_type: str = "application/json"
    ) -> tuple[int, Object]:
        """Status and decoded answer. A request whose connection breaks is sent again: all of ours may be repeated."""
        data = None if body is None else json.dumps(body)
        headers = {} if body is None else {"Content-Type": content_type}
        for attempt in itertools.count(1):
            try:
                async with self._session.request(method, path, data=data, headers=headers) as answer:
                    return answer.status, await answer.json()
            except aiohttp.ClientConnectionError:
                if attempt == _ATTEMPTS:
                    raise
                await asyncio.sleep(_RETRY_S)
        raise AssertionError("counts for ever")

    async def follow(self, path: str) -> AsyncIterator[tuple[str, Object]]:
        """("PRESENT" | "GONE", object) for everything there is and every change, for ever. None is missed."""
        known: dict[str, Object] = {}
        while True:
            try:
                _, listed = await self.call("GET", path)
                now = {item["metadata"]["uid"]: item for item in listed["items"]}
                for gone in [known.pop(uid) for uid in list(known) if uid not in now]:
                    yield "GONE", gone
                known |= now
                for item in now.values():
                    yield "PRESENT", item
                async for change, item in self._watch(path, listed["metadata"]["resourceVersion"]):
                    uid = item["metadata"]["uid"]
                    if change == "DELETED":
                        known.pop(uid, None)
                        yield "GONE", item
                    else:
                        known[uid] = item
                        yield "PRESENT", item
            except (aiohttp.ClientError, KeyError):  # away, or an error in the place of a list: look again
                await asyncio.sleep(_RETRY_S)

    async def _watch(self, path: str, version: str) -> AsyncIterator[tuple[str, Object]]:
        query = {"watch": "true", "resourceVersion": version}
        async with self._session.get(path, params=query) as answer:
            while line := await answer.content.readline():
                event = json.loads(line)
                if event["type"] == "ERROR":  # too old: the list comes anew
                    return
                yield event["type"], event["object"]
