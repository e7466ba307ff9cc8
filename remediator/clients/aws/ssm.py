"""Commands of Systems Manager as their action sees them."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from remediator.clients.aws.answers import understood
from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.runs.plan import Plan

SERVICE: Final = "ssm"
READ_AGENT: Final = IamPermission("ssm:DescribeInstanceInformation")
READ_COMMANDS: Final = (IamPermission("ssm:ListCommands"), IamPermission("ssm:GetCommandInvocation"))
INTENT_PREFIX: Final = "int_"
_SLACK = timedelta(hours=1)
_ENDED = frozenset({"Success", "Cancelled", "TimedOut", "Failed"})


@dataclass(frozen=True, slots=True)
class Document:
    """One version of a document: ``hash`` is of its content."""

    name: str
    version: str
    hash: str
    hash_type: str
    status: str
    kind: str
    owner: str


@dataclass(frozen=True, slots=True)
class Command:
    """One command that was sent, with the comment that its sender gave."""

    id: str
    comment: str
    status: str


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command went on one instance. Output as the instance gave it: hostile, and not yet redacted."""

    status: str
    detail: str
    code: int | None
    output: str
    errors: str

    @property
    def ended(self) -> bool:
        return self.status in _ENDED


async def read_document(aws: AwsApi, name: str, version: str) -> Document:
    """One version of a document; ``$DEFAULT`` is the one that counts now.

    Raises:
        TargetNotFoundError: there is none.
        FactsMissingError: it could not be read.
    """
    answer = await aws.read(SERVICE, "describe_document", Name=name, DocumentVersion=version)
    raw = answer.get("Document") or {}
    return Document(
        name=name,
        version=str(raw.get("DocumentVersion", version)),
        hash=str(raw.get("Hash", "")),
        hash_type=str(raw.get("HashType", "")),
        status=str(raw.get("Status", "")),
        kind=str(raw.get("DocumentType", "")),
        owner=str(raw.get("Owner", "")),
    )


async def agent_online(aws: AwsApi, instance_id: str) -> bool | None:
    """Does Systems Manager's agent on the instance answer? None: it never registered there."""
    answer = await aws.read(
        SERVICE, "describe_instance_information", Filters=[{"Key": "InstanceIds", "Values": [instance_id]}]
    )
    for one in answer.get("InstanceInformationList", ()):
        if one["InstanceId"] == instance_id:
            return bool(one.get("PingStatus") == "Online")
    return None


async def commands_on(aws: AwsApi, instance_id: str, document: str, since: datetime) -> tuple[Command, ...]:
    """Commands of this document that were sent to the instance since then, and a little before: clocks differ."""
    raw = await aws.pages(
        SERVICE,
        "list_commands",
        "Commands",
        InstanceId=instance_id,
        Filters=[
            {"key": "DocumentName", "value": document},
            {"key": "InvokedAfter", "value": (since - _SLACK).strftime("%Y-%m-%dT%H:%M:%SZ")},
        ],
    )
    return understood(
        f"{SERVICE}:ListCommands",
        lambda: tuple(Command(str(one["CommandId"]), str(one.get("Comment", "")), str(one["Status"])) for one in raw),
    )


async def command_of(aws: AwsApi, plan: Plan, begun_at: datetime) -> Command | None:
    """The command that a plan's step sent, where its answer was lost: marked as ours, and not there when the plan was made."""
    known = set(plan.memory["commands"])
    sent = await commands_on(aws, plan.target.name, str(plan.params["document"]), begun_at)
    return next((one for one in sent if one.comment.startswith(INTENT_PREFIX) and one.id not in known), None)


async def read_ran(aws: AwsApi, command_id: str, instance_id: str) -> Ran:
    """How a command went on one instance.

    Raises:
        FactsMissingError: it could not be read; just sent, it may not be known there yet.
    """
    try:
        raw: Mapping[str, Any] = await aws.read(
            SERVICE, "get_command_invocation", CommandId=command_id, InstanceId=instance_id
        )
    except TargetNotFoundError as error:
        raise FactsMissingError(f"command {command_id} is not known on {instance_id} yet: {error}") from None
    code = raw.get("ResponseCode")
    return Ran(
        status=str(raw.get("Status", "")),
        detail=str(raw.get("StatusDetails", "")),
        code=None if code is None or int(code) < 0 else int(code),
        output=str(raw.get("StandardOutputContent", "")),
        errors=str(raw.get("StandardErrorContent", "")),
    )
