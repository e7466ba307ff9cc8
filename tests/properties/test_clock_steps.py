"""A step of the clock at any moment of a run changes nothing but the times (S28): the machine knows only spans."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from hypothesis import given
from hypothesis import strategies as st

from remediator.runs.cursor import Cursor, Shape
from remediator.runs.events import Command, Do, Wait
from tests.properties.test_run_machine import Play, scripts, shapes, steady

steps = st.integers(-(10**9), 10**9).filter(bool).map(lambda seconds: timedelta(seconds=seconds))


@dataclass
class Stepped(Play):
    """The same play, with all that is stored moved before its n-th turn, as ``store.clock_steps`` moves it."""

    before_turn: int = 0
    by: timedelta = timedelta(0)
    turns: int = 0

    def turn(self, cursor: Cursor, command: Command, disturbance: str, number: int | None) -> tuple[Cursor, Command]:
        if self.turns == self.before_turn:
            self.now += self.by
            cursor = cursor.moved(self.by)
            self.stored = json.dumps(Cursor.from_json(json.loads(self.stored)).moved(self.by).to_json())
            self.looks = [(at + self.by, answer) for at, answer in self.looks]
            if isinstance(command, Wait):
                command = Wait(command.until + self.by)
        self.turns += 1
        return super().turn(cursor, command, disturbance, number)


@given(shape=shapes, script=scripts, steady=steady, before_turn=st.integers(0, 30), by=steps)
def test_a_run_goes_the_same_way_through_a_step(
    shape: Shape, script: Sequence[tuple[str, int | None]], steady: Mapping[Do, int], before_turn: int, by: timedelta
) -> None:
    undisturbed = Play(shape, script, steady)
    stepped = Stepped(shape, script, steady, before_turn=before_turn, by=by)
    expected, got = undisturbed.run(), stepped.run()
    moved = stepped.turns > before_turn
    assert (got.moved(-by) if moved else got) == expected
    assert stepped.now - undisturbed.now == (by if moved else timedelta(0)), "it took as long"
    assert (stepped.done, stepped.undone, stepped.begins) == (undisturbed.done, undisturbed.undone, undisturbed.begins)
