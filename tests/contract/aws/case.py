"""One action at AWS in a state in which it can be planned: what `test_every_aws_action.py` asks of each of them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from remediator.targets import Target
from tests.support.aws_stage import AwsStage

Spoil = Callable[[AwsStage], None]


@dataclass(frozen=True)
class Refusal:
    """A state in which the action must not be planned, made after `prepare`, and the code of the refusal."""

    name: str
    spoil: Spoil
    code: str


@dataclass(frozen=True)
class AwsCase:
    """`prepare` makes what the action needs in the stage's AWS (time stands still there) and returns the target.

    `changes` counts how often the action's own change was made to the state of the world since then: 0 after `prepare`, `times` after
    the action was carried out once, whatever was lost in between. It looks at what the services hold, not at what was sent.
    """

    action: str
    prepare: Callable[[AwsStage], Awaitable[Target]]
    changes: Callable[[AwsStage], int]
    write: tuple[str, str]
    """Service and operation of the one request by which it is done: ("rds", "RebootDBInstance")."""
    params: Mapping[str, Any] = field(default_factory=dict)
    times: int = 1
    undoable: bool = False
    """After its effect, `undo_plan` gives a plan; applied, `changes` is 0 again."""
    refusals: tuple[Refusal, ...] = ()
    extra: frozenset[str] = frozenset()
    """IAM actions that are declared and that no run of this case asks for, because they belong to another state of the world."""
    name: str = ""
    """Tells several cases of one action apart."""

    @property
    def id(self) -> str:
        return f"{self.action}-{self.name}" if self.name else self.action

    @property
    def dry_run_of_its_own(self) -> bool:
        """EC2 alone validates a request without doing it."""
        return self.write[0] == "ec2"
