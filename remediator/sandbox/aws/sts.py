"""Who somebody is, and roles taken on."""

from datetime import timedelta
from typing import Any, ClassVar

from remediator.sandbox.aws.service import Call, Refused, Service


class Sts(Service):
    """`roles` are those that may be taken on, by ARN: the actions that each may do (None: all). Empty: any role, everything."""

    name: ClassVar[str] = "sts"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.roles: dict[str, list[str] | None] = {}

    async def GetCallerIdentity(self, call: Call) -> dict[str, Any]:
        return {"Account": call.account, "Arn": call.principal.arn, "UserId": f"AIDA{call.access_key}"}

    async def AssumeRole(self, call: Call) -> dict[str, Any]:
        return self._assume(call)

    async def AssumeRoleWithWebIdentity(self, call: Call) -> dict[str, Any]:
        return {**self._assume(call), "SubjectFromWebIdentityToken": "system:serviceaccount:remediator:remediator"}

    def _assume(self, call: Call) -> dict[str, Any]:
        role, session = call.params["RoleArn"], call.params["RoleSessionName"]
        known = self.cloud.sts.roles
        if known and role not in known:
            raise Refused(
                "AccessDenied", f"{call.principal.arn} is not authorized to perform: sts:AssumeRole on {role}", 403
            )
        account, name = role.split(":")[4], role.rpartition("/")[2]
        key = self.cloud.new_id("ASIA")
        arn = f"arn:aws:sts::{account}:assumed-role/{name}/{session}"
        self.cloud.know(key, known.get(role), account=account, arn=arn)
        return {
            "Credentials": {
                "AccessKeyId": key,
                "SecretAccessKey": "sandbox-secret",
                "SessionToken": "sandbox-session",
                "Expiration": call.at + timedelta(seconds=call.params.get("DurationSeconds", 3600)),
            },
            "AssumedRoleUser": {"AssumedRoleId": f"AROA{key}:{session}", "Arn": arn},
        }
