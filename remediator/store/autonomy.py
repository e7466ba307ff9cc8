"""The autonomy ladder's rows (S14). The ladder's promotions come later; what stands here already holds playbooks down."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.decision.facts import Ladder
from remediator.playbooks.model import Autonomy
from remediator.store.schema import autonomy


async def of(connection: AsyncConnection, playbook: str) -> Ladder | None:
    """What the ladder says of a playbook, or None."""
    query = select(autonomy.c.level, autonomy.c.content_hash).where(autonomy.c.playbook == playbook)
    row = (await connection.execute(query)).first()
    return None if row is None else Ladder(Autonomy(row.level), row.content_hash)
