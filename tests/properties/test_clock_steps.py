"""A step of the clock at any moment of a run changes nothing but the times (S28): the machine knows only spans."""

import json
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from remediator.answers import Answer
from remediator.runs.cursor import Cursor, Phase, Shape
from remediator.runs.events import Admitted, Applied, Command, Do, Event, Wait
from tests.properties.test_run_machine import Play, remedies, steady
from tests.support.clock import T0

shapes = st.builds(
    Shape,
    remedies=st.lists(remedies, min_size=1, max_size=3).map(tuple),
    rehearsal=st.just(False),
    settle=st.sampled_from([timedelta(0), timedelta(seconds=20)]),
    look=st.just(timedelta(seconds=20)),
)
disturbances = st.sampled_from(("none",) * 12 + ("crash before", "crash after", "late"))
scripts = st.lists(st.tuples(disturbances, st.integers(0, 3)), min_size=10, max_size=60)
steps = st.integers(-(10**9), 10**9).filter(bool).map(lambda seconds: timedelta(seconds=seconds))


@dataclass
class Lucky(Play):
    """Most that is done goes well, so that most of what can be remembered is."""

    def answer(self, cursor: Cursor, command: Do, number: int | None) -> Any:
        options: Mapping[Do, Sequence[Event]] = {
            Do.CHECK: [Admitted(cursor.remedy)],
            Do.APPLY: [Applied.DONE, Applied.PARTLY, Applied.DONE, Applied.LOST],
            Do.LAND: [Answer.YES],
            Do.LOOK_EFFECT: [Answer.YES, Answer.NO],
            Do.LOOK_VERIFY: [Answer.YES, Answer.UNKNOWN, Answer.YES, Answer.NO],
        }
        if command not in options:
            return super().answer(cursor, command, number)
        return options[command][(number or 0) % len(options[command])]


@dataclass
class Stepped(Lucky):
    """The same play, with all that is stored moved before its n-th turn, as ``store.clock_steps`` moves it."""

    before_turn: int = 0
    remembers: str = "since"
    """Not before the cursor has this instant."""
    by: timedelta = timedelta(0)
    turns: int = 0
    moved: bool = False

    def turn(self, cursor: Cursor, command: Command, disturbance: str, number: int | None) -> tuple[Cursor, Command]:
        if not self.moved and self.turns >= self.before_turn and getattr(cursor, self.remembers) is not None:
            self.moved = True
            self.now += self.by
            cursor = cursor.moved(self.by)
            self.stored = json.dumps(Cursor.from_json(json.loads(self.stored)).moved(self.by).to_json())
            self.looks = [(at + self.by, answer) for at, answer in self.looks]
            if isinstance(command, Wait):
                command = Wait(command.until + self.by)
        self.turns += 1
        return super().turn(cursor, command, disturbance, number)


@pytest.mark.parametrize("remembers", ["since", "hold_since", "parts_since"])
@given(shape=shapes, script=scripts, steady=steady, before_turn=st.integers(0, 20), by=steps)
def test_a_run_goes_the_same_way_through_a_step(
    shape: Shape,
    script: Sequence[tuple[str, int | None]],
    steady: Mapping[Do, int],
    before_turn: int,
    remembers: str,
    by: timedelta,
) -> None:
    undisturbed = Lucky(shape, script, steady)
    stepped = Stepped(shape, script, steady, before_turn=before_turn, remembers=remembers, by=by)
    expected, got = undisturbed.run(), stepped.run()
    event(f"stepped: {stepped.moved}")
    assert (got.moved(-by) if stepped.moved else got) == expected
    assert stepped.now - undisturbed.now == (by if stepped.moved else timedelta(0)), "it took as long"
    assert (stepped.done, stepped.undone, stepped.begins) == (undisturbed.done, undisturbed.undone, undisturbed.begins)


def test_every_instant_that_a_cursor_remembers_moves() -> None:
    instants = [
        name for name, hint in typing.get_type_hints(Cursor).items() if datetime in (hint, *typing.get_args(hint))
    ]
    assert len(instants) >= 5
    hour = timedelta(hours=1)
    now: dict[str, Any] = dict.fromkeys(instants, T0)
    then: dict[str, Any] = dict.fromkeys(instants, T0 + hour)
    assert Cursor(Phase.VERIFY, **now).moved(hour) == Cursor(Phase.VERIFY, **then)
    assert Cursor(Phase.VERIFY, T0).moved(hour) == Cursor(Phase.VERIFY, T0 + hour)
