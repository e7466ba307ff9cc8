"""One action in a world in which it can be planned: what `tests/contract/test_every_action.py` asks of each of them.

A case is written once and played on the emulator and on the real API server, live, in dry-run, and with faults in between.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from remediator.runs.plan import Fidelity
from remediator.targets import Target
from tests.support.cluster import Stage


@dataclass(frozen=True)
class ActionCase:
    """`prepare` makes what the action needs in the stage's namespace, waits until it is settled, and returns the target.

    `changes` counts how often the action's own change was made to the world since then (rollouts, evicted pods, jobs made, sizes
    written): 0 after `prepare`, `times` after the action was carried out once, whatever was lost in between.
    """

    action: str
    prepare: Callable[[Stage], Awaitable[Target]]
    changes: Callable[[Stage], Awaitable[int]]
    params: Mapping[str, Any] = field(default_factory=dict)
    times: int = 1
    undoable: bool = False
    """After its effect, `undo_plan` gives a plan; applied, the world is as before."""
    fidelity: Fidelity = Fidelity.SERVER
    """Of its dry-run: `recorded` where the API has none and nothing at all may be sent."""
    unasked: frozenset[str] = frozenset()
    """Resources that it declares and asks of other targets only."""
    needs: str = ""
    """A fixture that the real control plane is given for it: somebody who acts in its namespaces."""
    name: str = ""
    """Tells several cases of one action apart."""

    @property
    def id(self) -> str:
        return f"{self.action}-{self.name}" if self.name else self.action
