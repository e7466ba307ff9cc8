"""One account and region of AWS: the only place that calls botocore, and the last that sees a foreign error.

A read may be repeated and goes over a transport that cannot write. A write is sent at most once, whatever happens to its answer (S15),
and in a dry-run leaves only where AWS itself has a dry-run (EC2).
"""

import asyncio
import re
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import structlog

from remediator.answers import Answer
from remediator.clients.aws.errors import (
    AwsRefusedError,
    is_expired,
    read_failed,
    read_refused,
    write_failed,
    write_refused,
)
from remediator.clients.aws.identity import Identity
from remediator.clients.aws.simulation import Simulation
from remediator.clients.permissions import IamPermission
from remediator.clock import Clock
from remediator.errors import ConfigError, FactsMissingError, NotSentError, StepError, TransientError
from remediator.targets import Target

if TYPE_CHECKING:  # aiohttp takes half a second to import; `check` and `schema` do not need it
    from remediator.clients.aws.sessions import Sessions

log = structlog.get_logger(__name__)

_PAGES: Final = 50
"""Of at most a thousand things each; a list that does not end is a missing fact, not a short one."""
_WOULD_HAVE: Final = "DryRunOperation"
_MAKING_S: Final = 60.0
"""Of a client: models are read from files, and a metadata service is asked for credentials that may never answer."""
_WRONG: Final = re.compile(
    r"(?m)^(?:Invalid [a-z ]+ for parameter [\w.\[\]]+|(?:Missing required|Unknown) parameter in [\w.\[\]]+: \"?\w+)"
)
_Use = Literal["read", "write"]
_Refused = Callable[[str, int, str, str], StepError]
_Failed = Callable[[str, str, bool], StepError]


