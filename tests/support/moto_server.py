"""moto's AWS over HTTP, in a thread of this process: an implementation of AWS that is not ours."""

import logging
import os
from collections.abc import Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from functools import cache
from typing import Any

import aioboto3
import aiohttp
from aiobotocore.config import AioConfig

MOTO_ACCOUNT = "123456789012"


@contextmanager
def moto_server() -> Iterator[str]:
    """Its address, until the end."""
    os.environ["MOTO_EC2_LOAD_DEFAULT_AMIS"] = "false"  # seconds, for images that nobody asks for
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


async def emptied(url: str) -> None:
    """Forget everything that was made there."""
    async with aiohttp.ClientSession() as session, session.post(f"{url}/moto-api/reset") as answer:
        assert answer.status == 200


@cache
def _session() -> Any:
    return aioboto3.Session()


def plain(url: str, service: str, region: str, key: str = "AKIASETUP") -> AbstractAsyncContextManager[Any]:
    """botocore's own client, to make things with."""
    made: AbstractAsyncContextManager[Any] = _session().client(
        service,
        endpoint_url=url,
        verify=False,  # plain HTTP: reading the authorities would take longer than the request
        region_name=region,
        aws_access_key_id=key,
        aws_secret_access_key="sandbox",
        config=AioConfig(retries={"mode": "standard", "total_max_attempts": 1}, s3={"addressing_style": "path"}),
    )
    return made
