"""``aws.ssm_run``: run one document of Systems Manager, word for word as the playbook says, on one EC2 instance."""

from datetime import datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal

from pydantic import Field, StringConstraints, field_validator

from remediator.actions.aws.fidelity import fidelity_of
from remediator.actions.aws.write_once import not_there, write_once
from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError, answer_of
from remediator.answers import Answer
from remediator.clients.aws.ec2 import INSTANCE_ARN
from remediator.clients.aws.ssm import (
    READ_AGENT,
    READ_COMMANDS,
    SERVICE,
    Document,
    agent_online,
    command_of,
    commands_on,
    read_document,
    read_ran,
)
from remediator.clients.permissions import IamPermission
from remediator.conditions.base import Look
from remediator.errors import FactsMissingError, TargetNotFoundError
from remediator.redaction import last_of, redacted
from remediator.runs.plan import Call, Change, Plan
from remediator.targets import Target

RUN_ANYTHING: Final = frozenset(
    {
        "AWS-RunShellScript",
        "AWS-RunPowerShellScript",
        "AWS-RunRemoteScript",
        "AWS-RunDocument",
        "AWS-RunAnsiblePlaybook",
        "AWS-ApplyAnsiblePlaybooks",
        "AWS-ApplyChefRecipes",
        "AWS-ApplyDSCMofs",
        "AWS-RunSaltState",
        "AWS-InstallApplication",
        "AWS-InstallPowerShellModule",
        "AWS-RunInspecChecks",
        "AWS-ConfigureAWSPackage",
    }
)
"""Documents that are a shell by another name, or install what they are told."""
_KEPT = 600
"""Characters of output in a look, which also stands in timelines."""

Value = Annotated[str, StringConstraints(max_length=1_024, strict=True)]


