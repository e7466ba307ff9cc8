"""Credentials by the standard chain and our own guarded transport under every client (IRSA, profile, environment, a role to assume).

botocore is slow to load and reads its models from files: both happen off the event loop, and only when a service is first used.
"""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from functools import cache
from typing import Any, Final, Literal

from remediator.clients.aws.wire import AwsWire
from remediator.clients.transport import Rules, departure, open_session
from remediator.errors import ConfigError
from remediator.settings import AwsAccount

_CONNECT_S: Final = 3.0
_READ_ATTEMPTS: Final = 3
_LOOKING_S: Final = 10.0
_ROLE_SESSION: Final = "remediator"
_FROM_THIS_MACHINE: Final = ("env", "shared-credentials-file")
"""The others of the chain ask somebody, by clients of their own: AWS for a role, a metadata service, a command."""
Use = Literal["read", "write"]


class Sessions:
    """Of one account: a client for each service, region and use, made when first asked for and kept."""

    def __init__(self, account: AwsAccount, *, rules: Rules) -> None:
        """``rules`` are of writes; whatever is only read goes over a transport that refuses every write, dry-run or not."""
        self._account = account
        self._rules: dict[Use, Rules] = {
            "write": rules,
            "read": Rules("read", rules.clock, rules.timeout_s, rules.loopback_only),
        }
        self._session: Any = None
        self._clients: dict[tuple[str, str, Use], Any] = {}
        self._making = asyncio.Lock()
        self._open = AsyncExitStack()
        self._former = AsyncExitStack()
        self.renewed = 0
        """How often the credential was replaced by another."""

    async def client(self, service: str, region: str, use: Use) -> Any:
        """Raises what botocore raises; nothing is sent but what the credentials need."""
        key = (service, region, use)
        async with self._making:
            if key not in self._clients:
                self._clients[key] = await self._make(*key)
        return self._clients[key]

    async def shape(self, service: str, operation: str) -> Any:
        """The operation's model, by the method's name."""
        client = await self.client(service, self._account.regions[0], "read")
        return client.meta.service_model.operation_model(client.meta.method_to_api_mapping[operation])

    async def renew(self) -> None:
        """AWS takes the credential no more. One that stands in a file or the environment is read once: read it again, and if it is
        another, let every client be made anew with it. Those under way keep the one that they began with."""
        async with self._making:
            if self._session is None or not await _was_replaced(self._session):
                return
            self._session = None
            self._clients.clear()
            self.renewed += 1
            await self._former.aclose()
            self._former, self._open = self._open, AsyncExitStack()

    async def close(self) -> None:
        """Close every connection."""
        self._clients.clear()
        await self._former.aclose()
        await self._open.aclose()

    async def _make(self, service: str, region: str, use: Use) -> Any:
        if self._session is None:
            self._session = await asyncio.to_thread(_session, self._account)
            if self._account.role_arn is not None:
                self._assume(self._account.role_arn)
        loader = self._session.get_component("data_loader")
        await asyncio.to_thread(loader.load_service_model, service, "service-2")
        made = self._session.create_client(
            service,
            region_name=region,
            endpoint_url=self._account.endpoint_url,
            config=_config(self._rules[use], attempts=_READ_ATTEMPTS if use == "read" else 1),
        )
        client = await self._open.enter_async_context(made)
        # Nothing but this class keeps the rules; a library that no longer took it would send past them.
        if not getattr(client._endpoint.http_session, "guarded", False):
            raise ConfigError("aws", None, "the AWS library does not use our transport", "the pinned version of it")
        return client

    def _assume(self, role: str) -> None:
        """Our own credential is only for getting that of the role, and is asked for again before it expires."""
        from aiobotocore.credentials import AioAssumeRoleCredentialFetcher, AioDeferredRefreshableCredentials

        session, account = self._session, self._account
        rules = self._rules["read"]

        def make(*args: Any, **kwargs: Any) -> Any:
            kwargs.update(
                config=_config(rules, attempts=_READ_ATTEMPTS),
                endpoint_url=account.endpoint_url,
                region_name=kwargs.get("region_name") or account.regions[0],
            )
            return session.create_client(*args, **kwargs)

        async def fetch() -> Any:
            own = await _own_credentials(session)
            extra = {"RoleSessionName": _ROLE_SESSION}
            if account.external_id is not None:
                extra["ExternalId"] = account.external_id
            fetcher = AioAssumeRoleCredentialFetcher(make, own, role, extra_args=extra)
            with departure():  # of its own: that it has left says nothing of the request that it is for
                return await fetcher.fetch_credentials()

        session._credentials = AioDeferredRefreshableCredentials(fetch, "assume-role")


