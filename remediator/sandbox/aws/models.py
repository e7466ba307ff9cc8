"""botocore's models of the services: what an operation takes, answers and refuses. Loaded at first use, once per process."""

import threading
from functools import cache
from typing import Any

_lock = threading.Lock()
_read: set[str] = set()
READS = (
    "Describe",
    "List",
    "Get",
    "Head",
    "Simulate",
    "BatchGet",
    "Search",
    "Lookup",
    "Query",
    "Select",
    "Check",
    "Validate",
)
_MORE_READS = {
    ("route53", "TestDNSAnswer"),
    ("sts", "AssumeRole"),
    ("sts", "AssumeRoleWithWebIdentity"),
    ("sts", "DecodeAuthorizationMessage"),
}
_SERVICE_OF = {"monitoring": "cloudwatch", "elasticloadbalancing": "elbv2"}
"""By the name in a signature, where it is not botocore's."""
_IAM_PREFIX = {"elbv2": "elasticloadbalancing"}
_IAM_ACTION = {
    ("s3", "ListObjectsV2"): "ListBucket",
    ("s3", "ListObjects"): "ListBucket",
    ("s3", "HeadBucket"): "ListBucket",
    ("s3", "HeadObject"): "GetObject",
    ("s3", "ListBuckets"): "ListAllMyBuckets",
}


def model_of(service: str) -> Any:
    """The `ServiceModel` of botocore's `service`. Safe to call in a thread."""
    with _lock:
        return _loaded(service)


def is_loaded(service: str) -> bool:
    """Has it been read, so that asking for it takes no time?"""
    return service in _read


@cache
def _loaded(service: str) -> Any:
    from botocore.loaders import Loader
    from botocore.model import ServiceModel

    made = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    _read.add(service)
    return made


def protocol_of(service: str) -> str:
    return str(model_of(service).metadata["protocol"])


def service_signed(name: str) -> str:
    """botocore's name of the service that a signature's credential scope names."""
    return _SERVICE_OF.get(name, name)


def only_reads(service: str, operation: str) -> bool:
    return operation.startswith(READS) or (service, operation) in _MORE_READS


def iam_action(service: str, operation: str) -> str:
    """The action that a policy must allow for it."""
    return f"{_IAM_PREFIX.get(service, service)}:{_IAM_ACTION.get((service, operation), operation)}"
