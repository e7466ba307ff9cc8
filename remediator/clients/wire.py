"""What the transport must know of one protocol: which requests could change something, and what marks one that will not."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from yarl import URL


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as it is about to leave."""

    method: str
    url: URL
    headers: Mapping[str, str]
    body: bytes = b""


class Wire(Protocol):
    """One protocol. Judged by what is on the wire, never by what the caller says of it."""

    name: str
    """In the names of the points where a crash is rehearsed."""

    def is_write(self, sent: Sent) -> bool:
        """Could it change something? What is not known to be a read could."""
        ...

    def tells(self, sent: Sent) -> bool:
        """Is it told about an effect and none itself? Then it is no point at which a crash is rehearsed."""
        ...

    def not_dry(self, sent: Sent) -> str | None:
        """Of a write: why a dry-run must not send it (S21); None when it is marked so that the other side changes nothing."""
        ...
