"""Asking IAM beforehand whether it would let us, by its own simulation: what a dry-run of most services must make do with."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from remediator.answers import Answer, all_of
from remediator.clients.aws.identity import Identity
from remediator.clients.permissions import IamPermission
from remediator.clock import Clock
from remediator.errors import StepError
from remediator.targets import Target

if TYPE_CHECKING:
    from remediator.clients.aws.api import AwsApi

_GOOD_FOR_S: Final = 600.0
_NO_GOOD_FOR_S: Final = 60.0
_ANY_NAME: Final = "remediator"
_ONE_REGION: Final = ("iam:", "route53:", "sts:")
"""Services that are asked in one region, whatever the target's is."""
_ASSUMED = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.+")


class Simulation:
    """Of one account and region. It knows identity policies and boundaries, not what an organisation or a resource forbids."""

    def __init__(self, api: "AwsApi", identity: Identity, clock: Clock) -> None:
        self._api = api
        self._identity = identity
        self._clock = clock
        self._known: dict[tuple[Any, ...], tuple[float, Answer]] = {}
        self._principals: dict[str, str] = {}
        """Whose policies count, by who we are: a credential may be replaced."""

    async def allowed(self, permissions: tuple[IamPermission, ...], target: Target) -> Answer:
        """All of these on this target; UNKNOWN where the simulation itself could not be asked."""
        return all_of([await self._one(one, target) for one in permissions])

    async def _one(self, permission: IamPermission, target: Target) -> Answer:
        resource = permission.on(
            partition=self._api.partition,
            account=target.account,
            region=target.region,
            name=target.name,
            within=target.within or "*",
        )
        return await self.would_allow(permission, resource)

    async def would_allow(self, permission: IamPermission, resource: str) -> Answer:
        """UNKNOWN where the simulation itself could not be asked."""
        key = (permission.action, resource, permission.conditions)
        now_s = self._clock.boottime()
        if (found := self._known.get(key)) is not None and now_s < found[0]:
            return found[1]
        try:
            answer = await self._ask(permission, resource)
        except StepError:
            answer = Answer.UNKNOWN
        # Somebody may be mending a no at this moment.
        self._known[key] = (now_s + (_GOOD_FOR_S if answer is Answer.YES else _NO_GOOD_FOR_S), answer)
        return answer

    async def _ask(self, permission: IamPermission, resource: str) -> Answer:
        arn = await self._identity.arn()
        if arn not in self._principals:
            self._principals[arn] = await self._role(arn)
        asked: dict[str, Any] = {
            "PolicySourceArn": self._principals[arn],
            "ActionNames": [permission.action],
            "ContextEntries": self._context(permission),
        }
        if resource != "*":
            # A policy's pattern is compared with what is asked for: any name will do where ours is not known yet.
            asked["ResourceArns"] = [resource.replace("*", _ANY_NAME)]
        answer = await self._api.read("iam", "simulate_principal_policy", **asked)
        results = answer.get("EvaluationResults", ())
        said = [one.get("EvalDecision") for one in results]
        if not said:
            return Answer.UNKNOWN
        if any(one.get("EvalDecision") != "allowed" and _left_open(one) for one in results):
            return Answer.UNKNOWN
        # A policy that is narrower than the pattern gives a no as well: actions that know the name ask with it.
        return Answer.of(all(one == "allowed" for one in said))

    def _context(self, permission: IamPermission) -> list[dict[str, Any]]:
        """What the request would bring along for a policy's conditions; IAM's simulation knows nothing of it by itself."""
        region = "us-east-1" if permission.action.startswith(_ONE_REGION) else self._api.region
        entries = [_entry("aws:RequestedRegion", [region], "string")]
        for key in sorted({key for _, key, _ in permission.conditions}):
            values = [value for _, one, value in permission.conditions if one == key]
            entries.append(_entry(key, values, "stringList"))
        return entries

    async def _role(self, arn: str) -> str:
        """The session of an assumed role has an ARN of its own, which has lost the role's path: IAM tells the whole."""
        if (session := _ASSUMED.fullmatch(arn)) is None:
            return arn
        role: str = (await self._api.read("iam", "get_role", RoleName=session["role"]))["Role"]["Arn"]
        return role


def _left_open(result: Mapping[str, Any]) -> bool:
    """Does the no rest on what the simulation was not told, such as the resource's tags? IAM knows them when it is really asked."""
    each = (result, *result.get("ResourceSpecificResults", ()))
    return any(one.get("MissingContextValues") for one in each)


def _entry(key: str, values: list[str], kind: str) -> dict[str, Any]:
    return {"ContextKeyName": key, "ContextKeyValues": values, "ContextKeyType": kind}
