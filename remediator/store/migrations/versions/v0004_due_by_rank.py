"""What is due to be decided, by its rank: in a storm of low alerts the question for critical ones read all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
usable_from = "0001"


def upgrade() -> None:
    op.drop_index("ix_episodes_due", "episodes")
    due = sa.text("decide_again_at IS NOT NULL")
    op.create_index("ix_episodes_due", "episodes", ["rank", "decide_again_at"], sqlite_where=due, postgresql_where=due)
