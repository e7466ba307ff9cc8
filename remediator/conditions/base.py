"""What a condition is: a question asked of the world, answered yes, no or unknown (S7), with what was seen.

A condition looks once. Waiting, holding and deadlines are the run machine's.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from pydantic import BaseModel, ConfigDict

from remediator.answers import Answer
from remediator.clients.alertmanager import AlertmanagerPeers
from remediator.clients.aws.api import AwsApi
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.permissions import Right
from remediator.clients.prometheus import PrometheusClient
from remediator.errors import FactsMissingError
from remediator.runs.plan import Plan
from remediator.targets import Target

if TYPE_CHECKING:  # aiohttp takes half a second to import; `check` and `schema` do not need it
    from remediator.clients.http_probe import HttpProbe
    from remediator.clients.tls_probe import TlsProbe


class ConditionParams(BaseModel):
    """Base of every condition's parameters: frozen, unknown keys refused; never names a target."""

    model_config = ConfigDict(frozen=True, extra="forbid")


@dataclass(frozen=True, slots=True)
class Look:
    """One answer and the values behind it, in words that a page can show."""

    answer: Answer
    seen: str
    absent: bool = False
    """What was asked for was nowhere to be seen in this look, which may prove nothing yet. The caller keeps since when this has been
    true without a break, per condition of a verification, and hands it back as ``Known.absent_since`` (S26)."""
    partly: bool = False
    """Of ``landed`` alone, with a yes: our mark is there, and the rest of a step that is done in parts is still to be done."""


@dataclass(frozen=True, slots=True)
class EpisodeView:
    """What the store knows of one alert of this playbook and target."""

    fingerprint: str
    labels: Mapping[str, str]
    open: bool
    starts_at: datetime
    ended_at: datetime | None


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows, handed to every condition, so that conditions never read the store themselves."""

    now: datetime
    labels: Mapping[str, str]
    """Labels of the alert that the run is for."""
    variables: Mapping[str, Any] = field(default_factory=dict)
    episodes: tuple[EpisodeView, ...] = ()
    """For ``alert_resolved`` alone: every episode that this playbook matches and that resolves to this target, open ones and those
    closed since the run began."""
    asked_since: datetime | None = None
    """When this verification began; None in ``when``."""
    run_since: datetime | None = None
    """When the run was made; None before there is one."""
    absent_since: datetime | None = None
    """Since when every look of this condition had ``Look.absent``; None before the first and after a break."""
    done: tuple[Plan, ...] = ()
    """Plans of the steps that this run has done, oldest first: what was there before them is in their ``memory``. Empty in ``when``."""
    concerns: Callable[[Mapping[str, str]], bool] | None = None
    """Would an alert with these labels be matched by this playbook and resolve to this target? None: cannot be said, so an alert of
    another fingerprint (a new pod's) may be missed, and absence proves nothing (S26)."""


@dataclass(frozen=True, slots=True)
class World:
    """The clients of one place. None: not configured there, and what needs it answers unknown."""

    cluster: KubernetesClient | None
    prometheus: PrometheusClient | None
    alertmanager: AlertmanagerPeers | None
    http: "HttpProbe | None" = None
    tls: "TlsProbe | None" = None
    account: AwsApi | None = None
    nearby: AlertmanagerPeers | None = None
    """The Alertmanager that is told of this place, for alerts that remediator itself raised and that no Alertmanager knows. Only what
    else fires may be asked of it."""

    @property
    def kubernetes(self) -> KubernetesClient:
        """Raises FactsMissingError where the place has no cluster."""
        return cluster_of_place(self.cluster)

    @property
    def aws(self) -> AwsApi:
        """Raises FactsMissingError where the place has no account."""
        return account_of_place(self.account)


def cluster_of_place(cluster: KubernetesClient | None) -> KubernetesClient:
    """It, if there is one."""
    if cluster is None:
        raise FactsMissingError("no Kubernetes cluster belongs to this place (settings.sources.<name>.cluster)")
    return cluster


def account_of_place(account: AwsApi | None) -> AwsApi:
    """It, if there is one."""
    if account is None:
        raise FactsMissingError("no AWS account belongs to this place (settings.sources.<name>.account and region)")
    return account


class Condition(Protocol):
    """One kind of question. Instances hold no state."""

    name: ClassVar[str]
    params: ClassVar[type[ConditionParams]]

    def permissions(self, kind: str, params: Any) -> tuple[Right, ...]:
        """What a look asks of the cluster or of AWS for a target of this kind, and no more."""
        ...

    async def look(self, world: World, target: Target, params: Any, known: Known) -> Look:
        """Ask once. A read that fails is ``Answer.UNKNOWN`` with the reason in ``seen``, never an exception."""
        ...
