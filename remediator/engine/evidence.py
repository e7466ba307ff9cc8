"""Evidence with the incident: what is collected before a run's first step, and what its looking steps have seen."""

from collections.abc import Mapping
from typing import Any

import structlog

from remediator.actions.evidence.base import Piece, as_evidence
from remediator.actions.evidence.collect import Named, collect
from remediator.engine.tools import Tools
from remediator.playbooks.model import Playbook
from remediator.runs.cursor import Cursor
from remediator.store import incidents, journal
from remediator.store.database import Tx
from remediator.store.runs import RunRow

log = structlog.get_logger(__name__)

EVENT = "evidence"


class EvidenceKeeper:
    """For one claim of one run."""

    def __init__(self, tools: Tools, run: RunRow, playbook: Playbook) -> None:
        self._tools = tools
        self._run = run
        self._playbook = playbook
        self._kept = False

    async def before_first_step(self, cursor: Cursor) -> None:
        """Collect once, while the world is still as the alert found it. A run that dies right after it collects again.

        A remedy that only looks has its own steps for it; there only what the playbook names is reason to collect.
        """
        writes = self._playbook.remedies[cursor.remedy].writes
        world = self._tools.worlds.of(self._run.where.place, self._run.source)
        if self._kept or world is None or not (writes or self._playbook.evidence):
            return
        if self._run.where.provider != "kubernetes":
            return  # what AWS knows of a thing is read by the plan, and stands in it
        async with self._tools.store.read() as connection:
            begun = await journal.of_run(connection, self._run.id)
        self._kept = True
        if begun:
            return
        pieces = await collect(world.kubernetes, self._run.where, named(self._playbook))
        async with self._tools.store.begin(Tx.ADVANCE_RUN) as tx:
            now = self._tools.clock.now()
            await incidents.add_event(
                tx, self._run.incident_id, self._run.id, now, EVENT, _told(pieces), as_evidence(pieces)
            )
        log.info("evidence_kept", target=self._run.target, seen=_told(pieces))


def named(playbook: Playbook) -> Named:
    """What the playbook asks for, by name."""
    return {item.name: item.params for item in playbook.evidence}


def seen_by_step(applied: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The evidence that a step's answer carries, as a timeline keeps it; None for a step that only changed something."""
    facts = {} if applied is None else applied.get("facts", {})
    return {"evidence": facts["evidence"]} if "evidence" in facts else None


def _told(pieces: tuple[Piece, ...]) -> str:
    """Named, not shown: this line also goes into pages."""
    kept = ", ".join(piece.kind for piece in pieces if piece.read) or "none"
    missing = "; ".join(f"{piece.kind}: {piece.text[:200]}" for piece in pieces if not piece.read)
    return f"evidence kept: {kept}" + (f" (not to be had: {missing})" if missing else "")
