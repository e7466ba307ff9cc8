"""Settings: one YAML file, every key documented here, each overridable by ``REMEDIATOR_<PATH>`` (``__`` between the parts).

Secrets can stand in the file, in the environment, or, best, in a file of their own named by the ``..._file`` key beside them; never
both. Unknown keys are refused with the place and what is accepted. ``load_settings`` is the only reader of the environment.
"""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import yaml
from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from remediator import marked_yaml
from remediator.durations import Duration, format_duration
from remediator.errors import ConfigError
from remediator.targets import check_pattern

AutonomyLevel = Literal["observe", "propose", "approve", "act"]
SeverityName = Literal["critical", "high", "medium", "low", "none"]

SOURCE_NAME = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"
Namespace = Annotated[str, Field(pattern=SOURCE_NAME)]
HttpUrl = Annotated[str, Field(pattern=r"^https?://[^\s/@?#]+(/[^\s?#]*)?$")]  # shown in logs: no password in it


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _WithSecret(_Settings):
    @staticmethod
    def _one_of(secret: SecretStr | None, file: Path | None, what: str) -> str | None:
        if secret is not None and file is not None:
            raise ValueError(f"{what} and {what}_file are both given; keep one")
        value = secret.get_secret_value() if secret is not None else None
        if file is not None:
            try:
                value = file.read_text().strip()
            except OSError as error:
                raise ValueError(f"{what}_file {file.absolute()} cannot be read: {error.strerror}") from None
        if value is not None and not value:
            raise ValueError(f"{what} is empty")
        return value


class Listen(_Settings):
    host: str = Field("127.0.0.1", description="address to listen on; 0.0.0.0 in a container")
    port: int = Field(8080, ge=0, le=65535, description="0 picks a free port")


