"""The part of ``remediator check`` that asks the clusters: are all permissions there that the playbooks need?"""

from collections.abc import Iterable
from contextlib import AsyncExitStack

from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.connect import connect
from remediator.clock import SystemClock
from remediator.engine.needs import Need
from remediator.engine.permission_watch import look
from remediator.errors import ConfigError
from remediator.playbooks.model import Playbook
from remediator.settings import Settings

_GRANT = "grant it: remediator permissions --rbac"


async def of_clusters(
    playbooks: Iterable[Playbook], settings: Settings
) -> tuple[tuple[ConfigError, ...], tuple[ConfigError, ...]]:
    """What is wrong, and what will be once a playbook may do more than propose.

    Raises:
        ConfigError: a kubeconfig or service account cannot be used, or there is no cluster to ask: nothing asked is nothing good.
    """
    if not settings.clusters:
        raise ConfigError(
            "settings clusters", None, "--cluster has no cluster to ask", "settings that name one; --config"
        )
    timeout_s = settings.timings.request.total_seconds()
    async with AsyncExitStack() as stack:
        clients: dict[str, KubernetesClient] = {}
        for name, cluster in settings.clusters.items():
            clients[name] = await connect(cluster, name=name, dry_run=True, clock=SystemClock(), timeout_s=timeout_s)
            stack.push_async_callback(clients[name].close)
        access = await look(playbooks, settings, clients)
    silent = [
        ConfigError(_place(cluster), None, f"what is allowed there could not be asked: {why}")
        for cluster, why in (access.unanswered or {}).items()
    ]
    lacking = [ConfigError(_place(need.cluster), None, str(need), _GRANT) for need in access.lacking]
    later = [_later(need) for need in access.later]
    return (*silent, *lacking), tuple(later)


def _later(need: Need) -> ConfigError:
    return ConfigError(
        _place(need.cluster), None, str(need), f"not yet, as settings.autonomy is; before it is raised, {_GRANT}"
    )


def _place(cluster: str) -> str:
    return f"settings clusters.{cluster}"
