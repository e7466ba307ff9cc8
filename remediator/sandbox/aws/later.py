"""What happens later in the simulated AWS: after so many of its seconds, or when a test says that they have passed."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

from remediator.sandbox.timekeeping import Pace

Then = Callable[[], None]


class Later:
    """Runs functions when their time has come; AWS's minutes are `hurry` times shorter here, and the pace's speed comes on top.

    Held (`hold`), time stands still until `advance`: tests see every state in between for as long as they like.
    """

    def __init__(self, pace: Pace, hurry: float, changed: Callable[[], None]) -> None:
        self._pace = pace
        self._hurry = hurry
        self._changed = changed
        self._waiting: list[tuple[float, int, Then]] = []
        self._numbers = itertools.count()
        self._ahead_s = 0.0
        self.advanced_s = 0.0
        """Seconds that `advance` let pass, all in all."""
        self._held_at: float | None = None
        self._timer: asyncio.TimerHandle | None = None
        self.failure: BaseException | None = None

    def elapsed_s(self) -> float:
        """Seconds of AWS since some fixed point."""
        if self._held_at is not None:
            return self._held_at
        return self._pace.elapsed_s() * self._hurry + self._ahead_s

    def after(self, seconds: float, then: Then) -> None:
        heapq.heappush(self._waiting, (self.elapsed_s() + seconds, next(self._numbers), then))
        self._set_timer()

    def hold(self) -> None:
        """Let no time pass until `advance` or `release`."""
        self._held_at = self.elapsed_s()
        self._set_timer()

    def release(self) -> None:
        """Let time pass by itself again, from where it stands."""
        if self._held_at is not None:
            self._ahead_s = self._held_at - self._pace.elapsed_s() * self._hurry
            self._held_at = None
            self._set_timer()

    def advance(self, seconds: float) -> None:
        """So many of AWS's seconds pass at once; what was due in them has happened, in its order, when this returns."""
        end = self.elapsed_s() + seconds
        begun_s = self.advanced_s
        held, self._held_at = self._held_at is not None, self.elapsed_s()
        while self._waiting and self._waiting[0][0] <= end:
            due, _, then = heapq.heappop(self._waiting)
            self._held_at = max(due, self._held_at)
            self.advanced_s = begun_s + seconds - (end - self._held_at)
            self._run(then)
        self._held_at = end
        self.advanced_s = begun_s + seconds
        self._changed()
        if not held:
            self.release()

    def stop(self) -> None:
        """Nothing more happens."""
        self._waiting.clear()
        self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held_at is not None or not self._waiting:
            return
        wait_s = (self._waiting[0][0] - self.elapsed_s()) / self._hurry / self._pace.speed
        self._timer = asyncio.get_running_loop().call_later(max(0.0, wait_s), self._due)

    def _due(self) -> None:
        self._timer = None
        while self._waiting and self._waiting[0][0] <= self.elapsed_s():
            self._run(heapq.heappop(self._waiting)[2])
        self._set_timer()

    def _run(self, then: Then) -> None:
        try:
            then()
        except Exception as error:
            self.failure = self.failure or error
        self._changed()