class StoreSettings(_Settings):
    url: str = Field(
        "sqlite:///remediator.sqlite",
        repr=False,  # there may be a password in it
        description="sqlite:///relative/path, sqlite:////absolute/path or postgresql://user@host:5432/database",
    )
    password_file: Path | None = Field(None, description="file with PostgreSQL's password; read at every connecting")
    commit_timeout: Duration = Field(
        timedelta(seconds=5), description="a webhook whose commit takes longer is answered 503"
    )
    queue: int = Field(2_000, gt=0, description="webhooks waiting for a commit; more are answered 503")
    retention: Duration = Field(
        timedelta(days=90), description="how long the details of what is over are kept; of an incident a summary stays"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        # Of the rest nothing is said: there may be a password in it.
        if not self.url.startswith(("sqlite:///", "postgresql://")):
            raise ValueError("url must begin with sqlite:/// or postgresql://")
        if self.password_file is not None and not self.url.startswith("postgresql://"):
            raise ValueError("password_file is for postgresql:// only")
        return self

    @property
    def shown(self) -> str:
        """The address for logs and pages: no user, no password and no options in it."""
        scheme, found, rest = self.url.partition("://")
        if not found or scheme == "sqlite":
            return self.url if found else "?"
        authority, slash, path = rest.rpartition("@")[2].partition("?")[0].partition("/")
        return f"{scheme}://{authority}{slash}{path}"


class Credential(_WithSecret):
    """Bearer token, or user name and password."""

    token: SecretStr | None = Field(None, description="bearer token")
    token_file: Path | None = Field(None, description="file with the bearer token")
    username: str | None = Field(None, description="user name for basic authentication")
    password: SecretStr | None = Field(None, description="password for basic authentication")
    password_file: Path | None = Field(None, description="file with the password")

    @model_validator(mode="after")
    def _check(self) -> Self:
        bearer = self.bearer
        basic = self._one_of(self.password, self.password_file, "password")
        if bearer is not None and (basic is not None or self.username is not None):
            raise ValueError("give either a token or username and password")
        if (basic is None) != (self.username is None):
            raise ValueError("username and password belong together")
        return self

    @property
    def bearer(self) -> str | None:
        """The token, from wherever it stands."""
        return self._one_of(self.token, self.token_file, "token")

    @property
    def basic(self) -> tuple[str, str] | None:
        """User name and password."""
        password = self._one_of(self.password, self.password_file, "password")
        return None if password is None or self.username is None else (self.username, password)


class Peers(_WithSecret):
    """The API of one Alertmanager cluster."""

    urls: tuple[HttpUrl, ...] = Field(min_length=1, description="every HA peer's base URL")
    receivers: tuple[str, ...] = Field(
        ("remediator",),
        min_length=1,
        description="receivers whose webhook is remediator; of no other anything is taken in",
    )
    group_wait: Duration = Field(
        timedelta(seconds=30), description="longest group_wait of their routes; a webhook 2 min later counts as lost"
    )
    credential: Credential = Field(default_factory=Credential, description="when a proxy asks for one")


class Choice(_Settings):
    """The place is named by a label, among a listed set (S1)."""

    label: str = Field(description="name of the label")
    among: tuple[str, ...] = Field(min_length=1, description="those that it may name")


class Source(_Settings):
    """One named sender of alerts (S1)."""

    credential: Credential | None = Field(
        None, description="what it proves itself with; required unless --insecure-no-auth"
    )
    cluster: str | Choice | None = Field(None, description="the cluster of its alerts, or the label that chooses it")
    account: str | Choice | None = Field(
        None, description="the AWS account of its alerts, or the label that chooses it"
    )
    region: str | Choice | None = Field(None, description="the AWS region of its alerts, or the label that chooses it")
    alertmanager: Peers | None = Field(
        None, description="its Alertmanager's API; without it doubtful alerts cannot be settled"
    )


class PrometheusSettings(_Settings):
    url: HttpUrl = Field(description="base URL")
    credential: Credential = Field(default_factory=Credential, description="when a proxy asks for one")


class Cluster(_Settings):
    """One Kubernetes cluster."""

    aliases: tuple[str, ...] = Field((), description="other names that alerts use for it")
    kubeconfig: Path | None = Field(
        None, description="kubeconfig file; absent: the service account that remediator runs as"
    )
    context: str | None = Field(None, description="context in that file; absent: its current one")
    namespaces: tuple[Namespace, ...] = Field((), description="namespaces that may be changed; empty: none")
    nodes: bool = Field(False, description="nodes may be cordoned and drained, which moves pods of every namespace")
    commands: bool = Field(
        False, description="a playbook's fixed commands may be run in pods, to look at what only they can tell"
    )
    prometheus: PrometheusSettings | None = Field(None, description="for promql and alert_resolved")
    loopback_only: bool = Field(False, description="refuse any API address that is not loopback (the demo sets it)")


class AwsAccount(_Settings):
    """One account at AWS. Credentials come by AWS's standard chain: environment, profile, web identity (IRSA), container, instance."""

    id: str = Field(pattern=r"^[0-9]{12}$", description="the account's number")
    aliases: tuple[str, ...] = Field((), description="other names that alerts use for it")
    regions: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}(-[a-z]+)+-[0-9]$")], ...] = Field(
        min_length=1, description="regions that may be looked at and changed"
    )
    role_arn: Annotated[str, Field(pattern=r"^arn:[a-z-]+:iam::[0-9]{12}:role/[\w+=,.@/-]+$")] | None = Field(
        None, description="role to assume there; absent: act as what the credentials are"
    )
    external_id: str | None = Field(None, description="external id that the role's trust asks for")
    profile: str | None = Field(None, description="profile of the shared configuration files")
    credentials_file: Path | None = Field(None, description="shared credentials file; absent: the standard place")
    targets: tuple[str, ...] = Field(
        (),
        description="what may be changed, as <kind>/<name> with * and ?, such as rds-instance/orders-*; empty: nothing",
    )
    documents: tuple[str, ...] = Field(
        (), description="documents of Systems Manager that playbooks may run on instances (aws.ssm_run); empty: none"
    )
    endpoint_url: HttpUrl | None = Field(None, description="instead of AWS's own endpoints, for all services")
    loopback_only: bool = Field(False, description="refuse any endpoint that is not loopback (the demo sets it)")

    @model_validator(mode="after")
    def _check(self) -> Self:
        for pattern in self.targets:
            try:
                check_pattern(pattern)
            except ValueError as error:
                raise ValueError(f"targets: {error}") from None
        if self.role_arn is not None and f"::{self.id}:" not in self.role_arn:
            raise ValueError(
                f"role_arn is of another account than id {self.id}; nothing would be asked or done with it"
            )
        if self.external_id is not None and self.role_arn is None:
            raise ValueError("external_id has no effect without role_arn")
        return self


class TlsEndpoint(_Settings):
    host: str = Field(
        max_length=253,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]*$",
        description="name or address; also the name that is asked for (SNI)",
    )
    port: int = Field(443, gt=0, lt=65_536, description="where it listens")
    starttls: Literal["none", "postgres", "smtp"] = Field("none", description="what comes before the handshake")


