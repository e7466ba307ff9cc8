"""From settings to one client for each account and region that they allow."""

from collections.abc import Mapping
from importlib.util import find_spec

from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.sessions import Sessions
from remediator.clients.transport import Probe, Rules, is_loopback, no_probe
from remediator.clock import Clock
from remediator.errors import ConfigError
from remediator.settings import AwsAccount


class AwsAccounts:
    """Every account that settings list, by place: ``<account>/<region>``. Sends nothing until something is asked."""

    def __init__(
        self,
        accounts: Mapping[str, AwsAccount],
        *,
        dry_run: bool,
        clock: Clock,
        timeout_s: float,
        probe: Probe = no_probe,
    ) -> None:
        """Raises ConfigError: the library is not installed, or ``loopback_only`` is set and the endpoint is elsewhere."""
        if accounts and find_spec("aiobotocore") is None:
            raise ConfigError("accounts", None, "AWS needs the library aioboto3", "install remediator[aws]")
        self._sessions: list[Sessions] = []
        self.places: dict[str, AwsApi] = {}
        for name, account in accounts.items():
            _check_loopback(name, account)
            rules = Rules("dry" if dry_run else "live", clock, timeout_s, account.loopback_only, probe)
            sessions = Sessions(account, rules=rules)
            self._sessions.append(sessions)
            for region in account.regions:
                self.places[f"{account.id}/{region}"] = AwsApi(
                    sessions, account=account.id, region=region, dry_run=dry_run, clock=clock, timeout_s=timeout_s
                )

    async def close(self) -> None:
        """Close every connection."""
        for sessions in self._sessions:
            await sessions.close()


def _check_loopback(name: str, account: AwsAccount) -> None:
    if not account.loopback_only:
        return
    from yarl import URL

    if account.endpoint_url is None or not is_loopback(URL(account.endpoint_url).host):
        raise ConfigError(
            f"accounts.{name}",
            None,
            f"loopback_only is set, but the endpoint is {account.endpoint_url or 'AWS'}",
            "an endpoint_url such as http://127.0.0.1:4566",
        )
