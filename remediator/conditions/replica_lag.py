"""``replica_lag``: is the replica, or the reader of a cluster that would take over, no further behind?"""

from typing import Any, ClassVar

from pydantic import Field

from remediator.answers import Answer
from remediator.clients.aws.cloudwatch import READ_METRICS
from remediator.clients.aws.rds import DbInstance
from remediator.clients.aws.rds_lag import lags_of
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import ConditionParams, Known, Look, World
from remediator.conditions.of_database import database_of, read_database
from remediator.durations import Duration, format_duration
from remediator.errors import FactsMissingError
from remediator.targets import Target


class Params(ConditionParams):
    """How far behind it may be."""

    at_most: Duration = Field(description="behind what it replicates, by CloudWatch")


class ReplicaLag:
    """Of a read replica itself; of a cluster, of the reader that is least behind. Without a value in five minutes it is unknown."""

    name: ClassVar[str] = "replica_lag"
    params: ClassVar[type[ConditionParams]] = Params

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del params
        reads = read_database(kind)
        return (*reads, *READ_METRICS) if reads else ()

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        del known
        found = await database_of(world, target)
        if isinstance(found, Look):
            return found
        if isinstance(found, DbInstance):
            if not found.source:
                return Look(Answer.NO, f"{found} is no read replica")
            names, aurora = [found.name], False
        else:
            names, aurora = [one.name for one in found.readers if one.available], found.aurora
            if not names:
                return Look(Answer.NO, f"{found}: no reader is available")
        try:
            lags = await lags_of(world.aws, names, aurora=aurora)
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        seen = f"{'; '.join(map(str, lags))}; at most {format_duration(params.at_most)} wanted"
        if any(lag.at_most(params.at_most) for lag in lags):
            return Look(Answer.YES, seen)
        unknown = any(lag.behind is None for lag in lags)
        return Look(Answer.UNKNOWN if unknown else Answer.NO, seen)
