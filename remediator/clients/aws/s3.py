"""What stands under a prefix of an S3 bucket: enough to tell whether a backup is fresh."""

from dataclasses import dataclass
from datetime import datetime

from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission

LIST_LIMIT = 50_000
"""A prefix with more objects is not read to its end: the newest may stand anywhere, since S3 lists by name."""


@dataclass(frozen=True, slots=True)
class StoredObject:
    """One object."""

    key: str
    size: int
    modified_at: datetime

    def __str__(self) -> str:
        return f"{self.key[:200]!r} of {self.modified_at:%Y-%m-%d %H:%M:%S}Z with {self.size} bytes"


@dataclass(frozen=True, slots=True)
class Listing:
    """What was found. ``complete`` is false where there were more objects than are read."""

    objects: int
    newest: StoredObject | None
    """Of those that are large enough."""
    newest_of_all: StoredObject | None
    complete: bool


def list_bucket(bucket: str) -> tuple[IamPermission, ...]:
    """To list it, which also tells whether it is there. A name with a template in it could be any."""
    resource = "*" if "{{" in bucket else f"arn:{{partition}}:s3:::{bucket}"
    return (IamPermission("s3:ListBucket", resource),)


async def under(api: AwsApi, bucket: str, prefix: str, *, at_least: int) -> Listing:
    """The newest object under the prefix that has at least so many bytes. By its time, not by the order of names.

    Raises:
        TargetNotFoundError: no such bucket.
        FactsMissingError: it could not be read.
    """
    objects, newest, newest_of_all = 0, None, None
    token: str | None = None
    while objects < LIST_LIMIT:
        more = {} if token is None else {"ContinuationToken": token}
        page = await api.read("s3", "list_objects_v2", Bucket=bucket, Prefix=prefix, **more)
        for one in page.get("Contents", ()):  # absent where nothing is found
            found = StoredObject(str(one["Key"]), int(one["Size"]), one["LastModified"])
            objects += 1
            newest_of_all = _later(newest_of_all, found)
            if found.size >= at_least:
                newest = _later(newest, found)
        token = page.get("NextContinuationToken") if page.get("IsTruncated") else None
        if token is None:
            return Listing(objects, newest, newest_of_all, complete=True)
    return Listing(objects, newest, newest_of_all, complete=False)


async def reach(api: AwsApi, bucket: str) -> None:
    """Ask the bucket for one name: proves the way to it, its being there, and the right to look.

    Raises:
        TargetNotFoundError: no such bucket.
        FactsMissingError: it could not be read.
    """
    await api.read("s3", "list_objects_v2", Bucket=bucket, MaxKeys=1)


def _later(one: StoredObject | None, other: StoredObject) -> StoredObject:
    return other if one is None or other.modified_at > one.modified_at else one
