"""Our own marks on what we write (S15): an annotation where the object takes one, else the name of the field manager."""

import hashlib

INTENT = "remediator.dev/intent"
"""Annotation that carries the intent id of the effect that wrote it (S15)."""
FIELD_MANAGER = "remediator"


def intent_manager(intent_id: str) -> str:
    """The field manager that marks a write to what keeps no annotation, such as the scale subresource."""
    return f"{FIELD_MANAGER}-{hashlib.sha256(intent_id.encode()).hexdigest()[:32]}"
