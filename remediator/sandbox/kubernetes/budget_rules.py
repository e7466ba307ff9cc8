"""When a PodDisruptionBudget cannot be stored."""

import json
import re

from remediator.sandbox.kubernetes.errors import Cause, unsupported
from remediator.sandbox.kubernetes.resources import Object

_POLICIES = ("AlwaysAllow", "IfHealthyBudget")
_PERCENT = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%', or '93%')"


def budget_causes(spec: Object) -> list[Cause]:
    """All that is wrong with it."""
    causes: list[Cause] = []
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        causes.append(_invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set"))
    for field in ("minAvailable", "maxUnavailable"):
        value = spec.get(field)
        if isinstance(value, int) and value < 0:
            causes.append(_invalid(f"spec.{field}", value, "must be greater than or equal to 0"))
        elif isinstance(value, str) and not re.fullmatch(r"[0-9]{1,9}%", value):
            causes.append(_invalid(f"spec.{field}", value, _PERCENT))
        elif isinstance(value, str) and int(value[:-1]) > 100:
            causes.append(_invalid(f"spec.{field}", value, "must not be greater than 100%"))
    policy = spec.get("unhealthyPodEvictionPolicy")
    if policy is not None and policy not in _POLICIES:
        causes.append(unsupported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES))
    return causes


def _invalid(field: str, value: object, why: str) -> Cause:
    return Cause("FieldValueInvalid", f"Invalid value: {json.dumps(value, separators=(',', ':'))}: {why}", field)
