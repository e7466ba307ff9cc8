"""What ``remediator store check`` says of the store that a test leaves behind, or that a service uses meanwhile."""

from datetime import UTC, datetime

from remediator.store.check import findings
from remediator.store.reading import open_for_reading


async def broken_rules(url: str, *, watchdog: str | None = None) -> list[str]:
    """Everything that should not be; empty is good."""
    async with open_for_reading(url) as connection:
        found = findings(connection, now=datetime.now(UTC), watchdog=watchdog)
        return [f"{one.rule}: {one.text}" async for one in found]
