"""Old and doubtful alerts are acted upon only while something shows them firing (S2, S10): when nothing has, Alertmanager is asked."""

from collections.abc import Sequence
from datetime import timedelta

from remediator.engine.tools import Tools
from remediator.playbooks.model import Playbook
from remediator.store.episodes import EpisodeRow

_CONFIRMED_WITHIN = timedelta(minutes=5)


async def confirmed(tools: Tools, episode: EpisodeRow, playbooks: Sequence[Playbook]) -> EpisodeRow:
    """The episode as it is after the question, if one of these playbooks needs it asked; else as it was.

    Raises:
        StoreUnavailableError: the answer could not be recorded.
    """
    if episode.state != "open" or not playbooks:
        return episode
    now = tools.clock.now()
    if episode.confirmed_at is not None:
        soonest = min(playbook.guards.max_alert_age for playbook in playbooks)
        if now - episode.first_received_at <= soonest or now - episode.confirmed_at <= _CONFIRMED_WITHIN:
            return episode
    return await tools.confirm(episode)
