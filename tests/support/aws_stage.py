"""An AWS as a test sees it: simulated, its time passes only when a run waits, and clients of ours have just the rights it names."""

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Self

from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.connect import AwsAccounts
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.permissions import IamPermission, Permission, Right
from remediator.clients.transport import Probe, no_probe
from remediator.clock import SystemClock
from remediator.sandbox.aws.cloud import ACCOUNT, REGION, Asked, Cloud
from remediator.sandbox.world import World
from remediator.settings import AwsAccount
from remediator.targets import Target
from tests.support.emulated_cluster import EmulatedStage

SIMULATION = ("iam:SimulatePrincipalPolicy", "sts:GetCallerIdentity", "iam:GetRole")
_DRY = "AKIADRY"
_TIMEOUT_S = 60.0


class StageClock:
    """The machine's time and what was waited since: waiting takes no time, it lets that of the simulated AWS pass."""

    def __init__(self, cloud: Cloud) -> None:
        self._cloud = cloud
        self._machine = SystemClock()

    def now(self) -> datetime:
        return self._cloud.now()

    def boottime(self) -> float:
        return self._machine.boottime() + self._cloud.later.advanced_s

    async def sleep(self, seconds: float) -> None:
        self._cloud.advance(max(0.0, seconds))


@dataclass
class AwsStage:
    """Use as `async with`. `aws` is the simulated AWS, `cluster` a namespace on the cluster beside it."""

    world: World
    cluster: EmulatedStage
    directory: Path
    _numbers: "itertools.count[int]" = field(default_factory=lambda: itertools.count(1))
    _accounts: list[AwsAccounts] = field(default_factory=list)

    async def __aenter__(self) -> Self:
        self.aws.hold()
        self.clock = StageClock(self.aws)
        return self

    async def __aexit__(self, *_: object) -> None:
        for one in self._accounts:
            await one.close()
        assert_no_dry_client_wrote(self.aws)

    @property
    def aws(self) -> Cloud:
        return self.world.aws

    def target(self, kind: str, name: str, within: str = "") -> Target:
        """In the account and region of the stage."""
        return Target.aws(ACCOUNT, REGION, kind, name, within)

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass, for AWS and for our clients."""
        self.aws.advance(seconds)

    def client(
        self,
        rights: Iterable[Right] | None = None,
        *,
        dry_run: bool = False,
        simulation: bool = True,
        probe: Probe = no_probe,
        timeout_s: float = _TIMEOUT_S,
    ) -> AwsApi:
        """Our own, with exactly these rights (None: all), and with that to IAM's simulation. Live ones write only with a permit."""
        key = f"{_DRY if dry_run else 'AKIALIVE'}{next(self._numbers):04d}"
        may = None if rights is None else [one.action for one in rights if isinstance(one, IamPermission)]
        self.aws.grant(key, None if may is None else [*may, *(SIMULATION if simulation else ())])
        accounts = AwsAccounts(
            {"main": self._account(key)}, dry_run=dry_run, clock=self.clock, timeout_s=timeout_s, probe=probe
        )
        self._accounts.append(accounts)
        return accounts.places[f"{ACCOUNT}/{REGION}"]

    async def kubernetes(self, rights: Iterable[Right], *, dry_run: bool = False) -> KubernetesClient | None:
        """Our client of the cluster, if these rights have any to do with one."""
        may = [one for one in rights if isinstance(one, Permission)]
        return await self.cluster.client(may, dry_run=dry_run) if may else None

    def asked(self) -> list[Asked]:
        """What our clients asked of AWS, questions about their own rights left out."""
        return [one for one in self.aws.asked if one.action not in SIMULATION]

    def _account(self, key: str) -> AwsAccount:
        file = self.directory / f"{key}.credentials"
        file.write_text(f"[{key}]\naws_access_key_id = {key}\naws_secret_access_key = sandbox\n")
        return AwsAccount.model_validate(
            {
                "id": ACCOUNT,
                "regions": [REGION],
                "profile": key,
                "credentials_file": file,
                "endpoint_url": self.aws.url,
                "loopback_only": True,
            }
        )


def assert_no_dry_client_wrote(cloud: Cloud) -> None:
    """S21, whatever a test was about: nothing that could change something came from a client that is a dry-run."""
    wrote = [one for one in cloud.writes if one.access_key.startswith(_DRY)]
    assert not wrote, f"a dry-run sent {wrote}"
