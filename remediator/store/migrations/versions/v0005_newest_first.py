"""The list of incidents, newest first, is not sorted out of all that there ever were: their rows stay for good."""

from alembic import op

revision = "0005"
down_revision = "0004"
usable_from = "0001"


def upgrade() -> None:
    op.create_index("ix_incidents_opened_at", "incidents", ["opened_at", "id"])
