"""The simulated AWS as a whole: one address for all services, who may do what, faults, and what was asked."""

import asyncio
import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from aiohttp import web

from remediator.sandbox.aws import refusals
from remediator.sandbox.aws.later import Later, Then
from remediator.sandbox.aws.models import iam_action, is_loaded, model_of, only_reads
from remediator.sandbox.aws.principals import Allowed, Principal, allowed
from remediator.sandbox.aws.protocol import answers, requests
from remediator.sandbox.aws.protocol.requests import Scope
from remediator.sandbox.aws.service import Call, Refused, Service
from remediator.sandbox.faults import Fault
from remediator.sandbox.journal import Journal, Received
from remediator.sandbox.listener import Listener
from remediator.sandbox.signals import Signal
from remediator.sandbox.timekeeping import Pace

if TYPE_CHECKING:
    from remediator.sandbox.aws.acm import Acm
    from remediator.sandbox.aws.application_autoscaling import ApplicationAutoscaling
    from remediator.sandbox.aws.arc_zonal_shift import ArcZonalShift
    from remediator.sandbox.aws.autoscaling import Autoscaling
    from remediator.sandbox.aws.cloudwatch import CloudWatch
    from remediator.sandbox.aws.ec2 import Ec2
    from remediator.sandbox.aws.ecs import Ecs
    from remediator.sandbox.aws.eks import Eks
    from remediator.sandbox.aws.elasticache import ElastiCache
    from remediator.sandbox.aws.elbv2 import Elbv2
    from remediator.sandbox.aws.iam import Iam
    from remediator.sandbox.aws.rds import Rds
    from remediator.sandbox.aws.route53 import Route53
    from remediator.sandbox.aws.s3 import S3
    from remediator.sandbox.aws.ssm import Ssm
    from remediator.sandbox.aws.sts import Sts
    from remediator.sandbox.aws.wafv2 import Wafv2

ACCOUNT = "111122223333"
REGION = "eu-central-1"
HURRY = 100.0

S = TypeVar("S", bound=Service)

SERVICES = {
    "acm": "acm:Acm",
    "application-autoscaling": "application_autoscaling:ApplicationAutoscaling",
    "arc-zonal-shift": "arc_zonal_shift:ArcZonalShift",
    "autoscaling": "autoscaling:Autoscaling",
    "cloudwatch": "cloudwatch:CloudWatch",
    "ec2": "ec2:Ec2",
    "ecs": "ecs:Ecs",
    "eks": "eks:Eks",
    "elasticache": "elasticache:ElastiCache",
    "elbv2": "elbv2:Elbv2",
    "iam": "iam:Iam",
    "rds": "rds:Rds",
    "route53": "route53:Route53",
    "s3": "s3:S3",
    "ssm": "ssm:Ssm",
    "sts": "sts:Sts",
    "wafv2": "wafv2:Wafv2",
}
"""By botocore's name: module under `sandbox/aws` and class. Loaded at first use."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request as it came in, whatever became of it. `operation` "" when it is none of the service's."""

    service: str
    operation: str
    params: dict[str, Any]
    access_key: str
    region: str
    at: datetime

    @property
    def action(self) -> str:
        """As a policy names it."""
        return iam_action(self.service, self.operation)

    @property
    def dry_run(self) -> bool:
        return self.service == "ec2" and self.params.get("DryRun") is True

    @property
    def writes(self) -> bool:
        """Whether it could change something if it is not marked as a dry-run."""
        return not only_reads(self.service, self.operation)


@dataclass(frozen=True, slots=True)
class Done:
    """One call that reached its service: refused with `code`, or done ("")."""

    call: Call
    code: str


class Account:
    """The services of one account; `account.rds` is its simulated RDS, with its state to look at and to set."""

    def __init__(self, cloud: "Cloud", account: str) -> None:
        self._cloud = cloud
        self._account = account
        self._services: dict[str, Service] = {}

    def service(self, name: str) -> Service | None:
        """By botocore's name; None when this AWS has no such service."""
        found = self._services.get(name)
        if found is None and name in SERVICES:
            module, _, kind = SERVICES[name].partition(":")
            try:
                loaded = import_module(f"remediator.sandbox.aws.{module}")
            except ModuleNotFoundError as error:
                if error.name != f"remediator.sandbox.aws.{module}":
                    raise
                return None
            found = getattr(loaded, kind)(self._cloud)
            found.account = self._account
            self._services[name] = found
        return found

    def of(self, kind: type[S]) -> S:
        """The service by its class, for typed access."""
        found = self.service(kind.name)
        if not isinstance(found, kind):
            raise TypeError(f"{kind.name} is {found!r}")
        return found

    if TYPE_CHECKING:  # loaded by `__getattr__`, each at first use
        acm: Acm
        application_autoscaling: ApplicationAutoscaling
        arc_zonal_shift: ArcZonalShift
        autoscaling: Autoscaling
        cloudwatch: CloudWatch
        ec2: Ec2
        ecs: Ecs
        eks: Eks
        elasticache: ElastiCache
        elbv2: Elbv2
        iam: Iam
        rds: Rds
        route53: Route53
        s3: S3
        ssm: Ssm
        sts: Sts
        wafv2: Wafv2

    def __getattr__(self, name: str) -> Any:
        found = None if name.startswith("_") else self.service(name.replace("_", "-"))
        if found is None:
            raise AttributeError(f"the simulated AWS has no {name!r}; it has {', '.join(SERVICES)}")
        return found


