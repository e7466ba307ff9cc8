"""After the scenes: the service stays, and whoever watches may be Alertmanager."""

import json
import shlex
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

from remediator.drills.demo_stage import NAMESPACE, NotAsToldError, Stage
from remediator.sandbox.fingerprints import fingerprint
from remediator.store.episodes import EpisodeRow

TRIED = "catalog"
"""The deployment that the printed alert is about."""
_LOOK_EVERY_S = 0.5
_LEAST_AGE = timedelta(seconds=10)
"""A rule's alert does not end at once either; by then the run has made its change."""


async def serve(stage: Stage) -> None:
    """Print how to go on, then until cancelled: end alerts sent by hand when their service is well, as Prometheus would.

    Raises:
        NotAsToldError: a part of the service ended with an error.
    """
    stage.world.sicken(NAMESPACE, TRIED)
    paged = await stage.incident_of("payments")
    farewell(stage, "" if paged is None else paged.id)
    stage.timeline.waiting(f"serving on {stage.app.url}; Ctrl-C ends it")
    while not stage.app.failed.is_set():
        await end_what_is_over(stage)
        await stage.clock.sleep(_LOOK_EVERY_S)
    raise NotAsToldError("the service keeps running", "every part of it at work", "one ended with an error")


async def end_what_is_over(stage: Stage) -> None:
    """Deliver the end of each alert that came by hand and whose deployment is well."""
    told = {alert.fingerprint for alert in stage.world.alertmanager.firing()}
    for incident in await stage.incidents():
        story = await stage.story(incident.id) if incident.state == "open" else None
        for episode in () if story is None else story.episodes:
            if episode.state == "open" and episode.fingerprint not in told and _well(stage, episode):
                now = stage.clock.now()
                stage.timeline.happened(
                    now, "alert", f"{episode.alertname} ends, its service is well: resolved is delivered"
                )
                await stage.post(json.dumps(resolved(episode, now.isoformat())).encode())


def _well(stage: Stage, episode: EpisodeRow) -> bool:
    if episode.labels.get("namespace") != NAMESPACE or stage.clock.now() - episode.first_received_at < _LEAST_AGE:
        return False
    try:
        return not stage.sick(episode.labels.get("deployment", ""))
    except KeyError:
        return False


def resolved(episode: EpisodeRow, at: str) -> dict[str, Any]:
    """The webhook body that says that this alert is over."""
    alert = {
        "status": "resolved",
        "labels": dict(episode.labels),
        "annotations": dict(episode.annotations),
        "startsAt": episode.starts_at.isoformat(),
        "endsAt": at,
        "fingerprint": episode.fingerprint,
    }
    return {
        "version": "4",
        "groupKey": episode.group_key,
        "status": "resolved",
        "receiver": "remediator",
        "alerts": [alert],
    }


def curl_line(url: str, token: str) -> str:
    """A command for any shell: one firing alert, begun now, about a deployment that can be restarted."""
    labels = {"alertname": "ServiceDown", "severity": "critical", "namespace": NAMESPACE, "deployment": TRIED}
    rows = [
        f"curl -sS {url}/webhook/alertmanager \\",
        f"  -H 'Authorization: Bearer {token}' \\",
        "  -H 'Content-Type: application/json' \\",
        """  -d '{"version": "4", "groupKey": "by-hand", "status": "firing", "alerts": [{""",
        """    "status": "firing", "startsAt": "'$(date -u +%FT%TZ)'",""",
        f'    "fingerprint": "{fingerprint(labels)}",',
        '    "labels": {"alertname": "ServiceDown", "severity": "critical",',
        f"""      "namespace": "{NAMESPACE}", "deployment": "{TRIED}"}}}}]}}'""",
    ]
    return "\n".join(rows)


def farewell(stage: Stage, incident: str) -> None:
    """What to do next; ``incident`` is one whose whole story is worth a look."""
    timeline, url = stage.timeline, stage.app.url
    timeline.gap()
    timeline.say(f"remediator keeps serving on {url} until Ctrl-C.", style="bold")
    timeline.gap()
    timeline.say(
        f"Now you are Alertmanager: {NAMESPACE}/{TRIED} crash-loops too, and no rule watches it. Paste this into another terminal:"
    )
    timeline.gap()
    timeline.paste(curl_line(url, stage.throwaway.webhook))
    timeline.gap()
    timeline.say(
        "remediator then waits 2s for alerts that belong together, restarts it, sees it recover and the alert end, closes the "
        "incident and pages nobody; follow it here. Paste it again: the cooldown denies a second restart."
    )
    timeline.gap()
    timeline.say("Look around; the second of these tells the whole story of the page above:")
    timeline.gap()
    reach = f"--url {url} --token-file {shlex.quote(str(stage.directory / 'api.token'))}"
    for command in ("incidents", f"incidents {incident}", "decisions"):
        timeline.paste(f"{program()} {command} \\\n  {reach}")
    timeline.gap()
    timeline.say(f"Health: {url}/-/ready. Metrics: {url}/metrics.")
    timeline.say(f"Settings, log, and playbooks that are read again when you change them: {stage.directory}")
    timeline.gap()


def program() -> str:
    """How this very program is called from another terminal."""
    called = Path(sys.argv[0])
    found = shutil.which("remediator")
    if called.name != "remediator" or (found is not None and Path(found).samefile(called.resolve())):
        return "remediator"
    return shlex.quote(str(called.resolve()))
