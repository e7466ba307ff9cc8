"""A watch: the events of one kind of object, a line of JSON each, until its time is over or the client leaves."""

import asyncio
import contextlib
import json
from collections.abc import Callable, Iterator, Mapping

from aiohttp import web

from remediator.sandbox.kubernetes.errors import ApiError, bad_request
from remediator.sandbox.kubernetes.query_numbers import whole_number
from remediator.sandbox.kubernetes.resources import Object, Resource
from remediator.sandbox.kubernetes.watch_log import WatchLog

_LONGEST_S = 3600.0
_LOOK_S = 0.5
"""How soon a client that left is noticed, and how often bookmarks come to one that asked for them."""


class Watch:
    """`present`: the objects as they are now; `shown`: an object in the version of the API that was asked for."""

    def __init__(
        self,
        log: WatchLog,
        resource: Resource,
        query: Mapping[str, str],
        *,
        matches: Callable[[Object], bool],
        present: Callable[[], tuple[str, list[Object]]],
        shown: Callable[[Object], Object],
        kind: Resource,
        stopping: asyncio.Event,
    ) -> None:
        self._log = log
        self._resource = resource
        self._matches = matches
        self._present = present
        self._shown = shown
        self._kind = kind
        self._stopping = stopping
        self._from = query.get("resourceVersion") or "0"
        self._initial = query.get("sendInitialEvents", "").lower() in ("1", "true")
        self._bookmarks = query.get("allowWatchBookmarks", "").lower() in ("1", "true")
        self._lasts_s = float(whole_number(query.get("timeoutSeconds")) or _LONGEST_S)
        if not self._from.isdigit():
            raise bad_request(f"Invalid value: {self._from!r}: resourceVersion must be a number")

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Answer until there is nothing more to say."""
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        with contextlib.suppress(ConnectionError, TimeoutError):
            async with asyncio.timeout(self._lasts_s):
                await self._stream(request, response)
        if self._bookmarks and not _has_left(request) and not self._stopping.is_set():
            with contextlib.suppress(ConnectionError):
                await response.write(self._bookmark(self._seen))
        return response

    async def _stream(self, request: web.Request, response: web.StreamResponse) -> None:
        self._seen = int(self._from)
        if 0 < self._seen < self._log.oldest:
            text = f"too old resource version: {self._seen} ({self._log.oldest})"
            self._bookmarks = False
            await response.write(_line("ERROR", ApiError(410, text).status()))
            return
        if self._seen == 0 or self._initial:
            version, objects = self._present()
            self._seen = int(version)
            for obj in objects:
                await response.write(_line("ADDED", self._shown(obj)))
            if self._initial:
                await response.write(self._bookmark(self._seen, {"k8s.io/initial-events-end": "true"}))
        told = self._seen
        while not self._stopping.is_set() and not _has_left(request):
            for line in self._news():
                told = self._seen
                await response.write(line)
            with contextlib.suppress(TimeoutError):
                await self._log.changed.until(self._has_news, _LOOK_S)
                continue
            if self._bookmarks and self._seen > told:
                told = self._seen
                await response.write(self._bookmark(told))

    def _has_news(self) -> bool:
        return self._stopping.is_set() or bool(self._log.since(self._seen))

    def _news(self) -> Iterator[bytes]:
        for entry in self._log.since(self._seen):
            self._seen = entry.version
            if entry.resource is self._resource and (event := entry.seen_through(self._matches)) is not None:
                yield _line(event[0], self._shown(event[1]))

    def _bookmark(self, version: int, annotations: dict[str, str] | None = None) -> bytes:
        metadata: Object = {"resourceVersion": str(version), "creationTimestamp": None}
        if annotations:
            metadata["annotations"] = annotations
        bare = {"kind": self._kind.kind, "apiVersion": self._kind.api_version, "metadata": metadata}
        return _line("BOOKMARK", bare)


def _line(kind: str, obj: Object) -> bytes:
    return json.dumps({"type": kind, "object": obj}).encode() + b"\n"


def _has_left(request: web.Request) -> bool:
    return request.transport is None or request.transport.is_closing()
