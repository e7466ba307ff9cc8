"""botocore's own clients, the way AWS's SDK speaks, pointed at the simulated AWS."""

from contextlib import AbstractAsyncContextManager
from functools import cache
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig


@cache
def _session() -> Any:
    """One for all: it keeps the models that it has read."""
    return aioboto3.Session()


def client(
    url: str, service: str, *, key: str = "AKIASANDBOX", region: str = "eu-central-1"
) -> AbstractAsyncContextManager[Any]:
    """One that tries once and waits a few seconds."""
    made: AbstractAsyncContextManager[Any] = _session().client(
        service,
        endpoint_url=url,
        verify=False,  # plain HTTP: reading the authorities would take longer than the request
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="sandbox",
        config=AioConfig(
            retries={"mode": "standard", "total_max_attempts": 1},
            connect_timeout=10,
            read_timeout=10,
            s3={"addressing_style": "path"},
        ),
    )
    return made
