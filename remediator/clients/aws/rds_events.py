"""What RDS tells about a database: its event log, kept for two weeks. Ids of events are not in the API, so category and words count."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from remediator.clients.aws.answers import understood
from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission
from remediator.targets import Target

READ_EVENTS: Final = IamPermission("rds:DescribeEvents")
FAILOVER: Final = "failover"
GLOBAL_FAILOVER: Final = "global failover"
READ_REPLICA: Final = "read replica"
_KEPT: Final = timedelta(days=13, hours=23)
_SOURCES: Final = {"rds-instance": "db-instance", "rds-cluster": "db-cluster"}


@dataclass(frozen=True, order=True, slots=True)
class DbEvent:
    """One event."""

    at: datetime
    message: str
    categories: tuple[str, ...]

    @property
    def begins(self) -> bool:
        """Does it tell of something that goes on?"""
        return any(word in self.message.lower() for word in ("started", "starting"))

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M:%S}Z {self.message[:200]}"


async def events_of(api: AwsApi, target: Target, *, since: datetime) -> tuple[DbEvent, ...]:
    """Those about the target itself, oldest first. Raises FactsMissingError."""
    return await events_about(api, _SOURCES[target.kind], target.name, since=since)


async def events_about(api: AwsApi, source_type: str, name: str, *, since: datetime) -> tuple[DbEvent, ...]:
    """The same in RDS's own words for what it is about. Of the two weeks that it keeps, whatever is asked."""
    since = max(since, api.now() - _KEPT)
    listed = await api.pages(
        "rds", "describe_events", "Events", SourceType=source_type, SourceIdentifier=name, StartTime=since
    )
    return understood(
        f"events of {name}",
        lambda: tuple(
            sorted(
                DbEvent(one["Date"], str(one.get("Message") or ""), tuple(map(str, one.get("EventCategories") or ())))
                for one in listed
            )
        ),
    )


def newest(events: Iterable[DbEvent], *categories: str) -> DbEvent | None:
    """The last of any of these categories."""
    return max((one for one in events if set(categories) & set(one.categories)), default=None)