async def _was_replaced(session: Any) -> bool:
    """Is what the session holds fixed, and another to be found now? What refreshes itself does so without us."""
    from botocore.credentials import RefreshableCredentials

    held = await session.get_credentials()
    if held is None or isinstance(held, RefreshableCredentials):
        return False
    try:
        async with asyncio.timeout(_LOOKING_S):
            found = await _own_credentials(session)
    except Exception:  # botocore has many classes; where there is none now, the old one goes on being refused
        return False
    return bool(await found.get_frozen_credentials() != await held.get_frozen_credentials())


async def _own_credentials(session: Any) -> Any:
    """Of the standard chain, past the role that stands in its place."""
    found = await session.get_component("credential_provider").load_credentials()
    if found is None:
        from botocore.exceptions import NoCredentialsError

        raise NoCredentialsError
    return found


def _session(account: AwsAccount) -> Any:
    from aiobotocore.session import AioSession

    session = AioSession(profile=account.profile)
    if account.credentials_file is not None:
        session.set_config_variable("credentials_file", str(account.credentials_file))
    session.user_agent_name = "remediator"
    if account.loopback_only:
        chain = session.get_component("credential_provider")
        chain.providers = [one for one in chain.providers if one.METHOD in _FROM_THIS_MACHINE]
    # After the credentials file: asking for a variable reads the files.
    session.register_component("data_loader", _models(session.get_config_variable("data_path")))
    return session


@cache
def _models(path: str | None) -> Any:
    """One for the process: it keeps what it has read, which is slow to read."""
    from botocore.loaders import create_loader

    return create_loader(path)


@cache
def _trusted(verify: str | Literal[True]) -> Any:
    """The authorities of that file (True: the library's own), read once for the process."""
    from aiobotocore.httpsession import create_urllib3_context, get_cert_path

    context = create_urllib3_context()
    context.load_verify_locations(get_cert_path(verify))
    return context


def _config(rules: Rules, *, attempts: int) -> Any:
    from aiobotocore.config import AioConfig

    return AioConfig(
        http_session_cls=_guarded(rules),
        # Where nothing but loopback may be asked, no proxy of the environment may, either.
        proxies={} if rules.loopback_only else None,
        connect_timeout=min(_CONNECT_S, rules.timeout_s),
        read_timeout=rules.timeout_s,
        # "total" counts attempts, not repetitions; only the standard mode's rules are the same in every version.
        retries={"mode": "standard", "total_max_attempts": attempts},
        tcp_keepalive=True,
    )


def _guarded(rules: Rules) -> Callable[..., Any]:
    import aiohttp
    from aiobotocore.httpsession import AIOHTTPSession

    class Guarded(AIOHTTPSession):  # type: ignore[misc]  # a library without types
        guarded = True

        def _create_connector(self, proxy_url: Any) -> Any:
            if proxy_url or self._cert_file or not self._verify:
                return super()._create_connector(proxy_url)
            trusted = _trusted(self._verify)
            return aiohttp.TCPConnector(limit=self._max_pool_connections, ssl=trusted, **self._connector_args)

        async def _get_session(self, proxy_url: Any) -> Any:
            if (session := self._sessions.get(proxy_url)) is None:
                session = open_session(
                    rules,
                    connector=self._create_connector(proxy_url),
                    wire=AwsWire(),
                    timeout=self._timeout,
                    skip_auto_headers={"CONTENT-TYPE"},
                    auto_decompress=False,
                )
                self._sessions[proxy_url] = await self._exit_stack.enter_async_context(session)
            return session

    return Guarded
