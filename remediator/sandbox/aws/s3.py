"""S3: buckets whose objects can be listed."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from remediator.sandbox.aws.service import Call, Refused, Service

PAGE = 1000


@dataclass
class Stored:
    size: int
    modified_at: datetime


@dataclass
class Bucket:
    name: str
    region: str
    objects: dict[str, Stored] = field(default_factory=dict)


class S3(Service):
    name: ClassVar[str] = "s3"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.buckets: dict[str, Bucket] = {}

    def bucket(self, name: str, *, region: str | None = None) -> Bucket:
        """The bucket, made if it is not there."""
        return self.buckets.setdefault(name, Bucket(name, region or self.cloud.region))

    def put(self, bucket: str, key: str, size: int, modified_at: datetime | None = None) -> None:
        """Store an object of so many bytes."""
        # S3 keeps whole seconds.
        at = (modified_at or self.cloud.now()).replace(microsecond=0)
        self.bucket(bucket).objects[key] = Stored(size, at)
        self.cloud.tell()

    async def ListObjectsV2(self, call: Call) -> dict[str, Any]:
        bucket, asked = self._find(call), call.params
        prefix, limit = asked.get("Prefix", ""), min(asked.get("MaxKeys", PAGE), PAGE)
        after = asked.get("ContinuationToken") or asked.get("StartAfter") or ""
        # By the bytes of the names, which is no order in time.
        names = sorted((key for key in bucket.objects if key.startswith(prefix)), key=str.encode)
        rest = [key for key in names if key > after]
        page = rest[:limit]
        answer: dict[str, Any] = {
            "Name": bucket.name,
            "Prefix": prefix,
            "MaxKeys": limit,
            "KeyCount": len(page),
            "IsTruncated": len(rest) > len(page),
        }
        if page:
            answer["Contents"] = [
                {
                    "Key": key,
                    "LastModified": bucket.objects[key].modified_at,
                    "Size": bucket.objects[key].size,
                    "StorageClass": "STANDARD",
                }
                for key in page
            ]
        if answer["IsTruncated"] and page:
            answer["NextContinuationToken"] = page[-1]
        return answer

    async def HeadBucket(self, call: Call) -> dict[str, Any]:
        return {"BucketRegion": self._find(call).region}

    def _find(self, call: Call) -> Bucket:
        found = self.buckets.get(call.params["Bucket"])
        if found is None:
            raise Refused("NoSuchBucket", "The specified bucket does not exist", 404)
        return found
