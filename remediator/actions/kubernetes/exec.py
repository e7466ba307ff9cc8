"""``kubernetes.exec``: run one fixed command in one container and keep what it says. For diagnosis; never a shell."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import PurePosixPath
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, StringConstraints, field_validator

from remediator.actions.base import ActionContext, ActionParams, Applied, PlanRefusedError
from remediator.actions.evidence.base import Piece, as_evidence
from remediator.answers import Answer
from remediator.clients.kubernetes.commands import EXEC, Said
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.pod_state import PodState
from remediator.clients.kubernetes.pod_states import permissions_for_pods
from remediator.clients.permissions import Permission
from remediator.conditions.base import Look
from remediator.durations import Duration, format_duration
from remediator.errors import FactsMissingError, OvertakenError, TransientError
from remediator.redaction import last_of, redacted
from remediator.runs.plan import Call, Fidelity, Plan
from remediator.targets import Target

_SHELLS = frozenset({"sh", "bash", "ash", "dash", "zsh", "ksh", "mksh", "csh", "tcsh", "fish", "busybox", "toybox"})
_RUNS_OTHERS = frozenset(
    {"env", "nice", "nohup", "setsid", "stdbuf", "timeout", "xargs", "sudo", "su", "doas", "chroot", "ionice", "time"}
)
"""Programs that run what their arguments name: what they run is judged as if it stood first."""
_LONGEST = timedelta(seconds=60)
_LONGEST_ITEM = 4_096

Argument = Annotated[str, StringConstraints(max_length=_LONGEST_ITEM, strict=True)]
ContainerName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")]


class Params(ActionParams):
    """What is run is written in the playbook, word for word: nothing of an alert ever gets into it."""

    command: tuple[Argument, ...] = Field(
        min_length=1, max_length=64, description="the program and its arguments, each an item; no shell, no templates"
    )
    container: ContainerName | None = Field(None, description="absent: the pod's default container, else its first")
    timeout: Duration = Field(
        default="10s",
        validate_default=True,
        description="60s at most; then the stream is closed and what was said is kept",
    )
    max_bytes: int = Field(16_384, ge=1, le=65_536, description="of its output; then the stream is closed")

    @field_validator("command")
    @classmethod
    def _is_fixed(cls, command: tuple[str, ...]) -> tuple[str, ...]:
        for argument in command:
            if "{{" in argument or "{%" in argument:
                raise ValueError(f"a command takes no templates, and {argument[:80]!r} looks like one; write it out")
            if not argument.isprintable():
                raise ValueError(f"{argument[:80]!r} holds a character that cannot be printed")
        if not command[0] or command[0].startswith("-"):
            raise ValueError("the first item is the program, so it may not be empty or begin with '-'")
        if (shell := _shell_in(command)) is not None:
            raise ValueError(f"{shell} is a shell, which would run anything; name the program itself and its arguments")
        return command

    @field_validator("timeout")
    @classmethod
    def _is_short(cls, timeout: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= timeout <= _LONGEST:
            raise ValueError("accepted: 1s to 60s")
        return timeout


class Exec:
    """Of a workload the oldest ready pod is asked. Leaves no mark, and is done again after any doubt: so only harmless commands."""

    name: ClassVar[str] = "kubernetes.exec"
    version: ClassVar[int] = 1
    params: ClassVar[type[ActionParams]] = Params
    target_kinds: ClassVar[frozenset[str]] = frozenset({"pod", "deployment", "statefulset", "daemonset"})

    def permissions(self, kind: str, params: Any) -> tuple[Permission, ...]:
        del params
        return tuple(dict.fromkeys((*permissions_for_pods(kind), *EXEC)))

    def if_refuted(self, params: Any) -> Literal["undo", "keep"]:
        del params
        return "keep"

    async def plan(self, ctx: ActionContext, target: Target, params: Any) -> Plan:
        try:
            document = await ctx.kubernetes.document(target)
            uid = str(document["metadata"]["uid"])
            pods = await ctx.kubernetes.pod_states.of(target)
        except TargetNotFoundError as error:
            raise PlanRefusedError("target_not_found", f"{target} does not exist ({error})") from None
        pod = self.whom(document, pods)
        if pod is None:
            raise PlanRefusedError("no_ready_pod", f"{target.short} has no ready pod to ask", kind="wait")
        container = params.container or pod.names[0]
        if container not in pod.names:
            raise PlanRefusedError(
                "no_such_container", f"pod {pod.name} has no container {container}; it has {', '.join(pod.names)}"
            )
        return Plan(
            action=self.name,
            version=self.version,
            target=target,
            uid=uid,
            depends_on={"pod": pod.uid},
            changes=(),
            calls=(Call("GET", f"/api/v1/namespaces/{pod.namespace}/pods/{pod.name}/exec", _shown(params, container)),),
            fidelity=Fidelity.RECORDED,
            summary=f"run {' '.join(params.command)[:200]} in {container} of pod {pod.namespace}/{pod.name}",
            params=params.model_dump(mode="json"),
            memory={"pod": pod.name, "container": container},
        )

    def whom(self, document: Mapping[str, Any], pods: tuple[PodState, ...]) -> PodState | None:
        """Which pod of this target is asked; None if none can be."""
        del document
        return chosen(pods)

    async def apply(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Applied:
        del intent_id
        params = Params.model_validate(plan.params)
        name, container = plan.memory["pod"], plan.memory["container"]
        try:
            pods = await ctx.kubernetes.pod_states.of(plan.target)
        except TargetNotFoundError:
            raise OvertakenError(f"{plan.target} is gone; nothing was run") from None
        except FactsMissingError as error:
            raise TransientError(f"nothing was run: {error}") from None
        pod = next((one for one in pods if one.uid == plan.depends_on["pod"]), None)
        if pod is None or not pod.usable:
            raise OvertakenError(f"pod {name} is gone or no longer ready; nothing was run")
        said = await ctx.kubernetes.commands.run(
            pod, container, params.command, timeout_s=params.timeout.total_seconds(), max_bytes=params.max_bytes
        )
        if not said.sent:
            return Applied(f"{plan.summary}: not sent in a dry-run, since there is none of a command", {})
        piece = Piece(self.name, _told(plan, said, params))
        return Applied(
            f"{plan.summary}: {_ended(said, params)}", {**as_evidence((piece,)), "exit_code": said.exit_code}
        )

    async def landed(self, ctx: ActionContext, plan: Plan, intent_id: str, begun_at: datetime) -> Look:
        del ctx, plan, intent_id, begun_at
        return Look(Answer.NO, "a command leaves no mark; as a diagnosis it may be run again")

    async def verify(self, ctx: ActionContext, plan: Plan, applied: Applied | None) -> Look:
        del ctx, plan, applied
        return Look(Answer.YES, "a command that has ended has no effect to wait for")

    async def undo_plan(self, ctx: ActionContext, plan: Plan, intent_id: str) -> Plan | None:
        del ctx, plan, intent_id
        return None


def chosen(pods: tuple[PodState, ...]) -> PodState | None:
    """The oldest ready one: it has seen most, and the same is chosen again."""
    return min((pod for pod in pods if pod.usable), key=lambda pod: (pod.created_at, pod.name), default=None)


def _shell_in(command: tuple[str, ...]) -> str | None:
    """A shell that the command is, or that it would have run by a program whose business that is."""
    program = _program(command[0])
    if program in _SHELLS:
        return command[0]
    if program in _RUNS_OTHERS:
        return next((one for one in command[1:] if _program(one) in _SHELLS), None)
    return None


def _program(argument: str) -> str:
    """``/bin/bash-5.2`` is bash."""
    return re.sub(r"[-.0-9]+$", "", PurePosixPath(argument).name.lower().removesuffix(".exe"))


def _shown(params: Params, container: str) -> dict[str, Any]:
    return {"container": container, "command": list(params.command), "stdout": True, "stderr": True}


def _ended(said: Said, params: Params) -> str:
    if said.timed_out:
        return f"had not ended after {format_duration(params.timeout)}"
    if said.cut:
        return f"said more than {params.max_bytes} bytes"
    if said.exit_code is None:
        return f"how it ended is not known{f': {redacted(said.failure)[:300]}' if said.failure else ''}"
    return f"ended with exit code {said.exit_code}"


def _told(plan: Plan, said: Said, params: Params) -> str:
    lines = [redacted(f"{plan.summary}: {_ended(said, params)}")]
    for title, output in (("output", said.stdout), ("errors", said.stderr)):
        if output:
            text = bytes(output).decode(errors="replace")
            # Where the stream was closed half a word may stand, and half a secret is known by no pattern.
            whole = text.rpartition("\n")[0] if said.cut or said.timed_out else text
            lines.append(f"== {title}\n{last_of(redacted(whole.rstrip()), 2 * params.max_bytes)}")
    if said.cut or said.timed_out:
        lines.append("[cut here]")
    return "\n".join(lines)