class Params(ActionParams):
    """What is run is written in the playbook: nothing of an alert ever gets into it. Settings must list the document
    (engine/leave.py), and the printed IAM policy allows these by name and no others, so that AWS keeps the list, too."""

    document: Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9_.-]{3,128}$")] = Field(
        description="name of a Command document of the same account and region, or of AWS's own (AWS-...); none that runs "
        "whatever it is given"
    )
    document_version: Annotated[str, StringConstraints(pattern=r"^(\$DEFAULT|[1-9][0-9]{0,8})$")] = Field(
        "$DEFAULT", description="a number, or $DEFAULT: the one that is the default when the plan is made"
    )
    parameters: dict[Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,64}$")], tuple[Value, ...]] = Field(
        default_factory=dict, max_length=32, description="the document's parameters, each a list of texts; no templates"
    )
    deliver_within_s: int = Field(
        120, ge=30, le=3_600, description="seconds in which the instance must have begun; afterwards it does not"
    )

    @field_validator("document")
    @classmethod
    def _runs_something_fixed(cls, document: str) -> str:
        if document in RUN_ANYTHING:
            raise ValueError(
                f"{document} runs whatever it is given; make a document of your own that says what is run, and name that"
            )
        return document

    @field_validator("parameters")
    @classmethod
    def _is_fixed(cls, parameters: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        for name, values in parameters.items():
            for value in values:
                if "{{" in value or "{%" in value:
                    raise ValueError(f"{name}: a parameter takes no templates, and {value[:80]!r} looks like one")
                if not value.isprintable():
                    raise ValueError(f"{name}: {value[:80]!r} holds a character that cannot be printed")
        return parameters


class SsmRun:
    """Mark: the command's comment is the intent id. The document is sent with its version and hash as planned, so that one that was
    changed since is not run. Not undone. How the command ended, `ssm_succeeded` tells."""

    name: ClassVar[str] = "aws.ssm_run"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"ec2-instance"})
    effect_within: ClassVar[timedelta] = timedelta(hours=1)

    def permissions(self, kind: str, params: Any) -> tuple[IamPermission, ...]:
        del kind
        return (
            IamPermission("ssm:DescribeDocument", document_arn(params.document)),
            READ_AGENT,
            *READ_COMMANDS,
            *_writes(params),
        )

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            document = await read_document(ctx.aws, params.document, params.document_version)
        except TargetNotFoundError as error:
            raise PlanRefusedError("no_such_document", f"there is no document {params.document} ({error})") from None
        if document.kind != "Command" or document.status != "Active":
            raise PlanRefusedError(
                "not_a_command",
                f"document {document.name} is a {document.kind} that is {document.status}; an active Command document is needed",
            )
        online = await agent_online(ctx.aws, target.name)
        if online is None:
            raise PlanRefusedError(
                "not_managed", f"instance {target.name} is not known to Systems Manager: its agent never registered"
            )
        if not online:
            raise PlanRefusedError("agent_offline", f"the agent on {target.name} does not answer now", kind="wait")
        earlier = await commands_on(ctx.aws, target.name, document.name, ctx.aws.now())
        running = [one for one in earlier if one.status in ("Pending", "InProgress")]
        if running and not ctx.own_changes:
            raise PlanRefusedError(
                "command_running", f"{document.name} runs on {target.name} already ({running[0].id})", kind="wait"
            )
        said = redacted(", ".join(f"{name}={' '.join(values)}" for name, values in sorted(params.parameters.items())))
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=target.name,
            depends_on=_dependencies(document, target),
            changes=(Change("command", None, f"{document.name} version {document.version}"),),
            calls=(
                Call("ssm:SendCommand", str(target), _body(target, document.version, document, params, "<intent id>")),
            ),
            fidelity=await fidelity_of(ctx, target, _writes(params)),
            summary=f"run {document.name} version {document.version}{f' ({said[:200]})' if said else ''} on {target.name}",
            params=params.model_dump(mode="json"),
            memory={
                "version": document.version,
                "commands": [one.id for one in earlier],
                "at": ctx.aws.now().isoformat(),
            },
        )

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        params, version = Params.model_validate(plan.params), str(plan.memory["version"])
        return await write_once(
            plan,
            read=lambda: read_document(ctx.aws, params.document, version),
            present=lambda document: _dependencies(document, plan.target),
            write=lambda document: ctx.aws.write(
                SERVICE, "send_command", **_body(plan.target, version, document, params, intent_id)
            ),
            facts=lambda answer: {"command": str(answer["Command"]["CommandId"])},
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        try:
            sent = await commands_on(ctx.aws, plan.target.name, str(plan.params["document"]), begun_at)
        except (TargetNotFoundError, FactsMissingError) as error:
            return Look(Answer.UNKNOWN, str(error))
        ours = [one for one in sent if one.comment == intent_id]
        if ours:
            return Look(Answer.YES, f"command {ours[0].id} has our mark and is {ours[0].status}")
        return not_there(ctx, begun_at, f"no command on {plan.target.name} has our mark")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        """A command that has ended, well or not, has run its course."""
        command = None if applied is None else applied.facts.get("command")
        try:
            if command is None:
                sent = await command_of(ctx.aws, plan, datetime.fromisoformat(plan.memory["at"]))
                command = None if sent is None else sent.id
            if command is None:
                return Look(Answer.UNKNOWN, f"no command on {plan.target.name} has our mark")
            ran = await read_ran(ctx.aws, str(command), plan.target.name)
        except FactsMissingError as error:
            return Look(Answer.UNKNOWN, str(error))
        said = "\n".join(redacted(part) for part in (ran.output, ran.errors) if part)
        code = "" if ran.code is None else f" with exit code {ran.code}"
        return Look(
            answer_of(ran.ended), f"{command} is {ran.status}{code}{f': {last_of(said, _KEPT)}' if said else ''}"
        )

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def document_arn(name: str) -> str:
    """AWS's own documents belong to no account."""
    owner = "" if name.startswith(("AWS-", "Amazon")) else "{account}"
    return f"arn:{{partition}}:ssm:{{region}}:{owner}:document/{name}"


def _writes(params: Params) -> tuple[IamPermission, ...]:
    """Both are asked: which document, and where."""
    return (
        IamPermission("ssm:SendCommand", document_arn(params.document), writes=True),
        IamPermission("ssm:SendCommand", INSTANCE_ARN, writes=True),
    )


def _dependencies(document: Document, target: Target) -> dict[str, Any]:
    return {"uid": target.name, "document": f"{document.name}:{document.version}", "hash": document.hash}


def _body(target: Target, version: str, document: Document, params: Params, comment: str) -> dict[str, Any]:
    body: dict[str, Any] = {
        "InstanceIds": [target.name],
        "DocumentName": document.name,
        "DocumentVersion": version,
        "Parameters": {name: list(values) for name, values in params.parameters.items()},
        "TimeoutSeconds": params.deliver_within_s,
        "Comment": comment,
    }
    if document.hash and document.hash_type == "Sha256":
        body |= {"DocumentHash": document.hash, "DocumentHashType": "Sha256"}
    return body
