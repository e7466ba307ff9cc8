"""What the API server's refusals and silences mean to a caller. Foreign errors end here."""

import json
import math
from dataclasses import dataclass, field
from typing import Any

from remediator.errors import FactsMissingError, OutcomeUnknownError, PermanentError, StepError, TransientError
from remediator.errors import TargetNotFoundError as TargetNotFoundError


class NoSuchApiError(FactsMissingError):
    """The server knows no such path: an API that this cluster does not have, such as that of the metrics."""


class ConflictError(TransientError):
    """Somebody wrote since we read; nothing was changed. Read again and compare before writing again (S16)."""


class BudgetExhaustedError(TransientError):
    """A disruption budget lets no pod go now; nothing was changed. Others may go meanwhile."""


_TWO_BUDGETS = "more than one PodDisruptionBudget"


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is not a success."""

    status: int
    body: bytes
    retry_after: str | None = None
    document: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        try:
            parsed = json.loads(self.body)
        except ValueError:
            parsed = None
        is_status = isinstance(parsed, dict) and parsed.get("kind") == "Status"
        object.__setattr__(self, "document", parsed if is_status else {})

    @property
    def by_api_server(self) -> bool:
        """Did the API server say it, not a proxy in between?"""
        return bool(self.document)

    @property
    def message(self) -> str:
        said = str(self.document.get("message") or self.document.get("reason") or "no reason given")
        more = [
            text for text in (str(cause.get("message") or "") for cause in self.causes) if text and text not in said
        ]
        return f"{self.status}: {' '.join((said, *more))[:500]}"

    @property
    def causes(self) -> list[dict[str, Any]]:
        """The reasons behind the reason, such as the counts of a disruption budget."""
        details = self.document.get("details")
        found = details.get("causes") if isinstance(details, dict) else None
        return [cause for cause in found if isinstance(cause, dict)] if isinstance(found, list) else []

    @property
    def retry_after_s(self) -> float | None:
        details = self.document.get("details")
        named = details.get("retryAfterSeconds") if isinstance(details, dict) else None
        for value in (self.retry_after, named):
            try:
                if value is not None and 0 <= float(value) < math.inf:
                    return float(value)
            except (TypeError, ValueError):
                continue
        return None


def read_refused(what: str, refusal: Refusal, permission: str) -> StepError:
    """A read that was refused: the fact is missing. 404 is an answer of its own where the API server gave it."""
    if refusal.status == 404 and refusal.by_api_server and refusal.document.get("details", {}).get("name"):
        return TargetNotFoundError(f"{what}: {refusal.message}")
    kind = NoSuchApiError if refusal.status == 404 else FactsMissingError
    return kind(f"{what}: {refusal.message}{_remedy(refusal, permission)}")


def write_refused(what: str, refusal: Refusal, permission: str) -> StepError:
    """A write that was not answered by success: certainly not done, or not certain.

    A 503 or 429 of the API server itself comes before the write. Any other 5xx, and a 503 from something in between, may come
    after it.
    """
    message = f"{what}: {refusal.message}{_remedy(refusal, permission)}"
    match refusal.status:
        case 404:
            return TargetNotFoundError(message)
        case 409:
            return ConflictError(message)
        case 429 if any(cause.get("reason") == "DisruptionBudget" for cause in refusal.causes):
            return BudgetExhaustedError(message, retry_after_s=refusal.retry_after_s)
        case 429:
            return TransientError(message, retry_after_s=refusal.retry_after_s)
        case 503 if refusal.by_api_server:
            return TransientError(message, retry_after_s=refusal.retry_after_s)
        case 500 if refusal.by_api_server and _TWO_BUDGETS in message:  # found before anything is done
            return PermanentError(message)
        case 408:
            return OutcomeUnknownError(message)
        case status if status >= 500:
            return OutcomeUnknownError(message)
        case _:
            return PermanentError(message)


def _remedy(refusal: Refusal, permission: str) -> str:
    if refusal.status == 403:
        return f" (missing permission: {permission})"
    if refusal.status == 401:
        return " (the credential was not accepted: check the token or the kubeconfig)"
    return ""
