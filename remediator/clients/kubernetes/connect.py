"""From settings to a connected client: kubeconfig or service account, TLS, and our own guarded session."""

import asyncio
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from yarl import URL

from remediator.clients.kubernetes.api import KubernetesApi
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.library import load
from remediator.clients.transport import Probe, Rules, is_loopback, no_probe, open_session
from remediator.clock import Clock
from remediator.errors import ConfigError
from remediator.settings import Cluster

_RENEW_CREDENTIAL_S = 60.0
_LOAD_WITHIN_S = 30.0
_CLOSE_WITHIN_S = 1.0
_LARGEST_MESSAGE = 1024 * 1024


async def connect(
    cluster: Cluster, *, name: str, dry_run: bool, clock: Clock, timeout_s: float, probe: Probe = no_probe
) -> KubernetesClient:
    """A client of one cluster. Sends nothing yet.

    Raises:
        ConfigError: the kubeconfig or service account cannot be used, or names an address that ``loopback_only`` refuses.
    """
    # The import takes some tenths of a second: not on the event loop.
    library = await asyncio.to_thread(load)
    configuration = library.client.Configuration()
    place = f"clusters.{name}"
    try:
        # A credential plugin may hang, and then the program would never start.
        async with asyncio.timeout(_LOAD_WITHIN_S):
            await _load(library, cluster, configuration, clock)
        host = urlsplit(configuration.host).hostname
        if cluster.loopback_only and not is_loopback(host):
            raise ConfigError(
                place, None, f"loopback_only is set, but the API server is {host}", "an address such as 127.0.0.1"
            )
        api_client = library.client.ApiClient(configuration)
    except ConfigError:
        raise
    except Exception as error:
        # The loaders raise their own classes, OSError, YAML's, base64's, ssl's: all mean that what was configured cannot be used.
        source = str(cluster.kubeconfig) if cluster.kubeconfig is not None else "the service account"
        remedy = "a kubeconfig, or run in a pod with a service account"
        raise ConfigError(place, None, f"{source} cannot be used: {type(error).__name__}: {error}", remedy) from None
    api_client.default_headers["User-Agent"] = "remediator"
    rules = Rules("dry" if dry_run else "live", clock, timeout_s, cluster.loopback_only, probe)
    _take_over(api_client, rules)
    return KubernetesClient(KubernetesApi(api_client, dry_run=dry_run, timeout_s=timeout_s), name=name, clock=clock)


async def _load(library: Any, cluster: Cluster, configuration: Any, clock: Clock) -> None:
    if cluster.kubeconfig is None:
        library.config.load_incluster_config(configuration)
        return
    # The library takes a file that is not there for an empty one, and then misses a context in it.
    await asyncio.to_thread(cluster.kubeconfig.read_bytes)
    loader = await library.config.load_kube_config(
        str(cluster.kubeconfig), context=cluster.context, client_configuration=configuration, persist_config=False
    )
    _keep_credential_fresh(loader, configuration, clock)


def _keep_credential_fresh(loader: Any, configuration: Any, clock: Clock) -> None:
    """Ask the kubeconfig's token file or credential plugin again every minute: the library does so once, and tokens expire."""
    loaded_at = clock.boottime()

    async def load_again(present: Any) -> None:
        nonlocal loaded_at
        if clock.boottime() - loaded_at >= _RENEW_CREDENTIAL_S:
            await loader.load_and_set(present)
            loaded_at = clock.boottime()

    configuration.refresh_api_key_hook = load_again


class _Pool:
    """Stands where the library keeps its ``ClientSession``."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def request(self, **kwargs: Any) -> aiohttp.ClientResponse:
        # A redirected write would be sent a second time, with our credential, to a place that nobody configured.
        return await self._session.request(**kwargs, allow_redirects=False)

    async def open_stream(
        self, url: str, query: Sequence[tuple[str, str]], headers: dict[str, str]
    ) -> "aiohttp.ClientWebSocketResponse[bool]":
        return await self._session.ws_connect(
            URL(url).with_query(list(query)),
            headers=headers,
            protocols=("v4.channel.k8s.io",),
            timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSE_WITHIN_S),
            max_msg_size=_LARGEST_MESSAGE,
        )

    async def close(self) -> None:
        await self._session.close()


def _take_over(api_client: Any, rules: Rules) -> None:
    """Give the library our session over the connector (with TLS options) that it built."""
    theirs: aiohttp.ClientSession = api_client.rest_client.pool_manager
    connector = theirs.connector
    theirs.detach()
    api_client.rest_client.pool_manager = _Pool(open_session(rules, connector=connector))
