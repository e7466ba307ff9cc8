"""The part of ``remediator check`` that asks the clusters and accounts: are all permissions there that the playbooks need?"""

from collections.abc import Iterable
from contextlib import AsyncExitStack

from remediator.clients.aws.connect import AwsAccounts
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.connect import connect
from remediator.clock import SystemClock
from remediator.engine.needs import Need
from remediator.engine.permission_watch import look
from remediator.errors import ConfigError
from remediator.playbooks.model import Playbook
from remediator.settings import Settings

_GRANT = "grant it: remediator permissions --rbac"
_ALLOW = "allow it: remediator permissions --iam"


async def of_clusters(
    playbooks: Iterable[Playbook], settings: Settings
) -> tuple[tuple[ConfigError, ...], tuple[ConfigError, ...]]:
    """What is wrong, and what will be once a playbook may do more than propose.

    Raises:
        ConfigError: a kubeconfig or service account cannot be used, or there is nobody to ask: nothing asked is nothing good.
    """
    if not settings.clusters and not settings.accounts:
        raise ConfigError(
            "settings clusters",
            None,
            "--cluster has no cluster to ask, and no account at AWS",
            "settings that name one; --config",
        )
    timeout_s = settings.timings.request.total_seconds()
    async with AsyncExitStack() as stack:
        clients: dict[str, KubernetesClient] = {}
        for name, cluster in settings.clusters.items():
            clients[name] = await connect(cluster, name=name, dry_run=True, clock=SystemClock(), timeout_s=timeout_s)
            stack.push_async_callback(clients[name].close)
        accounts = AwsAccounts(settings.accounts, dry_run=True, clock=SystemClock(), timeout_s=timeout_s)
        stack.push_async_callback(accounts.close)
        access = await look(playbooks, settings, clients, accounts.places)
    silent = [
        ConfigError(_place(place, settings), None, f"what is allowed there could not be asked: {why}")
        for place, why in (access.unanswered or {}).items()
    ]
    lacking = [ConfigError(_place(need.cluster, settings), None, str(need), _GRANT) for need in access.lacking]
    lacking += [ConfigError(_place(need.account, settings), None, str(need), _ALLOW) for need in access.at_aws.lacking]
    later = [_later(need, settings) for need in access.later]
    later += [
        ConfigError(
            _place(account, settings), None, "IAM's simulation gave no answer, so only reading was looked at", _ALLOW
        )
        for account in access.at_aws.not_simulated
    ]
    return (*silent, *lacking), tuple(later)


def _later(need: Need, settings: Settings) -> ConfigError:
    return ConfigError(
        _place(need.cluster, settings),
        None,
        str(need),
        f"not yet, as settings.autonomy is; before it is raised, {_GRANT}",
    )


def _place(place: str, settings: Settings) -> str:
    """A cluster by its name, an account by its number with or without the region."""
    number, _, region = place.partition("/")
    found = next((name for name, account in settings.accounts.items() if account.id == number), None)
    if place in settings.clusters or found is None:
        return f"settings clusters.{place}"
    return f"settings accounts.{found}{f' in {region}' if region else ''}"
