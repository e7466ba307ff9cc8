"""The autonomy ladder's rows (S14). The ladder's promotions come later; what stands here already holds playbooks down."""

from sqlalchemy import bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection

from remediator.decision.facts import Ladder
from remediator.playbooks.model import Autonomy
from remediator.store.schema import autonomy

_OF_PLAYBOOK = select(autonomy.c.level, autonomy.c.content_hash).where(autonomy.c.playbook == bindparam("of"))


async def of(connection: AsyncConnection, playbook: str) -> Ladder | None:
    """What the ladder says of a playbook, or None."""
    row = (await connection.execute(_OF_PLAYBOOK, {"of": playbook})).first()
    return None if row is None else Ladder(Autonomy(row.level), row.content_hash)
