"""IAM as far as it is asked what somebody may do."""

from typing import Any, ClassVar

from remediator.sandbox.aws.principals import Principal, role_of
from remediator.sandbox.aws.service import Call, Refused, Service


class Iam(Service):
    """Its policies are what `cloud.grant` and `cloud.deny` said."""

    name: ClassVar[str] = "iam"

    async def SimulatePrincipalPolicy(self, call: Call) -> dict[str, Any]:
        who = self._principal(call.params["PolicySourceArn"])
        results = []
        for action in call.params["ActionNames"]:
            for resource in call.params.get("ResourceArns") or ["*"]:
                may = self.cloud.may(who, action, resource)
                decision = "allowed" if may else "implicitDeny"
                results.append(
                    {
                        "EvalActionName": action,
                        "EvalResourceName": resource,
                        "EvalDecision": decision,
                        "MatchedStatements": [],
                        "MissingContextValues": [],
                    }
                )
        return {"EvaluationResults": results, "IsTruncated": False}

    async def GetRole(self, call: Call) -> dict[str, Any]:
        name = call.params["RoleName"]
        arn = f"arn:aws:iam::{call.account}:role/{name}"
        self._principal(arn)
        role = {"Path": "/", "RoleName": name, "RoleId": f"AROA{name}", "Arn": arn, "CreateDate": call.at}
        return {"Role": role}

    def _principal(self, arn: str) -> Principal:
        for found in reversed(self.cloud.principals.values()):
            if arn in (found.arn, role_of(found.arn)):
                return found
        raise Refused("NoSuchEntity", f"The role with name {arn.rpartition('/')[2]} cannot be found.", 404)
