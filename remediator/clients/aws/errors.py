"""What AWS's refusals and silences mean to a caller. Foreign errors end here.

The messages of AWS name principals, resources and request ids and no secrets; they are cut all the same.
"""

from typing import Final

from remediator.errors import (
    FactsMissingError,
    OutcomeUnknownError,
    PermanentError,
    StepError,
    TargetNotFoundError,
    TransientError,
)
from remediator.redaction import redacted

_DENIED: Final = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "UnauthorizedOperation",
        "UnauthorizedAccess",
        "NotAuthorized",
    }
)
_EXPIRED: Final = frozenset(
    {
        "AuthFailure",
        "ExpiredToken",
        "ExpiredTokenException",
        "InvalidClientTokenId",
        "RequestExpired",
        "SignatureDoesNotMatch",
        "TokenRefreshRequired",
        "UnrecognizedClientException",
    }
)
"""The request was turned away at the door; nothing was done. A new credential may be there in a minute."""
_THROTTLED: Final = frozenset(
    {
        "EC2ThrottledException",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "TooManyRequestsException",
    }
)
_NOT_FOUND: Final = ("NotFound", "NotFoundException", "NotFoundFault", "DoesNotExist", "DoesNotExistException")
_NOT_FOUND_TOO: Final = frozenset(
    {
        "404",
        "ClusterNotFoundException",
        "InvalidDocument",
        "InvalidDocumentVersion",
        "NoSuchBucket",
        "NoSuchChange",
        "NoSuchHealthCheck",
        "NoSuchHostedZone",
        "NoSuchKey",
        "WAFNonexistentItemException",
    }
)


class AwsRefusedError(PermanentError):
    """AWS said no for good; nothing was changed. ``code`` is the code on the wire, such as ``InvalidDBInstanceState``."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class AwsNotFoundError(TargetNotFoundError):
    """There is no such thing. ``code`` as above."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class AwsBusyError(TransientError):
    """Throttled, or the credential was not accepted; nothing was done. ``code`` as above."""

    def __init__(self, message: str, *, code: str) -> None:
        super().__init__(message)
        self.code = code


class MissingPermissionError(FactsMissingError):
    """A read that IAM does not let us make."""


def is_denied(code: str) -> bool:
    """Is it IAM that says no?"""
    return code in _DENIED


def is_expired(code: str) -> bool:
    """Is the credential itself taken no more?"""
    return code in _EXPIRED


def not_found(code: str) -> bool:
    """Does the code say that there is no such thing?"""
    return code in _NOT_FOUND_TOO or code.endswith(_NOT_FOUND)


def read_refused(what: str, status: int, code: str, message: str) -> StepError:
    """A read that was answered by an error."""
    said = _said(what, code, message)
    if not_found(code):
        return AwsNotFoundError(said, code=code)
    if is_denied(code):
        return MissingPermissionError(f"{said} (missing permission)")
    del status
    return FactsMissingError(said)


def write_refused(what: str, status: int, code: str, message: str) -> StepError:
    """A write that was answered by an error. Whatever an error of the server's own side did is not known."""
    said = _said(what, code, message)
    if code in _THROTTLED or code in _EXPIRED:
        return AwsBusyError(said, code=code)
    if status >= 500 or status < 400:
        return OutcomeUnknownError(said)
    if not_found(code):
        return AwsNotFoundError(said, code=code)
    return AwsRefusedError(f"{said} (missing permission)" if is_denied(code) else said, code=code)


def read_failed(what: str, why: str, begun: bool) -> StepError:
    """A read without an answer."""
    del begun
    return FactsMissingError(f"{what}: {redacted(why)[:300]}")


def write_failed(what: str, why: str, begun: bool) -> StepError:
    """A write without an answer: only one that never left certainly did nothing."""
    text = f"{what}: {redacted(why)[:300]}"
    return OutcomeUnknownError(text) if begun else TransientError(f"{text} (nothing was sent)")


def _said(what: str, code: str, message: str) -> str:
    return f"{what}: {code}: {redacted(message)[:400]}"
