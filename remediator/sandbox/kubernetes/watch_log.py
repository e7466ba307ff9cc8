"""What happened to objects, in order, for as long as it is remembered: what watches are served from."""

from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from remediator.sandbox.kubernetes.resources import Object, Resource
from remediator.sandbox.kubernetes.store import ObjectStore
from remediator.sandbox.signals import Signal

_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Entry:
    """One write. `before` None: the object is new; `gone`: it went."""

    version: int
    resource: Resource
    before: Object | None
    after: Object
    gone: bool

    def seen_through(self, matches: Callable[[Object], bool]) -> tuple[str, Object] | None:
        """Type and object of the event for a watch that sees only what matches, or None.

        An object that stops to match is DELETED for that watch, with its last matching state, as on a real server.
        """
        was = self.before is not None and matches(self.before)
        if not self.gone and matches(self.after):
            return ("MODIFIED" if was else "ADDED"), self.after
        if not was or self.before is None:
            return None
        metadata = {**self.before["metadata"], "resourceVersion": str(self.version)}
        return "DELETED", {**self.before, "metadata": metadata}


class WatchLog:
    """`changed` is told after every entry; `oldest`: what came up to this version is forgotten."""

    def __init__(self, store: ObjectStore) -> None:
        self._entries: deque[Entry] = deque()
        self._last: dict[tuple[Resource, str, str], Object] = {}
        self._store = store
        self.oldest = int(store.version)
        self.changed = Signal()
        store.watch(self._note)

    def since(self, version: int) -> list[Entry]:
        """Everything after `version`, oldest first."""
        return list(self._newer(version))[::-1]

    def _newer(self, version: int) -> Iterator[Entry]:
        for entry in reversed(self._entries):
            if entry.version <= version:
                return
            yield entry

    def forget(self) -> None:
        """Remember nothing of what was so far: who watches or lists on from before is answered 410."""
        self._entries.clear()
        self.oldest = int(self._store.version)

    def _note(self, resource: Resource, obj: Object, gone: bool) -> None:
        metadata = obj["metadata"]
        place = (resource, metadata.get("namespace", ""), metadata["name"])
        before = self._last.get(place)
        if gone:
            self._last.pop(place, None)
        else:
            self._last[place] = obj
        self._entries.append(Entry(int(metadata["resourceVersion"]), resource, before, obj, gone))
        if len(self._entries) > _KEPT:
            self.oldest = self._entries.popleft().version
        self.changed.tell()
