"""``remediator pause``: from now on no effect begins."""

import time
from typing import Annotated, Any

import typer

from remediator.cli.options import DEFAULT_URL, Output, OutputOption, ReasonOption, TokenFileOption, UrlOption
from remediator.cli.scope import NamespaceOption, PlaybookOption, TargetOption, scope_of
from remediator.cli.service import Service
from remediator.cli.show import as_json, fail, line

_LOOK_EVERY_S = 1.0


def pause(
    reason: ReasonOption,
    playbook: PlaybookOption = None,
    namespace: NamespaceOption = None,
    target: TargetOption = None,
    remind: Annotated[
        str | None, typer.Option("--remind", help="remind me after this long, such as 2h; it never resumes")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="wait until the effects already begun are settled")] = False,
    wait_at_most: Annotated[
        int, typer.Option("--wait-at-most", min=1, help="seconds that --wait waits; then exit code 1")
    ] = 600,
    url: UrlOption = DEFAULT_URL,
    token_file: TokenFileOption = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Begin no effect any more: everywhere, or in a playbook, a namespace or a target. Ends only by `remediator resume`.

    Example: remediator pause --namespace shop --reason "migration until 18:00" --remind 2h --wait
    """
    service = Service(url, token_file)
    order = {"scope": scope_of(playbook, namespace, target), "reason": reason}
    found = service.post("/pause", order if remind is None else order | {"remind": remind})
    if wait:
        found["effects_begun"] = _settled(service, found["pause_id"], wait_at_most)
    if output is Output.JSON:
        as_json(found)
    else:
        line(("paused ", "yellow"), f"{found['scope']} ({found['pause_id']}): no effect begins any more")
        for effect in found["effects_begun"]:
            line(
                f"already begun: {effect['direction']} {effect['action']} on {effect['target']} (run {effect['run_id']})",
                indent=2,
            )
    if wait and found["effects_begun"]:
        fail(f"not settled within {wait_at_most} s; `remediator runs` shows whether one waits for a person")


def _settled(service: Service, pause_id: str, at_most_s: int) -> list[dict[str, Any]]:
    """What is still not settled when it is over; nothing, or the time is up."""
    left: list[dict[str, Any]] = []
    for look in range(at_most_s + 1):
        if look:
            time.sleep(_LOOK_EVERY_S)  # noqa: TID251 - a command line has no event loop to hold up
        standing = service.get("/pauses")["pauses"]
        mine = next((one for one in standing if one["id"] == pause_id), None)
        if mine is None:
            fail("the pause was ended by somebody while waiting")
        left = mine["effects_begun"]
        if not left:
            break
    return left