class AwsApi:
    """``service`` is botocore's name of it, ``operation`` the method's: ``read("rds", "describe_db_instances", ...)``."""

    def __init__(
        self, sessions: "Sessions", *, account: str, region: str, dry_run: bool, clock: Clock, timeout_s: float
    ) -> None:
        self._sessions = sessions
        self._clock = clock
        self._timeout_s = timeout_s
        self._identity = Identity(self, clock, lambda: sessions.renewed)
        self._simulation = Simulation(self, self._identity, clock)
        self.account = account
        self.region = region
        self.dry_run = dry_run

    @property
    def partition(self) -> str:
        """As ARNs begin: ``arn:<partition>:...``."""
        return (
            "aws-cn" if self.region.startswith("cn-") else "aws-us-gov" if self.region.startswith("us-gov-") else "aws"
        )

    def now(self) -> datetime:
        """The time by the clock it was given."""
        return self._clock.now()

    async def read(self, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
        """Ask, up to three times.

        Raises:
            AwsNotFoundError: there is no such thing.
            FactsMissingError: everything else that is not an answer; MissingPermissionError where IAM says no.
        """
        return await self._call("read", service, operation, params, read_refused, read_failed)

    async def pages(self, service: str, operation: str, key: str, /, **params: Any) -> list[dict[str, Any]]:
        """All of a list that comes in pages; ``key`` is where it stands in the answer. Raises as ``read`` does."""
        found: list[dict[str, Any]] = []
        client = await self._client("read", service, operation, read_failed)
        what = f"{service}:{operation}"
        try:
            plan = client.get_paginator(operation)
            tokens = [token for token in _listed(plan._input_token) if token]
            answers = [token for token in _listed(plan._output_token) if token]
        except Exception as error:  # botocore raises its own class for an operation that has no pages
            raise read_failed(what, f"{type(error).__name__}: {error}", False) from None
        asked = dict(params)
        for _ in range(_PAGES):
            answer = await self.read(service, operation, **asked)
            found += answer.get(key) or []
            following = {token: _at(answer, place) for token, place in zip(tokens, answers, strict=True)}
            if not _more(plan, answer) or not any(following.values()):
                return found
            asked = {**params, **{token: value for token, value in following.items() if value}}
        raise FactsMissingError(f"{what}: the list is longer than {_PAGES} pages")

    async def write(self, service: str, operation: str, /, **params: Any) -> dict[str, Any] | None:
        """Change something, sent at most once. None in a dry-run: EC2 was asked whether it would, elsewhere nothing was sent and only
        the parameters were checked.

        Raises:
            NotSentError, AwsBusyError, TransientError: nothing was done.
            AwsNotFoundError, AwsRefusedError: refused for good; nothing was done.
            OutcomeUnknownError: it left, and no certain answer came.
        """
        if not self.dry_run:
            return await self._call("write", service, operation, params, write_refused, write_failed)
        if service == "ec2":
            try:
                await self._call("write", service, operation, {**params, "DryRun": True}, write_refused, write_failed)
            except AwsRefusedError as error:
                if error.code == _WOULD_HAVE:
                    return None
                raise
            raise AwsRefusedError(f"ec2:{operation} took no notice of DryRun", code="DryRunIgnored")
        await self._check(service, operation, params)
        log.info("recorded", service=service, operation=operation, account=self.account, region=self.region)
        return None

    async def allowed(self, permissions: tuple[IamPermission, ...], target: Target) -> Answer:
        """Does IAM let us? By its own simulation; UNKNOWN where we may not ask for that. Asked again after ten minutes."""
        return await self._simulation.allowed(permissions, target)

    async def would_allow(self, permission: IamPermission, resource: str) -> Answer:
        """The same of one permission on an ARN, or a pattern of them, or ``*``."""
        return await self._simulation.would_allow(permission, resource)

    async def reached(self) -> None:
        """Is there a credential, and is it of our account? Raises FactsMissingError with the reason where it is not so."""
        if (foreign := await self._identity.foreign()) is not None:
            raise FactsMissingError(foreign)

    async def who_am_i(self) -> dict[str, Any]:
        """What AWS says of our credential. Raises FactsMissingError."""
        return await self._send("read", "sts", "get_caller_identity", {}, read_refused, read_failed)

    async def _call(
        self, use: _Use, service: str, operation: str, params: dict[str, Any], refused: _Refused, failed: _Failed
    ) -> dict[str, Any]:
        what = f"{service}:{operation}"
        renewed = self._sessions.renewed
        try:
            foreign = await self._identity.foreign()
        except StepError as error:
            # Its text has been through the redaction: a second time "ExpiredToken: The" would count as a token and its value.
            why = f"{what}: whose credential it is could not be asked: {error}"
            raise FactsMissingError(why) if use == "read" else TransientError(f"{why} (nothing was sent)") from None
        if foreign is not None:
            raise refused(what, 403, "WrongAccount", foreign)
        return await self._send(use, service, operation, params, refused, failed, renewed=renewed)

    async def _send(
        self,
        use: _Use,
        service: str,
        operation: str,
        params: dict[str, Any],
        refused: _Refused,
        failed: _Failed,
        *,
        renewed: int | None = None,
    ) -> dict[str, Any]:
        """``renewed``: as it was when it was asked whose credential this is; by another one nothing is sent."""
        from botocore.exceptions import ClientError, HTTPClientError, ParamValidationError

        from remediator.clients.transport import departure

        what = f"{service}:{operation}"
        client = await self._client(use, service, operation, failed)
        if renewed is not None and renewed != self._sessions.renewed:
            raise failed(what, "the credential was replaced meanwhile", False)
        within_s = self._timeout_s if use == "write" else 2 * self._timeout_s
        with departure() as watched:
            try:
                # A write has one time-out for everything; what is read may be asked three times.
                async with asyncio.timeout(within_s):
                    answer: dict[str, Any] = await getattr(client, operation)(**params)
            except ClientError as error:
                status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
                said = error.response.get("Error", {})
                if is_expired(str(said.get("Code", ""))):
                    await self._sessions.renew()
                raise refused(what, status, str(said.get("Code", "")), str(said.get("Message", ""))) from None
            except ParamValidationError as error:
                raise AwsRefusedError(f"{what}: {_without_values(str(error))}", code="ParamValidation") from None
            except HTTPClientError as error:
                inner = error.kwargs.get("error")
                if isinstance(inner, NotSentError) and use == "write":
                    raise inner from None
                raise failed(what, f"{type(inner or error).__name__}: {inner or error}", watched.begun) from None
            except NotSentError as error:
                if use == "write":
                    raise
                raise failed(what, str(error), watched.begun) from None
            except TimeoutError:
                raise failed(what, f"no answer within {within_s:g} s", watched.begun) from None
            except Exception as error:
                # Credentials that could not be had, answers that could not be read: botocore has many classes for them.
                raise failed(what, _told(error), watched.begun) from None
        answer.pop("ResponseMetadata", None)
        return answer

    async def _client(self, use: _Use, service: str, operation: str, failed: _Failed) -> Any:
        try:
            async with asyncio.timeout(_MAKING_S):
                return await self._sessions.client(service, self.region, use)
        except ConfigError:
            raise
        except Exception as error:
            raise failed(f"{service}:{operation}", _told(error), False) from None

    async def _check(self, service: str, operation: str, params: dict[str, Any]) -> None:
        """What botocore would check before it sends."""
        from botocore.validate import ParamValidator

        await self._client("read", service, operation, write_failed)
        shape = (await self._sessions.shape(service, operation)).input_shape
        report = ParamValidator().validate(params, shape) if shape is not None else None
        if report is not None and report.has_errors():
            said = _without_values(report.generate_report())
            raise AwsRefusedError(f"{service}:{operation}: {said}", code="ParamValidation")


def _told(error: Exception) -> str:
    """The class behind the words: "NoCredentialsError: Unable ..." looks like a credential and is redacted as one."""
    return f"{error} ({type(error).__name__})"


def _without_values(report: str) -> str:
    """Which parameters are wrong: the report quotes their values, and one may be a key or a command's secret."""
    return "; ".join(_WRONG.findall(report))[:400] or "the parameters are not valid"


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _at(answer: dict[str, Any], place: Any) -> Any:
    return place.search(answer)


def _more(plan: Any, answer: dict[str, Any]) -> bool:
    return True if plan._more_results is None else bool(plan._more_results.search(answer))
