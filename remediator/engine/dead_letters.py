"""Dead letters become one incident per source and hour, so that people hear of them, once (S3, S31)."""

from collections.abc import Callable

from remediator.clock import Clock
from remediator.engine.escalator import judge_incident
from remediator.playbooks.model import Playbook
from remediator.settings import Settings
from remediator.store import dead_letters, incidents
from remediator.store.database import Store, Tx

_AT_ONCE = 200
_TOLD_EACH = 20
"""Lines of one hour's incident; the rest is counted by the metric and kept in the table."""


async def tell(
    store: Store, clock: Clock, settings: Settings, mode: str, playbook_named: Callable[[str], Playbook | None]
) -> int:
    """Put what no incident holds yet into its hour's. Returns how many there were. Safe to repeat."""
    async with store.read() as connection:
        if not await dead_letters.untold(connection, 1):
            return 0
    async with store.begin(Tx.DECIDE) as tx:
        now = clock.now()
        found = await dead_letters.untold(tx, _AT_ONCE)
        by_key: dict[str, list[tuple[str, str, str]]] = {}
        for letter_id, source, received_at, error in found:
            key = incidents.dead_letter_key(mode, source, received_at)
            by_key.setdefault(key, []).append((letter_id, source, error))
        for key, letters in by_key.items():
            source = letters[0][1]
            incident_id = await incidents.join(
                tx,
                key=key,
                target=None,
                mode=mode,
                severity="high",
                title=f"alerts from source {source} that could not be understood",
                at=now,
                now=now,
                reopen_within=settings.escalation.reopen_within,
            )
            await dead_letters.assign(tx, [letter_id for letter_id, _, _ in letters], incident_id)
            for letter_id, _, error in letters[:_TOLD_EACH]:
                await incidents.add_event(tx, incident_id, None, now, "dead_letter", f"{letter_id}: {error}", None)
            await judge_incident(tx, incident_id, now=now, settings=settings, playbook_named=playbook_named)
    return len(found)
