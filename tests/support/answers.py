"""What an API server answers, row by row: for suites that hold the emulator and the real one to the same answers."""

import json
from typing import Any

from tests.support.cluster import Object, RefusedError, Stage

APPLY, JSON_PATCH, JSON = "application/apply-patch+yaml", "application/json-patch+json", "application/json"
Row = tuple[str, str, Any, str, int, str, list[str]]
"""Method, path behind the group's base, body, content type; then code, reason, `reason field` of every cause."""


async def ask(stage: Stage, method: str, path: str, body: Any = None, content_type: str = JSON) -> tuple[int, Object]:
    """Code and Status of what is refused, or the answer."""
    try:
        return 200, await stage.request(method, path, body, content_type)
    except RefusedError as error:
        return error.status, error.answer


def causes(answer: Object) -> list[str]:
    found = (answer.get("details") or {}).get("causes") or []
    return sorted({f"{one.get('reason')} {one.get('field', '')}".strip() for one in found})


async def answered(stage: Stage, base: str, rows: list[Row]) -> None:
    """Every row is answered as it says."""
    for method, path, body, content_type, code, reason, expected in rows:
        sent = json.loads(json.dumps(body).replace("NAMESPACE", stage.namespace))
        got, answer = await ask(stage, method, base.replace("NAMESPACE", stage.namespace) + path, sent, content_type)
        seen = (got, answer.get("reason", "") if got >= 300 else "", causes(answer))
        assert seen == (code, reason, expected), f"{method} {path} {body}: {answer}"