class CertificateSettings(_Settings):
    """Certificates that would run out without any alert: remediator looks itself, and speaks as the source `watcher` (S1)."""

    watch: bool = Field(
        False, description="raise CertificateExpiry for cert-manager's Certificates of all namespaces above"
    )
    secrets: bool = Field(
        False,
        description="also for TLS Secrets; whoever may list Secrets may read their keys, too: RBAC cannot tell them apart",
    )
    ingresses: bool = Field(
        False,
        description="also for what hosts of Ingresses serve; whoever writes an Ingress then chooses names to connect to",
    )
    endpoints: tuple[TlsEndpoint, ...] = Field((), description="also for what these serve")
    allow_private: bool = Field(False, description="endpoints and Ingress hosts may have addresses that are not public")
    warn_within: Duration = Field(timedelta(days=21), description="before the end: severity medium")
    urgent_within: Duration = Field(timedelta(days=7), description="before the end: severity high")
    every: Duration = Field(
        timedelta(minutes=2), description="how often; at most 4m, or what it raised counts as stale and nothing is done"
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if not timedelta(0) < self.urgent_within < self.warn_within:
            raise ValueError("urgent_within must be above 0 and below warn_within")
        if not timedelta(seconds=1) <= self.every <= timedelta(minutes=4):
            raise ValueError("every must be from 1s to 4m")
        return self


class ApiToken(_WithSecret):
    name: str = Field(pattern=r"^[\w.@-]{1,64}$", description="who acts: stands in approvals, pauses and the timeline")
    token: SecretStr | None = Field(None, description="the token")
    token_file: Path | None = Field(None, description="file with the token")

    @property
    def secret(self) -> str | None:
        """The token, from wherever it stands."""
        return self._one_of(self.token, self.token_file, "token")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.secret is None:
            raise ValueError("token or token_file is required")
        return self


class Trusted(_Settings):
    """A level given to one content of a playbook; when its match, target or remedies change it is void (S14)."""

    level: AutonomyLevel = Field(description="how much it may do by itself")
    content: str = Field(
        pattern=r"^[0-9a-f]{16}$", description="the content that is trusted, as `remediator check` and pages print it"
    )


class AutonomySettings(_Settings):
    start: AutonomyLevel = Field("propose", description="highest level of a playbook that settings do not name")
    playbooks: Mapping[str, AutonomyLevel | Trusted] = Field(
        {}, description="by name: a level lowers a playbook; {level, content} can also raise it above start"
    )


class Totals(_Settings):
    """Totals over all playbooks (S9)."""

    actions: int = Field(20, gt=0, description="actions in `per`, over everything")
    per_playbook: int = Field(10, gt=0, description="actions in `per`, of one playbook")
    per: Duration = Field(timedelta(minutes=10), description="the period")


class PagerDutySettings(_WithSecret):
    routing_key: SecretStr | None = Field(None, description="integration key of the service, 32 characters")
    routing_key_file: Path | None = Field(None, description="file with the integration key")
    url: HttpUrl = Field(
        "https://events.pagerduty.com/v2/enqueue", description="EU accounts: https://events.eu.pagerduty.com/v2/enqueue"
    )
    events_per_minute: int = Field(60, gt=0, description="our own cap; PagerDuty takes about 120 per key and minute")

    @property
    def key(self) -> str | None:
        """The integration key, from wherever it stands."""
        return self._one_of(self.routing_key, self.routing_key_file, "routing_key")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (key := self.key) is not None and len(key) != 32:
            raise ValueError("routing_key must be 32 characters")
        return self


class Level(_Settings):
    after: Duration = Field(timedelta(0), description="time since the page was due")
    channels: tuple[Literal["pagerduty"], ...] = Field(("pagerduty",), min_length=1, description="who is told")


class Policy(_Settings):
    levels: tuple[Level, ...] = Field((Level(),), min_length=1, max_length=1, description="one level in this release")


class Escalation(_Settings):
    pages: tuple[SeverityName, ...] = Field(("critical", "high"), description="severities that page")
    page_after: Mapping[SeverityName, Duration] = Field(
        {"critical": timedelta(minutes=5), "high": timedelta(minutes=15)},
        description="how long an incident may stay unfixed before a person is paged",
    )
    policies: Mapping[str, Policy] = Field({}, description="named like a severity, or as playbooks name them")
    close_within: Duration = Field(
        timedelta(minutes=15), description="after a verified run its alerts must be closed in this time"
    )
    reopen_within: Duration = Field(timedelta(minutes=30), description="a return in this time reopens the incident")
    remind: Duration = Field(timedelta(minutes=30), description="how often a run that needs a person pages again")
    watchdog: str | None = Field("Watchdog", description="alertname of the heartbeat that always fires; null: none")
    watchdog_within: Duration = Field(
        timedelta(minutes=15), description="older than this, the heartbeat counts as lost"
    )


class Timings(_Settings):
    settle: Duration = Field(timedelta(seconds=20), description="wait before the first change on a target (S11)")
    start_hold: Duration = Field(
        timedelta(minutes=10), description="observe only, after a first live start or a long outage (S10)"
    )
    outage: Duration = Field(timedelta(minutes=15), description="a longer outage brings start_hold back")
    approval: Duration = Field(timedelta(hours=1), description="how long an approval request stands")
    lease: Duration = Field(timedelta(seconds=30), description="how long a claim stands without a heartbeat")
    request: Duration = Field(timedelta(seconds=10), description="time-out of one request to the outside")
    takeover: Duration = Field(
        timedelta(seconds=10),
        description="wait beyond lease and request before another replica's run is taken over (S20)",
    )
    look: Duration = Field(timedelta(seconds=5), description="time between two looks of a verification")
    steady: Duration = Field(
        timedelta(seconds=30), description="nothing begins for so long after the clock has stepped (S28)"
    )
    reconcile: Duration = Field(
        timedelta(minutes=1), description="how often what Alertmanager tells is compared with what has arrived (S29)"
    )
    shutdown: Duration = Field(timedelta(seconds=20), description="how long a stop waits for what is under way")


class Settings(_Settings):
    """Everything that an operator sets."""

    mode: Literal["dry-run", "live"] = Field("dry-run", description="dry-run (default) or live")
    listen: Listen = Field(default_factory=Listen)
    store: StoreSettings = Field(default_factory=StoreSettings)
    playbooks: Path = Field(Path("playbooks"), description="directory of playbooks; may be a ConfigMap mount")
    vars: Mapping[str, Mapping[str, str | int | float]] = Field(
        {}, description="playbook name -> overrides of its vars"
    )
    sources: Mapping[str, Source] = Field({}, description="who sends alerts")
    clusters: Mapping[str, Cluster] = Field({}, description="where remediator may act")
    accounts: Mapping[str, AwsAccount] = Field({}, description="AWS accounts where remediator may act")
    certificates: CertificateSettings = Field(default_factory=CertificateSettings)
    api_tokens: tuple[ApiToken, ...] = Field((), description="who may use /api/v1")
    severities: Mapping[str, SeverityName] = Field(
        {}, description="more values of the label severity, and what they mean"
    )
    autonomy: AutonomySettings = Field(default_factory=AutonomySettings)
    totals: Totals = Field(default_factory=Totals)
    own_ground: tuple[str, ...] = Field(
        (), description="namespaces or targets that remediator stands on, beside kube-system (S12)"
    )
    own_namespace: str | None = Field(None, description="namespace that remediator runs in; set by the manifests")
    own_node: str | None = Field(None, description="node that remediator runs on; set by the manifests")
    replica: str | None = Field(None, description="name of this replica among its peers; default: the host's name")
    pagerduty: PagerDutySettings = Field(default_factory=PagerDutySettings)
    escalation: Escalation = Field(default_factory=Escalation)
    timings: Timings = Field(default_factory=Timings)
    pause_file: Path | None = Field(None, description="while this file exists, everything is paused (S23)")
    external_url: HttpUrl | Literal[""] = Field("", description="this service's address for people; in links of pages")
    max_body: int = Field(32 * 2**20, gt=0, description="bytes; a larger webhook is answered 413 and its group fetched")

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.timings.lease < 2 * self.timings.request:
            # A write may leave only while more than one request time-out of the lease is left, and a third of it may be gone.
            raise ValueError("timings.lease must be at least twice timings.request, or no write could ever leave")
        if self.store.retention < (least := max(timedelta(days=1), self.escalation.reopen_within)):
            raise ValueError(
                f"store.retention must be at least {format_duration(least)}: what returns is compared with it"
            )
        for kind, names in (("source", self.sources), ("cluster", self.clusters), ("account", self.accounts)):
            for name in names:
                if not re.fullmatch(SOURCE_NAME, name):
                    raise ValueError(f"{kind} name {name!r} must be lower case letters, digits and '-'")
        clusters = _spellings("clusters", {name: one.aliases for name, one in self.clusters.items()})
        accounts = _spellings("accounts", {name: (one.id, *one.aliases) for name, one in self.accounts.items()})
        for spelled in accounts.difference(one.id for one in self.accounts.values()):
            if re.fullmatch(r"[0-9]{12}", spelled):
                raise ValueError(f"accounts: {spelled!r} names an account whose id is another; it must have that id")
        regions = {region for account in self.accounts.values() for region in account.regions}
        for name, source in self.sources.items():
            if name in BUILT_IN_SOURCES:
                raise ValueError(f"source name {name!r} is built in; choose another")
            for word, given, known in (
                ("cluster", source.cluster, clusters),
                ("account", source.account, accounts),
                ("region", source.region, regions),
            ):
                for place in given.among if isinstance(given, Choice) else (given,):
                    if place is not None and place not in known:
                        listed = "no account lists" if word == "region" else f"`{word}s` does not list"
                        raise ValueError(f"source {name!r} names {word} {place!r}, which {listed}")
            if (source.account is None) != (source.region is None):
                raise ValueError(f"source {name!r}: account and region belong together")
            if isinstance(source.account, str) and isinstance(source.region, str):
                account = self.account_named(source.account)
                if account is not None and source.region not in account.regions:
                    raise ValueError(
                        f"source {name!r} names region {source.region!r}, which account {source.account!r} does not list"
                    )
        return self

    def cluster_named(self, name: str) -> str | None:
        """The canonical name of a cluster given by name or alias; None when there is none."""
        return next(
            (known for known, cluster in self.clusters.items() if name == known or name in cluster.aliases), None
        )

    def account_named(self, name: str) -> AwsAccount | None:
        """The account given by name, number or alias; None when there is none."""
        return next((one for known, one in self.accounts.items() if name in (known, one.id, *one.aliases)), None)


def _spellings(what: str, names: Mapping[str, tuple[str, ...]]) -> set[str]:
    """Every name and alias. Raises ValueError where one may stand for two things."""
    all_of_them = [spelled for name, others in names.items() for spelled in {name, *others}]
    if twice := sorted({name for name in all_of_them if all_of_them.count(name) > 1}):
        raise ValueError(f"{what} share the name {twice[0]!r}; a name or alias may stand for one of them only")
    return set(all_of_them)


BUILT_IN_SOURCES = frozenset({"manual", "watcher", "drill"})
"""Sources that remediator itself speaks as (S1)."""

_PREFIX = "REMEDIATOR_"


def load_settings(
    path: Path | None, environ: Mapping[str, str], overrides: Mapping[str, Any] | None = None
) -> Settings:
    """Read the file (None: defaults), the environment, then ``overrides`` (the command line's); each wins over the one before.

    Raises:
        ConfigError: names file and line, or the variable, and what is accepted.
    """
    text = "{}"
    if path is not None:
        try:
            text = path.read_text()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(
                path=str(path), line=None, message=f"cannot be read: {error}", remedy="a readable YAML file"
            ) from None
    document = marked_yaml.load(text, str(path or "defaults"))
    if not isinstance(document.value, dict | None):
        raise document.error((), "not a mapping", "accepted: key: value pairs")
    value: dict[str, Any] = dict(document.value or {})
    elsewhere: dict[tuple[str | int, ...], str] = {}
    for name in sorted(environ):
        if name.startswith(_PREFIX) and name != f"{_PREFIX}CONFIG":
            keys = tuple(part.lower() for part in name.removeprefix(_PREFIX).split("__"))
            if keys[0] in Settings.model_fields:
                _put(value, keys, _scalar(name, environ[name]))
                elsewhere[keys] = name
    for dotted, given in (overrides or {}).items():
        _put(value, keys := tuple(dotted.split(".")), given)
        elsewhere[keys] = "command line"
    return marked_yaml.validate(Settings, document.with_value(value, elsewhere))


def _scalar(name: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        raise ConfigError(
            path=name, line=None, message="is not valid YAML", remedy="a plain value, or YAML in one line"
        ) from None


def _put(value: dict[str, Any], keys: tuple[str, ...], given: Any) -> None:
    for key in keys[:-1]:
        inner = value.get(key)
        value[key] = inner = dict(inner) if isinstance(inner, Mapping) else {}
        value = inner
    value[keys[-1]] = given
