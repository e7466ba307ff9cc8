"""What every condition about an ElastiCache replication group asks first."""

from remediator.answers import Answer
from remediator.conditions.base import Look
from remediator.targets import Target


def not_a_cache(target: Target) -> Look | None:
    """Unknown for a target of another kind."""
    if target.kind == "elasticache-group":
        return None
    return Look(Answer.UNKNOWN, f"{target.kind} {target.short} is no ElastiCache replication group")
