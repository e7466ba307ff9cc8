"""Systems Manager: documents run as commands on instances whose agent answers."""

import hashlib
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, ClassVar

from remediator.sandbox.aws.service import Call, Refused, Service, paged

_BEGINS_S = 2.0


@dataclass
class Document:
    """One document: the content of each version, and how it goes when it is run."""

    name: str
    versions: dict[str, str] = field(default_factory=lambda: {"1": "runCommand: [uptime]"})
    default: str = "1"
    kind: str = "Command"
    status: str = "Active"
    ends: str = "Success"
    code: int = 0
    output: str = ""
    errors: str = ""
    takes_s: float = 10.0

    def hash(self, version: str) -> str:
        return hashlib.sha256(self.versions[version].encode()).hexdigest()


@dataclass
class Command:
    """One command on one instance."""

    id: str
    document: str
    version: str
    instance: str
    comment: str
    parameters: dict[str, list[str]]
    asked_at: datetime
    status: str = "Pending"
    code: int = -1
    output: str = ""
    errors: str = ""


class Ssm(Service):
    """`documents` by name, `agents` ("Online", "ConnectionLost") by instance id, `commands` oldest first."""

    name: ClassVar[str] = "ssm"

    def __init__(self, cloud: Any) -> None:
        super().__init__(cloud)
        self.documents: dict[str, Document] = {}
        self.agents: dict[str, str] = {}
        self.commands: list[Command] = []

    async def DescribeDocument(self, call: Call) -> dict[str, Any]:
        document = self._document(call.params["Name"])
        version = self._version(document, call.params.get("DocumentVersion"))
        return {
            "Document": {
                "Name": document.name,
                "Owner": self.account,
                "Status": document.status,
                "DocumentVersion": version,
                "DefaultVersion": document.default,
                "LatestVersion": max(document.versions, key=int),
                "DocumentType": document.kind,
                "Hash": document.hash(version),
                "HashType": "Sha256",
                "PlatformTypes": ["Linux"],
            }
        }

    async def DescribeInstanceInformation(self, call: Call) -> dict[str, Any]:
        wanted = [one["Values"] for one in call.params.get("Filters") or [] if one["Key"] == "InstanceIds"]
        found = [
            {"InstanceId": instance, "PingStatus": ping, "PlatformType": "Linux", "ResourceType": "EC2Instance"}
            for instance, ping in self.agents.items()
            if all(instance in ids for ids in wanted)
        ]
        page, token = paged(found, call.params, token="NextToken", limit="MaxResults", default=10)
        return {"InstanceInformationList": page, "NextToken": token}

    async def SendCommand(self, call: Call) -> dict[str, Any]:
        asked = call.params
        document = self._document(asked["DocumentName"])
        version = self._version(document, asked.get("DocumentVersion"))
        if asked.get("DocumentHash") not in (None, document.hash(version)):
            raise Refused("InvalidDocument", "The specified document hash does not match the document.", 400)
        instances = asked.get("InstanceIds") or []
        gone = [one for one in instances if self.agents.get(one) != "Online"]
        if gone or not instances:
            raise Refused("InvalidInstanceId", f"Instances {gone} not in a valid state for account {self.account}", 400)
        command = Command(
            id=f"0b1c2d3e-0000-4000-8000-{self.cloud.new_id().rjust(12, '0')}",
            document=document.name,
            version=version,
            instance=instances[0],
            comment=asked.get("Comment") or "",
            parameters=asked.get("Parameters") or {},
            asked_at=self.cloud.now(),
        )
        self.commands.append(command)

        def begins() -> None:
            command.status = "InProgress"

        def over() -> None:
            command.status, command.code = document.ends, document.code
            command.output, command.errors = document.output, document.errors

        self.cloud.after(_BEGINS_S, begins)
        self.cloud.after(_BEGINS_S + document.takes_s, over)
        return {"Command": _command(command)}

    async def ListCommands(self, call: Call) -> dict[str, Any]:
        asked = call.params
        found = [one for one in reversed(self.commands) if asked.get("InstanceId") in (None, one.instance)]
        for one in asked.get("Filters") or []:
            match one["key"]:
                case "DocumentName":
                    found = [each for each in found if each.document == one["value"]]
                case "InvokedAfter":
                    since = datetime.fromisoformat(one["value"])
                    found = [each for each in found if each.asked_at >= since]
                case other:
                    raise Refused("InvalidFilterKey", f"{other} is not known here", 400)
        page, token = paged(found, asked, token="NextToken", limit="MaxResults", default=50)
        return {"Commands": [_command(one) for one in page], "NextToken": token}

    async def GetCommandInvocation(self, call: Call) -> dict[str, Any]:
        for one in self.commands:
            if (one.id, one.instance) == (call.params["CommandId"], call.params["InstanceId"]):
                # Just sent it is not there yet, as is well known of this call.
                if one.status == "Pending":
                    break
                return {
                    "CommandId": one.id,
                    "InstanceId": one.instance,
                    "Comment": one.comment,
                    "DocumentName": one.document,
                    "DocumentVersion": one.version,
                    "ResponseCode": one.code,
                    "Status": one.status,
                    "StatusDetails": one.status,
                    "StandardOutputContent": one.output[:24_000],
                    "StandardErrorContent": one.errors[:8_000],
                }
        raise Refused("InvocationDoesNotExist", "", 400)

    def _document(self, name: str) -> Document:
        if name not in self.documents:
            raise Refused("InvalidDocument", f"Document with name {name} does not exist.", 400)
        return self.documents[name]

    def _version(self, document: Document, asked: str | None) -> str:
        version = document.default if asked in (None, "", "$DEFAULT") else str(asked)
        if version not in document.versions:
            raise Refused("InvalidDocumentVersion", f"Document version {version} does not exist.", 400)
        return version


def _command(one: Command) -> dict[str, Any]:
    return {
        "CommandId": one.id,
        "DocumentName": one.document,
        "DocumentVersion": one.version,
        "Comment": one.comment,
        "Parameters": one.parameters,
        "InstanceIds": [one.instance],
        "RequestedDateTime": one.asked_at,
        "Status": one.status,
        "TargetCount": 1,
    }