class Cloud(Account):
    """All accounts of the simulated AWS. Attributes named like services are those of the first account (`cloud.rds`).

    Anybody may do anything until `grant` names who may do what; then keys that it was not told of are unknown.
    """

    def __init__(self, *, pace: Pace | None = None, hurry: float = HURRY) -> None:
        super().__init__(self, ACCOUNT)
        self.account = ACCOUNT
        self.region = REGION
        self.pace = pace or Pace()
        self.done: list[Done] = []
        self.principals: dict[str, Principal] = {}
        self._strict = False
        self._denied: list[str] = []
        self._accounts: dict[str, Account] = {ACCOUNT: self}
        self._changed = Signal()
        self._numbers = itertools.count(1)
        self._failure: BaseException | None = None
        self.later = Later(self.pace, hurry, self._changed.tell)
        self._listener = Listener(self._answer, error_body=_no_words, pace=self.pace)

    # The server.

    @property
    def url(self) -> str:
        """The endpoint of every service."""
        return self._listener.url

    @property
    def requests(self) -> Journal:
        return self._listener.requests

    async def start(self, port: int = 0) -> None:
        await self._listener.start(port)

    async def stop(self) -> None:
        """Raises what a simulated service failed of, if any did: it is a mistake of the sandbox, not of its client."""
        self.later.stop()
        await self._listener.stop()
        failure, self._failure = self._failure or self.later.failure, None
        self.later.failure = None
        if failure is not None:
            raise failure

    # For services.

    def now(self) -> datetime:
        """For stamps: the real time, and what `advance` let pass beyond it."""
        return self.pace.now() + timedelta(seconds=self.later.advanced_s)

    def after(self, seconds: float, then: Then) -> None:
        """Do it after so many seconds of AWS (a failover's 60 are 0.6 real ones); whoever waits in `until` looks again then."""
        self.later.after(seconds, then)

    def tell(self) -> None:
        """Something changed: whoever waits in `until` looks again."""
        self._changed.tell()

    def new_id(self, prefix: str = "") -> str:
        return f"{prefix}{next(self._numbers):08x}"

    def in_account(self, account: str) -> Account:
        """The services of that account; accounts come to be when somebody looks."""
        if account not in self._accounts:
            self._accounts[account] = Account(self, account)
        return self._accounts[account]

    # For tests.

    async def until(self, holds: Callable[[], bool], *, timeout_s: float = 20.0) -> None:
        """Wait for a state of this AWS; TimeoutError after real seconds."""
        await self._changed.until(holds, timeout_s)

    def hold(self) -> None:
        """Stop its time: what takes a while happens at `advance` only."""
        self.later.hold()

    def release(self) -> None:
        self.later.release()

    def advance(self, seconds: float) -> None:
        """Let so many seconds of AWS pass at once."""
        self.later.advance(seconds)

    def grant(
        self,
        access_key: str,
        actions: Iterable[str | Allowed] | None = None,
        *,
        account: str = ACCOUNT,
        arn: str = "",
    ) -> Principal:
        """This key's holder may do these ("rds:RebootDBInstance", wildcards; None: all); unknown keys are refused from now on."""
        self._strict = True
        return self.know(access_key, actions, account=account, arn=arn)

    def know(
        self,
        access_key: str,
        actions: Iterable[str | Allowed] | None = None,
        *,
        account: str = ACCOUNT,
        arn: str = "",
    ) -> Principal:
        """As `grant`, and unknown keys stay what they were."""
        who = arn or f"arn:aws:iam::{account}:role/{access_key.lower()}"
        self.principals[access_key] = made = Principal(access_key, account, who, allowed(actions))
        return made

    def deny(self, action: str) -> None:
        """Refuse one action to everybody."""
        self._denied.append(action)

    def principal(self, access_key: str) -> Principal | None:
        found = self.principals.get(access_key)
        if found is None and not self._strict:
            found = Principal(access_key, self.account, f"arn:aws:iam::{self.account}:role/anybody")
            self.principals[access_key] = found
        return found

    def may(self, who: Principal, action: str, resource: str | None = None) -> bool:
        denied = Principal("", "", "", None, self._denied)
        return denied.may(action) and who.may(action, resource)

    def fault(
        self,
        service: str,
        operation: str,
        kind: str,
        *,
        times: int | None = 1,
        skip: int = 0,
        refused: Refused | None = None,
    ) -> Fault:
        """Let an operation ("*": every one) fail: `kind` as in `sandbox/faults.py`, or in AWS's words.

        "throttled", "denied", "expired", "status 500" and "refused" (the error given) do nothing and say so;
        "drop", "reset" and "hang" lose the request, "lose_answer" the answer to what was done, "late_answer 2" keeps it back.
        """

        def matches(received: Received) -> bool:
            if Scope(received).service != service:
                return False
            return operation == "*" or requests.operation(service, received) == operation

        said = _in_words(kind, service, operation) if refused is None else refused
        if said is None:
            return self._listener.faults.add(match=matches, kind=kind, times=times, skip=skip)
        made = answers.error(service, None if operation == "*" else operation, said)
        return self._listener.faults.add(
            match=matches,
            kind=f"status {made.status}",
            times=times,
            skip=skip,
            headers=dict(made.headers),
            body=made.body if isinstance(made.body, bytes) else b"",
        )

    def clear_faults(self) -> None:
        self._listener.faults.clear()

    @property
    def asked(self) -> list[Asked]:
        """Every request that came in, oldest first, faults or not."""
        return [_asked(received) for received in self.requests]

    @property
    def writes(self) -> list[Asked]:
        """Those that could change something, EC2's dry-runs left out."""
        return [one for one in self.asked if one.writes and not one.dry_run]

    # A request.

    async def _answer(self, received: Received) -> web.Response:
        scope = Scope(received)
        if scope.service not in SERVICES:
            return web.Response(status=404, text=f"the simulated AWS has no service {scope.service}")
        if not is_loaded(scope.service):
            await asyncio.to_thread(model_of, scope.service)
        operation = requests.operation(scope.service, received)
        try:
            value = await self._call(scope, operation, received)
            made = answers.answer(scope.service, operation or "", value)
        except Refused as refused:
            made = answers.error(scope.service, operation, refused, head=received.method == "HEAD")
        except Exception as error:
            self._failure = self._failure or error
            made = answers.error(scope.service, operation, refusals.broken(scope.service))
        self._changed.tell()
        return made

    async def _call(self, scope: Scope, operation: str | None, received: Received) -> dict[str, Any]:
        service = scope.service
        if operation is None:
            raise refusals.unknown_operation(service, None)
        call = Call(
            service=service,
            operation=operation,
            params=requests.params(service, operation, received),
            region=scope.region,
            principal=self._who(scope, operation),
            at=self.now(),
            headers=dict(received.headers),
        )
        try:
            value = await self._do(call)
        except Refused as refused:
            self.done.append(Done(call, refused.code))
            raise
        self.done.append(Done(call, ""))
        return value

    def _who(self, scope: Scope, operation: str) -> Principal:
        if scope.service == "sts" and operation == "AssumeRoleWithWebIdentity":
            return Principal("", self.account, "")
        found = self.principal(scope.access_key)
        if found is None:
            raise refusals.unknown_key(scope.service)
        if found.expired:
            raise refusals.expired(scope.service)
        return found

    async def _do(self, call: Call) -> dict[str, Any]:
        action = iam_action(call.service, call.operation)
        # Everybody may ask who they are.
        if action != "sts:GetCallerIdentity" and not self.may(call.principal, action):
            raise refusals.denied(call.service, action, call.principal.arn)
        service = self.in_account(call.account).service(call.service)
        method = getattr(service, call.operation, None)
        if method is None:
            raise refusals.unknown_operation(call.service, call.operation)
        if call.dry_run:
            raise Refused("DryRunOperation", "Request would have succeeded, but DryRun flag is set.", 412)
        return await method(call) or {}


def _in_words(kind: str, service: str, operation: str) -> Refused | None:
    match kind.split():
        case ["throttled"]:
            return refusals.throttled(service)
        case ["denied"]:
            return refusals.denied(service, iam_action(service, operation), "arn:aws:iam::111122223333:role/remediator")
        case ["expired"]:
            return refusals.expired(service)
        case ["status", number]:
            return refusals.broken(service, int(number))
        case _:
            return None


def _asked(received: Received) -> Asked:
    scope = Scope(received)
    operation, params = "", {}
    if scope.service in SERVICES:
        operation = requests.operation(scope.service, received) or ""
        try:
            params = requests.params(scope.service, operation, received) if operation else {}
        except Refused:
            params = {}
    return Asked(scope.service, operation, params, scope.access_key, scope.region, received.at)


def _no_words(status: int) -> web.Response:
    return web.Response(status=status)
