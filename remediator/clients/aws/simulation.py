"""Asking IAM beforehand whether it would let us, by its own simulation: what a dry-run of most services must make do with."""

import re
from typing import TYPE_CHECKING, Any, Final

from remediator.answers import Answer, all_of
from remediator.clients.permissions import IamPermission
from remediator.clock import Clock
from remediator.errors import StepError
from remediator.targets import Target

if TYPE_CHECKING:
    from remediator.clients.aws.api import AwsApi

_GOOD_FOR_S: Final = 600.0
_ASSUMED = re.compile(r"arn:(?P<partition>[^:]+):sts::(?P<account>\d{12}):assumed-role/(?P<role>[^/]+)/.+")


class Simulation:
    """Of one account and region. It knows identity policies and boundaries, not what an organisation or a resource forbids."""

    def __init__(self, api: "AwsApi", clock: Clock) -> None:
        self._api = api
        self._clock = clock
        self._known: dict[tuple[str, str], tuple[float, Answer]] = {}
        self._principal: str | None = None

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
        key = (permission.action, resource)
        now_s = self._clock.boottime()
        if (found := self._known.get(key)) is not None and now_s - found[0] < _GOOD_FOR_S:
            return found[1]
        try:
            answer = await self._ask(permission.action, resource)
        except StepError:
            answer = Answer.UNKNOWN
        self._known[key] = (now_s, answer)
        return answer

    async def _ask(self, action: str, resource: str) -> Answer:
        if self._principal is None:
            self._principal = await self._role()
        asked: dict[str, Any] = {"PolicySourceArn": self._principal, "ActionNames": [action]}
        if "*" not in resource:
            asked["ResourceArns"] = [resource]
        answer = await self._api.read("iam", "simulate_principal_policy", **asked)
        said = [one.get("EvalDecision") for one in answer.get("EvaluationResults", ())]
        if not said:
            return Answer.UNKNOWN
        return Answer.YES if all(one == "allowed" for one in said) else Answer.NO

    async def _role(self) -> str:
        """The session of an assumed role has an ARN of its own, which has lost the role's path: IAM tells the whole."""
        arn: str = (await self._api.read("sts", "get_caller_identity"))["Arn"]
        if (session := _ASSUMED.fullmatch(arn)) is None:
            return arn
        role: str = (await self._api.read("iam", "get_role", RoleName=session["role"]))["Role"]["Arn"]
        return role
