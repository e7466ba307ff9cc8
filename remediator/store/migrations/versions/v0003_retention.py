"""What is kept of an incident after store.retention; an index for each reference by which a database looks for rows that still point at
what is being deleted; and one for messages that nobody has had yet."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
usable_from = "0001"

_CLOSED = sa.text("closed_at IS NOT NULL AND folded_at IS NULL")


def upgrade() -> None:
    op.add_column("incidents", sa.Column("summary", sa.Text(), nullable=True))
    op.add_column("incidents", sa.Column("folded_at", sa.BigInteger(), nullable=True))
    op.create_index(
        "ix_incidents_unfolded",
        "incidents",
        ["closed_at", "id"],
        sqlite_where=_CLOSED,
        postgresql_where=_CLOSED,
    )
    op.create_index("ix_episodes_delivery_id", "episodes", ["delivery_id"])
    op.create_index("ix_decisions_episode_id", "decisions", ["episode_id"])
    op.create_index("ix_dead_letters_incident_id", "dead_letters", ["incident_id"])
    unsent = sa.text("state IN ('waiting', 'refused')")
    op.create_index("ix_outbox_unsent", "outbox", ["state"], sqlite_where=unsent, postgresql_where=unsent)
