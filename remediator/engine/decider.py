"""The decider: takes undecided episodes in order of severity, gathers facts, decides, and records decision, run and page in one
transaction (S5). A crash before the commit repeats harmlessly; after it the rows say everything.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from remediator.clients.kubernetes.one_look import one_look
from remediator.decision.decide import BY_EVENT_ONLY, SOONEST, Decision, Verdict, decide
from remediator.engine import facts, notices, unmatched
from remediator.engine.admission import admit, keep_or_withdraw, may_be_withdrawn, shown_plan, target_of
from remediator.engine.case import Candidate, Case, is_stale, survey_for
from remediator.engine.confirmation import confirmed
from remediator.engine.escalator import judge_incident
from remediator.engine.reconciler import Reconciler
from remediator.engine.survey import whose_answer
from remediator.engine.surveying import Surveying
from remediator.engine.tools import Tools
from remediator.engine.wakeup import Wakeup
from remediator.errors import StoreUnavailableError
from remediator.store import decisions, episodes, incidents, runs
from remediator.store.database import Connection, Tx
from remediator.store.episodes import EpisodeRow

log = structlog.get_logger(__name__)

_BATCH = 256
"""Episodes recorded in one transaction at most: a storm shares the price of a commit, and of judging their incidents."""
_LONGEST_S = 0.05
"""After so long no further decision joins a transaction: journal and heartbeats wait for its end."""
_FARTHEST = 1_024
"""How far down the list of what is due it looks for episodes that have a place to be looked at."""
_POLL_S = 5.0
"""The slow poll is the truth; wake-ups are hints (engine.md 7)."""
_READ_EVERY_S = 0.1
"""What is due is read so often at most while only single places come free (``Surveying.has_room``)."""
_POLL_WHILE_LOOKING_S = 1.0
"""While a cluster lets itself be waited for, others become due."""


class Decider:
    """One per process."""

    def __init__(
        self, *, tools: Tools, reconciler: Reconciler, wakeup: Wakeup, on_admitted: Callable[[], None]
    ) -> None:
        self._tools = tools
        self._store = tools.store
        self._clock = tools.clock
        self._settings = tools.settings
        self._mode = tools.mode
        self._reconciler = reconciler
        self._wakeup = wakeup
        self._on_admitted = on_admitted

    async def run(self) -> None:
        """Decide until cancelled."""
        while True:
            try:
                if not await self.decide_due():
                    await self._rest()
            except StoreUnavailableError as error:
                log.warning("decider_store_unavailable", reason=error.reason)
                await self._clock.sleep(1.0)

    async def decide_due(self) -> int:
        """Decide what is due, the most urgent first, until nothing is. Returns how many decisions and notices that made."""
        decided, failure = 0, None
        async with asyncio.TaskGroup() as group:
            surveying = Surveying(
                group, look=self._surveyed, at_once=self._unmatched, place_of=self._place_of, on_seen=self._wakeup
            )
            try:
                decided = await self._until_nothing_is_due(surveying)
            except StoreUnavailableError as error:
                failure = error  # raised outside of the group, which would wrap it
                surveying.cancel()
        if failure is not None:
            raise failure
        return decided

    async def _until_nothing_is_due(self, surveying: Surveying) -> int:
        decided, begun, read_at = 0, 0, -_READ_EVERY_S
        while True:
            cases = surveying.take(self._clock.now(), _BATCH)
            if cases:
                left = await self._decide(cases)
                surveying.give_back(left)
                decided += len(cases) - len(left)
            decided += await self._tell_notices()
            if surveying.has_room or self._clock.boottime() - read_at >= _READ_EVERY_S:
                read_at = self._clock.boottime()
                begun = await self._begin_with_what_is_due(surveying)
            if not begun and not surveying.in_hand:
                return decided
            if not surveying.ready:
                await self._wakeup.wait(self._clock, _POLL_WHILE_LOOKING_S if surveying.has_room else _READ_EVERY_S)

    async def _begin_with_what_is_due(self, surveying: Surveying) -> int:
        """Looks further down the list only while all that stands above waits for a place (a cluster that does not answer)."""
        reach = _BATCH + surveying.in_hand
        while True:
            async with self._store.read() as connection:
                due = await episodes.due(connection, self._clock.now(), reach)
            begun = surveying.start(due)
            if begun or len(due) < reach or reach >= _FARTHEST:
                return begun
            reach = min(reach * 4, _FARTHEST)

    async def _tell_notices(self) -> int:
        """A defect in what is told besides alerts must not keep alerts from being decided."""
        try:
            told = await notices.tell(self._tools)
        except StoreUnavailableError:
            raise
        except Exception:
            log.exception("notices_not_told")
            return 0
        if told:
            self._tools.on_page()
        return told

    async def _rest(self) -> None:
        async with self._store.read() as connection:
            due_at = await episodes.next_due_at(connection)
        ahead = _POLL_S if due_at is None else (due_at - self._clock.now()).total_seconds()
        await self._wakeup.wait(self._clock, min(max(ahead, 0.0), _POLL_S))

    async def _decide(self, cases: Sequence[Case]) -> Sequence[Case]:
        """Record these. Returns those that took too long for this transaction."""
        left: Sequence[Case] = ()
        try:
            left = await self._record(cases)
        except StoreUnavailableError:
            raise
        except Exception:
            log.exception("batch_not_recorded", episodes=len(cases))
            for case in cases:
                await self._record_alone(case)
        self._on_admitted()
        self._tools.on_page()
        return left

    async def _record_alone(self, case: Case) -> None:
        """One by one after a failure, so that one bad episode does not keep its neighbours from being decided."""
        try:
            await self._record([case])
        except StoreUnavailableError:
            raise
        except Exception:
            log.exception("episode_not_decided", episode_id=case.episode.id, fingerprint=case.episode.fingerprint)
            await self._put_off(case.episode)

    async def _put_off(self, episode: EpisodeRow) -> None:
        """Later again; until then it stands in an incident, so that people hear of it when nothing comes of it (S31)."""
        async with self._store.begin(Tx.DECIDE) as tx:
            now = self._clock.now()
            incident_id = episode.incident_id
            if incident_id is None and episode.state == "open":
                incident_id = await self._join(tx, episode, (), now)
            await episodes.settle(tx, episode.id, incident_id=incident_id, decide_again_at=now + SOONEST)
        self._tools.on_page()

    def _unmatched(self, episode: EpisodeRow) -> Case | None:
        """An episode about which nothing in the world has to be asked: most of a storm."""
        if episode.state == "doubtful" or self._tools.playbooks().index.candidates(episode.labels):
            return None
        return Case(episode, (), episode.decide_again_at)

    def _place_of(self, episode: EpisodeRow) -> str:
        if episode.state == "doubtful":
            return f"Alertmanager of {episode.source}"
        matching = self._tools.playbooks().index.candidates(episode.labels)
        return whose_answer(self._settings, matching, episode.source, episode.labels)

    async def _surveyed(self, episode: EpisodeRow) -> Case | None:
        """Everything that needs the world. None: settled otherwise, to be looked at again by itself."""
        due_at = episode.decide_again_at
        try:
            if episode.state == "doubtful":
                await self._reconciler.settle_doubt(episode)
                return None
            matching = self._tools.playbooks().index.candidates(episode.labels)
            episode = await confirmed(self._tools, episode, matching)
            with one_look():  # several playbooks ask the same of one target
                surveyed = [
                    Candidate(playbook, await survey_for(self._tools, playbook, episode)) for playbook in matching
                ]
            return Case(episode, tuple(surveyed), due_at)
        except StoreUnavailableError:
            raise
        except Exception:
            log.exception("episode_not_surveyed", episode_id=episode.id, fingerprint=episode.fingerprint)
            await self._put_off(episode)
            return None

    async def _record(self, cases: Sequence[Case]) -> Sequence[Case]:
        """In one transaction, as many as it may take long. Returns the others."""
        began_at = self._clock.boottime()
        left: Sequence[Case] = ()
        touched: set[str] = set()
        async with self._store.begin(Tx.DECIDE) as tx:
            now = self._clock.now()
            present = await episodes.many(tx, [case.episode.id for case in cases])
            # Made undecided meanwhile (playbooks reloaded, a run ended): what was surveyed is old, and it is still due (S5).
            cases = [case for case in cases if case.episode.id in present and not is_stale(case, present)]
            plain = [present[case.episode.id] for case in cases if self._is_plain(case, present)]
            groups = unmatched.by_group(plain, self._mode)
            recorded: set[str] = set()
            for number, case in enumerate(cases):
                if number and self._clock.boottime() - began_at > _LONGEST_S:
                    left = [one for one in cases[number:] if one.episode.id not in recorded]
                    break
                episode = present[case.episode.id]
                if episode.state == "doubtful" or episode.id in recorded:
                    continue  # doubtful: came again while it was surveyed, and is still due
                if (group := groups.get(episode.id)) is not None:
                    touched.add(await unmatched.record(tx, group, self._tools, now))
                    recorded |= {one.id for one in group}
                elif episode.state == "closed":
                    touched |= await self._close(tx, episode, now)
                else:
                    touched |= await self._open(tx, replace(case, episode=episode), now)
            for incident_id in sorted(touched):
                await judge_incident(
                    tx, incident_id, now=now, settings=self._settings, playbook_named=self._tools.playbooks().get
                )
        return left

    def _is_plain(self, case: Case, present: Mapping[str, EpisodeRow]) -> bool:
        """Matched by nothing and never decided: no run, request or answer can stand for it."""
        episode = present.get(case.episode.id)
        if case.candidates or episode is None or episode.state != "open" or episode.incident_id is not None:
            return False
        return episode.alertname != self._settings.escalation.watchdog

    async def _close(self, tx: Connection, episode: EpisodeRow, now: datetime) -> set[str]:
        await episodes.settle(tx, episode.id, incident_id=episode.incident_id, decide_again_at=None)
        if episode.incident_id is None:
            return set()
        await keep_or_withdraw(tx, episode=episode, mode=self._mode, taker=None, now=now, why="the alert closed")
        told = f"{episode.alertname or 'alert'} closed"
        await incidents.add_event(tx, episode.incident_id, None, now, "alert_closed", told, {"episode_id": episode.id})
        return {episode.incident_id}

    async def _open(self, tx: Connection, case: Case, now: datetime) -> set[str]:
        episode = case.episode
        if episode.alertname == self._settings.escalation.watchdog:
            await episodes.settle(tx, episode.id, incident_id=None, decide_again_at=None)  # the heartbeat is no problem
            return set()
        pending = await runs.pending_of(tx, episode_id=episode.id, mode=self._mode)
        if pending is not None and not await may_be_withdrawn(tx, pending):
            await episodes.settle(tx, episode.id, incident_id=pending.incident_id, decide_again_at=None)
            return set()
        answers = decide(
            [
                (
                    candidate.playbook,
                    await facts.complete(
                        tx,
                        settings=self._settings,
                        mode=self._mode,
                        episode=episode,
                        playbook=candidate.playbook,
                        playbook_present=self._tools.playbooks().get(candidate.playbook.name) is not None,
                        survey=candidate.survey,
                        now=now,
                        own_run=None if pending is None else pending.id,
                    ),
                )
                for candidate in case.candidates
            ],
            now,
        )
        incident_id = await self._join(tx, episode, answers, now)
        touched = {incident_id} | ({episode.incident_id} if episode.incident_id else set())
        if pending is not None and pending.playbook not in {candidate.playbook.name for candidate in case.candidates}:
            why = f"playbook {pending.playbook} no longer matches"
            await keep_or_withdraw(tx, episode=episode, mode=self._mode, taker=None, now=now, why=why)
        recorded = [await self._answer(tx, decision, episode, incident_id, now) for decision in answers]
        changed = await decisions.record(
            tx, episode_id=episode.id, incident_id=incident_id, mode=self._mode, answers=recorded, now=now
        )
        again = [one.decide_again_at for one in answers if one.verdict not in BY_EVENT_ONLY and one.decide_again_at]
        under_way = any(one.verdict is Verdict.RUN for one in answers)
        await episodes.settle(
            tx, episode.id, incident_id=incident_id, decide_again_at=None if under_way else min(again, default=None)
        )
        if changed:
            await self._tell(tx, episode, incident_id, answers, now)
        return touched

    async def _join(self, tx: Connection, episode: EpisodeRow, answers: Sequence[Decision], now: datetime) -> str:
        target = target_of(answers)
        if target is None and episode.incident_id is not None:
            standing = await incidents.incident(tx, episode.incident_id)
            if standing is not None and standing.state == "open" and standing.mode == self._mode:
                return standing.id  # a target that cannot be seen for a moment does not make another problem of it
        if target is not None:
            key = incidents.incident_key(self._mode, target=str(target))
        else:
            key = incidents.incident_key(self._mode, source=episode.source, group_key=episode.group_key)
        name = episode.alertname or "an alert without alertname"
        return await incidents.join(
            tx,
            key=key,
            target=None if target is None else str(target),
            mode=self._mode,
            severity=episode.severity,
            title=name if target is None else f"{name} on {target.short}",
            at=episode.first_received_at,
            now=now,
            reopen_within=self._settings.escalation.reopen_within,
        )

    async def _answer(
        self, tx: Connection, decision: Decision, episode: EpisodeRow, incident_id: str, now: datetime
    ) -> decisions.Answer:
        playbook, found = decision.playbook, decision.facts
        plan = shown_plan(decision)
        run_id = None
        if decision.verdict in (Verdict.RUN, Verdict.APPROVE):
            run_id = await admit(
                tx,
                decision=decision,
                episode=episode,
                incident_id=incident_id,
                mode=self._mode,
                settings=self._settings,
                now=now,
            )
        elif playbook is not None:
            why = f"its decision became {decision.verdict}"
            await keep_or_withdraw(tx, episode=episode, mode=self._mode, taker=playbook.name, now=now, why=why)
        return decisions.Answer(
            playbook=None if playbook is None else playbook.name,
            revision=None if playbook is None else playbook.revision,
            verdict=decision.verdict,
            kind=decision.kind,
            target=None if found is None or found.target is None else str(found.target),
            reasons=decision.reasons(),
            plan=plan,
            decide_again_at=decision.decide_again_at,
            run_id=run_id,
        )

    async def _tell(
        self, tx: Connection, episode: EpisodeRow, incident_id: str, answers: Sequence[Decision], now: datetime
    ) -> None:
        for decision in answers:
            name = "no playbook" if decision.playbook is None else decision.playbook.name
            because = "; ".join(reason["text"] for reason in decision.reasons())
            said = f"{episode.alertname}: {name}: {decision.verdict}" + (f" ({because})" if because else "")
            detail = {"episode_id": episode.id, "verdict": decision.verdict, "kind": decision.kind}
            await incidents.add_event(tx, incident_id, None, now, "decided", said, detail)
            code = decision.denials[0].code if decision.denials else "none"
            self._tools.metrics.decisions.labels(verdict=str(decision.verdict), reason=code).inc()
            log.info(
                "decided",
                incident_id=incident_id,
                fingerprint=episode.fingerprint,
                alertname=episode.alertname,
                playbook=name,
                verdict=str(decision.verdict),
                kind=decision.kind,
                reason=because,
                mode=self._mode,
            )
