"""What a probe of an address comes back with."""

from dataclasses import dataclass

MOST_BYTES = 64 * 1024
"""Of a body so much is read."""


class ServiceFailedError(Exception):
    """The service did not answer as one that works: refused, reset, silent, or with a certificate that does not hold."""


@dataclass(frozen=True, slots=True)
class Response:
    """What came back."""

    status: int
    body: str
    """Its beginning, ``MOST_BYTES`` at most."""
