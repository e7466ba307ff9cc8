"""What every channel is given and gives back."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """One message from the outbox."""

    dedup_key: str
    action: Literal["trigger", "resolve"]
    content: Mapping[str, Any]
    """As ``escalation.messages`` made it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """The other side has taken it."""

    reduced: str | None = None
    """Why only a shortened message was taken; None when it went out whole."""


class Channel(Protocol):
    """A way to people."""

    async def send(self, message: Message) -> Sent:
        """Send it once. Safe to repeat: the other side knows the dedup key.

        Raises:
            TransientError: not taken; send it again later.
            OutcomeUnknownError: sent, and the answer was lost; send it again later.
            PermanentError: refused, and sending it again will not help.
        """
        ...
