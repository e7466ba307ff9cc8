"""What playbooks need of AWS, as one policy document of IAM for one account.

Pure, and the same needs always give the same text, so that a committed file can be compared with it.
"""

import re
from collections.abc import Iterable
from typing import Any

from remediator.clients.permissions import IamPermission
from remediator.engine.iam_needs import IamNeed

Document = dict[str, Any]

MOST_CHARACTERS = 6144
"""Of a managed policy, white space not counted."""

_GLOBAL = frozenset({"iam", "route53", "s3", "sts", "wafv2"})
"""Services that are, or may be, asked in another region than the target's."""
_WORD = re.compile(r"[^A-Za-z0-9]+")


def policy(needs: Iterable[IamNeed], *, simulate: str | None = None) -> Document:
    """Statements that share resources and conditions are one; what writes stands apart from what reads.

    ``simulate`` is the ARN of the role that the policy is for: then it may ask IAM's simulation about itself, which makes dry-runs
    tell what they could not otherwise.
    """
    resources: dict[tuple[IamPermission, tuple[str, ...]], set[str]] = {}
    wanted = list(needs)
    for need in wanted:
        regions = tuple(sorted({one.region for one in wanted if one.permission == need.permission}))
        resources.setdefault((need.permission, regions), set()).add(need.resource)
    actions: dict[tuple[bool, str, tuple[str, ...], tuple[tuple[str, str, tuple[str, ...]], ...]], set[str]] = {}
    for (permission, regions), named in resources.items():
        group = (permission.writes, _service(permission.action), _least(named), _conditions(permission, named, regions))
        actions.setdefault(group, set()).add(permission.action)
    statements: list[Document] = []
    for (writes, service, named_resources, conditions), of_them in sorted(actions.items()):
        sid = _sid("Change" if writes else "Read", service, named_resources, {one["Sid"] for one in statements})
        statements.append(_statement(sid, of_them, named_resources, conditions))
    if simulate is not None:
        statements.append(_statement("SimulateItself", {"iam:GetRole", "iam:SimulatePrincipalPolicy"}, (simulate,), ()))
    return {"Version": "2012-10-17", "Statement": statements}


def _statement(
    sid: str, actions: Iterable[str], resources: tuple[str, ...], conditions: Iterable[tuple[str, str, tuple[str, ...]]]
) -> Document:
    made: Document = {
        "Sid": sid,
        "Effect": "Allow",
        "Action": sorted(actions),
        "Resource": list(resources) if resources != ("*",) else "*",
    }
    asked: dict[str, dict[str, list[str]]] = {}
    for operator, key, values in conditions:
        asked.setdefault(operator, {})[key] = list(values)
    return {**made, "Condition": asked} if asked else made


def _least(resources: set[str]) -> tuple[str, ...]:
    """Without those that another one covers already."""
    return ("*",) if "*" in resources else tuple(sorted(resources))


def _conditions(
    permission: IamPermission, resources: set[str], regions: tuple[str, ...]
) -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    asked: dict[tuple[str, str], set[str]] = {}
    for operator, key, value in permission.conditions:
        asked.setdefault((operator, key), set()).add(value)
    if "*" in resources and _service(permission.action) not in _GLOBAL:
        # What knows no resources knows at least where it is asked.
        asked[("StringEquals", "aws:RequestedRegion")] = set(regions)
    return tuple((operator, key, tuple(sorted(values))) for (operator, key), values in sorted(asked.items()))


def _service(action: str) -> str:
    return action.partition(":")[0]


def _sid(verb: str, service: str, resources: tuple[str, ...], taken: set[str]) -> str:
    """Such as ``ChangeRdsDb``: letters and digits only, each once in a document."""
    kinds = sorted({_kind(one) for one in resources})
    words = [verb, service, *kinds]
    made = "".join(part[:1].upper() + part[1:] for word in words for part in _WORD.split(word))
    number = 2
    sid = made
    while sid in taken:
        sid, number = f"{made}{number}", number + 1
    return sid


def _kind(arn: str) -> str:
    """The word for what an ARN names: ``db`` of ``arn:aws:rds:eu-west-1:111122223333:db:orders``."""
    if arn == "*":
        return "all"
    named = arn.split(":", 5)[-1]
    return re.split(r"[:/]", named)[0].replace("*", "") or "any"
