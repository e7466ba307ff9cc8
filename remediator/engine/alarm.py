"""The one path to people that works without the store (S36).

Once the store has been unusable for a minute, one fixed event goes out per replica and cause, from memory, naming the runs in
hand; it is sent again every five minutes while the trouble lasts and resolved on recovery. Everything that it needs is in memory
before the trouble begins.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog

from remediator.channels.base import Channel, Message
from remediator.clock import Clock
from remediator.durations import format_duration
from remediator.engine.wakeup import Wakeup
from remediator.errors import StepError
from remediator.escalation.levels import LONGEST_KEY
from remediator.escalation.messages import SUMMARY_LIMIT
from remediator.escalation.safe_text import clean, web_link

log = structlog.get_logger(__name__)

UNUSABLE_S = 60.0
"""Shorter troubles are ridden out: Alertmanager sends again, and nobody can do anything in that time."""
REPEAT_S = 300.0
RETRY_S = 15.0
_RUNS = 50


@dataclass(slots=True)
class _Trouble:
    since_s: float
    reason: str
    runs: tuple[str, ...]


def _key(replica: str, cause: str) -> str:
    return clean(f"remediator/{replica}/{cause}", LONGEST_KEY)


class Alarm:
    """One per process, in live mode only. ``store_failed`` and ``store_works`` may be called from anywhere, and often."""

    def __init__(
        self,
        *,
        channel: Channel,
        clock: Clock,
        wakeup: Wakeup,
        replica: str,
        cause: str = "store",
        external_url: str = "",
    ) -> None:
        """``replica`` names this process among its peers; what one leaves that never comes back, another clears."""
        self._channel = channel
        self._clock = clock
        self._wakeup = wakeup
        self._replica = replica
        self._cause = cause
        self._key = _key(replica, cause)
        self._external_url = external_url
        self._trouble: _Trouble | None = None
        self._works = False
        """Something was committed, and nothing has failed since."""
        self._standing = True
        """An event may stand at the other side; at first, one that a former process of this name left."""
        self._next_s = 0.0

    def store_failed(self, reason: str, runs_in_hand: Sequence[str]) -> None:
        """The store refused something. People are told only if nothing is committed for a minute."""
        self._works = False
        if self._trouble is None:
            self._trouble = _Trouble(self._clock.boottime(), reason, tuple(runs_in_hand))
            self._wakeup()
        else:
            self._trouble.reason, self._trouble.runs = reason, tuple(runs_in_hand)

    def store_works(self) -> None:
        """The store committed something: all clear. A read that went well is no such sign (disk full, read-only)."""
        if not self._works:
            self._works, self._trouble = True, None
            self._wakeup()

    async def clear(self, replica: str) -> bool:
        """Resolve what a replica may have left that is gone for good. Returns whether that was said; nothing about ourselves is."""
        key = _key(replica, self._cause)
        return key == self._key or await self._send(Message(key, "resolve", {}))

    async def run(self) -> None:
        """Watch and tell until cancelled."""
        while True:
            await self._wakeup.wait(self._clock, await self.look())

    async def look(self) -> float:
        """Send what is due. Returns seconds until the next look."""
        now_s, trouble = self._clock.boottime(), self._trouble
        if trouble is not None:
            due_s = max(trouble.since_s + UNUSABLE_S, self._next_s)
            if now_s < due_s:
                return due_s - now_s
            self._standing = True  # also when the answer is lost
            sent = await self._send(Message(self._key, "trigger", self._words(trouble, now_s)))
            wait_s = REPEAT_S if sent else RETRY_S
            self._next_s = now_s + wait_s
            return wait_s
        if not self._works or not self._standing:
            return REPEAT_S
        self._standing = not await self._send(Message(self._key, "resolve", {}))
        self._next_s = 0.0
        return RETRY_S if self._standing else REPEAT_S

    async def _send(self, message: Message) -> bool:
        try:
            await self._channel.send(message)
        except StepError as error:
            log.error("alarm_not_sent", dedup_key=message.dedup_key, action=message.action, error=str(error))
            return False
        except Exception:
            # The last path to people: whatever it is, try again.
            log.exception("alarm_not_sent_after_defect", dedup_key=message.dedup_key, action=message.action)
            return False
        if message.action == "resolve":  # at every start, in case the process before could not: nothing to warn of
            log.info("alarm_sent", dedup_key=message.dedup_key, action=message.action)
        else:
            log.warning("alarm_sent", dedup_key=message.dedup_key, action=message.action)
        return True

    def _words(self, trouble: _Trouble, now_s: float) -> dict[str, Any]:
        lasted = format_duration(timedelta(seconds=int(now_s - trouble.since_s)))
        runs = [clean(run, 300) for run in trouble.runs[:_RUNS]]
        hands = f"{len(trouble.runs)} runs in hand" if trouble.runs else "no run in hand"
        summary = f"remediator {self._replica} cannot use its store since {lasted}, {hands}: {trouble.reason}"
        return {
            "summary": clean(summary, SUMMARY_LIMIT),
            "source": clean(self._replica, 255) or "remediator",
            "severity": "critical",
            "timestamp": self._clock.now().isoformat(timespec="milliseconds"),
            "custom_details": {
                "state": [
                    "webhooks are answered 503: Alertmanager sends again until the store is back",
                    "no effect begins; pages about alerts wait in the store: Alertmanager's backstop route pages by itself",
                ],
                "do_next": [
                    "Bring the store back (disk full, read-only, database down?); remediator goes on by itself"
                ],
                "runs_in_hand": runs or ["none"],
                "reason": clean(trouble.reason, 1_000),
            },
            "links": [{"href": link, "text": "remediator"}] if (link := web_link(self._external_url)) else [],
        }
