"""What a simulated server was asked, request by request, for tests to look at."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came in; written down before it is handled and whatever becomes of it."""

    method: str
    path: str
    pairs: tuple[tuple[str, str], ...]
    headers: Mapping[str, str]
    body: bytes
    at: datetime
    raw_path: str = ""
    """As it was sent: escaped, without the query."""

    @property
    def query(self) -> dict[str, str]:
        """The query parameters; of repeated ones the first."""
        return dict(reversed(self.pairs))

    def repeated(self, name: str) -> list[str]:
        """Every value of a query parameter, in the order sent."""
        return [value for key, value in self.pairs if key == name]

    @property
    def content_type(self) -> str:
        """The media type alone, lower case, without parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def user_agent(self) -> str:
        return self.headers.get("User-Agent", "")

    @property
    def dry_run(self) -> str | None:
        return self.query.get("dryRun")

    @property
    def writes(self) -> bool:
        """Whether it could change something (dry-run or not). Asking Kubernetes what one may do is a POST, and changes nothing."""
        return self.method not in ("GET", "HEAD", "OPTIONS") and "/authorization.k8s.io/" not in self.path

    def json(self) -> Any:
        """The body decoded; raises ValueError when it is not JSON."""
        return json.loads(self.body)

    def __str__(self) -> str:
        return f"{self.method} {self.path}"


class Journal:
    """The last requests, oldest first; bounded, so that a server can be left running."""

    def __init__(self, keep: int = 20_000) -> None:
        self._received: list[Received] = []
        self._keep = keep
        self.total = 0

    def add(self, received: Received) -> None:
        self.total += 1
        self._received.append(received)
        if len(self._received) > 2 * self._keep:
            del self._received[: self._keep]

    def __iter__(self) -> Iterator[Received]:
        return iter(list(self._received))

    def __len__(self) -> int:
        return len(self._received)

    def __getitem__(self, index: int) -> Received:
        return self._received[index]

    def matching(self, method: str, path_part: str = "") -> list[Received]:
        """Requests of one method whose path contains `path_part`."""
        return [r for r in self._received if r.method == method and path_part in r.path]

    @property
    def writes(self) -> list[Received]:
        """Requests that could change something, dry-runs included."""
        return [r for r in self._received if r.writes]

    def clear(self) -> None:
        self._received.clear()
