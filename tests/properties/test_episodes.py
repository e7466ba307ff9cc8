"""S2: in whatever order deliveries come, late, lost and sent again, doubled, from two peers and two Prometheus replicas, an alert
that fires ends open and one that does not ends closed. Alertmanager's API answers what is doubtful, as things are when it is asked.
"""

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from remediator.alerts.episode import LATE_COPIES_END, Effect, Sighting, State, Timeline, confirms, judge, take

T0 = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


def at(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


@dataclass(frozen=True)
class Firing:
    """One firing of the real alert. The second replica saw it begin ``skew`` later than the first."""

    starts: int
    ends: int | None
    skew: int
    told: int
    """The start that Alertmanager tells. It still has the alert that ended a short while ago, and then keeps the earlier start."""


@dataclass(frozen=True)
class Message:
    """One delivery of one peer: flushed at a time, delivered whenever."""

    flushed: int
    sighting: Sighting
    prompt: bool = False
    """Delivered at once. One peer's flushes of a group are in order, so it has told the end before it tells the next firing."""


@st.composite
def histories(draw: st.DrawFn) -> list[Firing]:
    """Firings one after the other, the last perhaps not over."""
    found: list[Firing] = []
    minute = 0
    for number in range(count := draw(st.integers(1, 4))):
        starts = minute + draw(st.integers(1, 10))
        ends = starts + draw(st.integers(4, 20))
        over = number < count - 1 or draw(st.booleans())
        merged = number > 0 and draw(st.booleans())
        told = found[-1].told if merged else starts
        found.append(Firing(starts, ends if over else None, 0 if merged else draw(st.integers(0, 3)), told))
        minute = ends
    return found


def messages(history: list[Firing], draw: random.Random) -> list[Message]:
    """What Alertmanager sends: every firing and its end at least once, from either peer, with either replica's start."""
    sent: list[Message] = []
    for number, firing in enumerate(history):
        followed = number + 1 < len(history) and history[number + 1].told == firing.told
        for _ in range(draw.randint(1, 3)):  # peers, repeats, and copies of what was lost and sent again
            skew = draw.choice([0, firing.skew])
            sent.append(Message(firing.starts + skew, Sighting(at(firing.told + skew), None)))
        if firing.ends is not None:
            sighting = Sighting(at(firing.told), at(firing.ends))
            sent.append(Message(firing.ends, sighting, prompt=followed))
            sent.extend([Message(firing.ends, sighting)] * draw.randint(0, 2))
    return sent


def late(sent: list[Message], draw: random.Random) -> list[tuple[int, Message]]:
    """Everything is delivered at or after its flush, how late is anybody's guess up to what Alertmanager retries."""
    longest = int(LATE_COPIES_END.total_seconds() / 60) - 1
    delays = [0 if message.prompt else draw.choice([0, 0, 1, 5, 30, longest]) for message in sent]
    arriving = [(message.flushed + delay, message) for message, delay in zip(sent, delays, strict=True)]
    draw.shuffle(arriving)
    return sorted(arriving, key=lambda arrival: arrival[0])


def fires(history: list[Firing], minute: float) -> Firing | None:
    return next((one for one in history if one.starts <= minute and (one.ends is None or minute < one.ends)), None)


@dataclass
class Remediator:
    """The pure fold, with Alertmanager's API beside it."""

    history: list[Firing]
    reachable: bool = True
    latest: Timeline | None = None
    confirmed: bool = False
    effects: list[Effect] = field(default_factory=list)

    def deliver(self, message: Message, minute: float) -> None:
        step = take(self.latest, message.sighting)
        if step.opens:
            self.confirmed = False
        if confirms(self.latest, message.sighting, at(minute)):
            self.confirmed = True
        self.latest = step.timeline
        self.effects.append(step.effect)

    def decide(self, minute: float) -> None:
        """What the decider does before anything else: asks about what is doubtful, or was reopened for want of an answer."""
        if self.latest is None or self.latest.state is State.CLOSED:
            return
        if self.latest.state is State.OPEN and self.confirmed:
            return
        active = fires(self.history, minute)
        if not self.reachable:
            if self.latest.state is State.DOUBTFUL:
                self.latest, self.confirmed = judge(self.latest, active=None), False
        elif active is None:
            self.latest = judge(self.latest, active=False)
        else:
            self.latest, self.confirmed = judge(self.latest, active=True, starts_at=at(active.told)), True


@given(histories(), st.randoms(use_true_random=False), st.integers(0, 3))
def test_every_interleaving_ends_in_the_state_of_the_world(
    history: list[Firing], draw: random.Random, outages: int
) -> None:
    sent = messages(history, draw)
    remediator = Remediator(history)
    deliveries = late(sent, draw)
    dark = {draw.randint(0, 120) // 10 for _ in range(outages)}
    for minute, message in deliveries:
        remediator.reachable = minute // 10 not in dark
        remediator.deliver(message, minute)
        if draw.random() < 0.7:
            remediator.decide(minute)
    end = deliveries[-1][0]
    remediator.reachable = True
    remediator.decide(end)
    assert remediator.latest is not None
    firing = fires(history, end) is not None
    assert (remediator.latest.state is State.OPEN) == firing
    assert not firing or remediator.confirmed


@given(histories(), st.randoms(use_true_random=False))
def test_without_an_api_no_firing_is_lost_and_a_late_copy_is_never_acted_upon(
    history: list[Firing], draw: random.Random
) -> None:
    sent = messages(history, draw)
    remediator = Remediator(history, reachable=False)
    deliveries = late(sent, draw)
    for minute, message in deliveries:
        remediator.deliver(message, minute)
        remediator.decide(minute)
    assert remediator.latest is not None
    end = deliveries[-1][0]
    if fires(history, end) is not None:
        assert remediator.latest.state is State.OPEN
    elif remediator.latest.state is State.OPEN:
        assert not remediator.confirmed


@given(histories(), st.randoms(use_true_random=False))
def test_a_doubled_delivery_changes_no_state(history: list[Firing], draw: random.Random) -> None:
    once, twice = Remediator(history), Remediator(history)
    for _, message in late(messages(history, draw), draw):
        once.deliver(message, message.flushed)
        twice.deliver(message, message.flushed)
        twice.deliver(message, message.flushed)
        assert once.latest is not None and twice.latest is not None
        assert once.latest.ended_at == twice.latest.ended_at
        if once.latest.state is not State.DOUBTFUL:
            assert once.latest.state is twice.latest.state or twice.latest.state is State.DOUBTFUL
        once.decide(10_000)
        twice.decide(10_000)
        assert once.latest.state is twice.latest.state
