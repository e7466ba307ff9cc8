"""The errors that callers tell apart. Each class has its own reaction; a new one needs a new reaction."""

from os import PathLike, fspath


class RemediatorError(Exception):
    """Base of every error that remediator raises on purpose."""


class ConfigError(RemediatorError):
    """Something that a person wrote is wrong: refuse to start, or keep what was loaded before.

    Reads ``file:line: message (remedy)``; the remedy names what is accepted, for example ``accepted: act, observe``.
    """

    def __init__(self, path: str | PathLike[str], line: int | None, message: str, remedy: str = "") -> None:
        self.path = fspath(path)
        self.line = line
        self.message = message
        self.remedy = remedy
        super().__init__(self.path, line, message, remedy)

    def __str__(self) -> str:
        place = self.path if self.line is None else f"{self.path}:{self.line}"
        return f"{place}: {self.message} ({self.remedy})" if self.remedy else f"{place}: {self.message}"


class StoreUnavailableError(RemediatorError):
    """The store cannot take or give rows: answer 503, begin no effect, try again later. Nothing was committed."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(reason)


class StepError(RemediatorError):
    """Base of what can go wrong while a step looks at the world or changes it."""


class TransientError(StepError):
    """Nothing was changed: try again, not before ``retry_after_s`` where the other side named a time."""

    def __init__(self, message: str, *, retry_after_s: float | None = None) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(message)


class NotSentError(TransientError):
    """Our own transport refused before the first byte left (lease nearly over, unmarked write in dry-run; S20).

    The one failure of a write after which ``landed`` need not be asked.
    """


class PermanentError(StepError):
    """Nothing was changed and repeating will not help: next remedy, or a person."""


class TargetNotFoundError(PermanentError):
    """The object does not exist: never a quiet success."""


class OutcomeUnknownError(StepError):
    """The write was sent and its answer lost: ask ``landed`` before anything else, never repeat blindly (S15)."""


class OvertakenError(StepError):
    """The world changed before we did; nothing was done and the plan is void (S16)."""


class FactsMissingError(StepError):
    """A read failed, so the answer is unknown; it is never taken for a no. Nothing was changed."""
