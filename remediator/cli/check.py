"""``remediator check``: playbooks and settings, offline; with ``--cluster`` also what clusters and accounts let us do."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from remediator.cli.options import ConfigOption, Output, OutputOption, config_or_default
from remediator.cli.show import as_json, fail, fail_each, line

if TYPE_CHECKING:
    from remediator.errors import ConfigError
    from remediator.playbooks.loading import LoadedSet
    from remediator.playbooks.model import Playbook
    from remediator.settings import Settings


def check(
    path: Annotated[
        Path | None, typer.Argument(help="directory of playbooks, or one file; by default the one that settings name")
    ] = None,
    config: ConfigOption = None,
    drafts: Annotated[
        bool, typer.Option("--drafts", help="also folders named drafts; parts that are not built yet are accepted")
    ] = False,
    cluster: Annotated[
        bool,
        typer.Option(
            "--cluster", help="also ask the clusters and accounts of settings whether all needed permissions are there"
        ),
    ] = False,
    output: OutputOption = Output.TEXT,
) -> None:
    """Check playbooks and settings without a service. Prints every problem as file:line; exit code 1 if there is one.

    Example: remediator check playbooks --drafts
    """
    import os

    from remediator.errors import ConfigError
    from remediator.playbooks.loading import PlaybookErrors
    from remediator.settings import load_settings

    if drafts and cluster:
        fail("--cluster asks for what can be loaded: leave out --drafts", 2)
    try:
        settings = load_settings(config_or_default(config), os.environ)
        _refuse_shared_credentials(settings)
    except ConfigError as error:
        fail_each(error)
    try:
        loaded = load(path or settings.playbooks, settings, drafts=drafts)
    except PlaybookErrors as errors:
        _print(output, errors.problems, (), (), None)
        raise typer.Exit(1) from None
    problems, later = _of_clusters(loaded, settings) if cluster else ((), ())
    never = () if drafts else _never_acts(loaded)
    warnings = (*loaded.warnings, *never, *_void_autonomy(loaded, settings), *later)
    _print(output, problems, warnings, loaded.playbooks, None if drafts else _backstop(loaded, settings))
    if problems:
        raise typer.Exit(1)


def load(path: Path, settings: "Settings", *, drafts: bool = False) -> "LoadedSet":
    """The playbooks of a directory or of one file.

    Raises:
        PlaybookErrors: everything that is wrong.
    """
    from importlib.metadata import version

    from remediator.actions import ACTIONS
    from remediator.conditions import CONDITIONS
    from remediator.playbooks.library import load_directory
    from remediator.playbooks.loading import Loading

    actions = {action.name: action.params for action in ACTIONS}
    conditions = {condition.name: condition.params for condition in CONDITIONS}
    if not path.is_file():
        return load_directory(
            path, action_params=actions, condition_params=conditions, drafts=drafts, vars_overrides=settings.vars
        )
    loading = Loading(actions, conditions, drafts, settings.vars, None, version("remediator"))
    return loading.load({str(path): _text_of(path)}, str(path), "")


def _refuse_shared_credentials(settings: "Settings") -> None:
    """As the service does at its start. Sources without a credential may be meant for ``--insecure-no-auth``: not judged here."""
    if settings.sources and all(source.credential for source in settings.sources.values()):
        from remediator.web.auth import Auth

        Auth(settings)


def _text_of(path: Path) -> "str | ConfigError":
    from remediator.errors import ConfigError

    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        return ConfigError(path, None, f"cannot be read: {error}", "give a readable UTF-8 file")


def _of_clusters(
    loaded: "LoadedSet", settings: "Settings"
) -> "tuple[tuple[ConfigError, ...], tuple[ConfigError, ...]]":
    import asyncio

    from remediator.cli.check_clusters import of_clusters
    from remediator.errors import RemediatorError

    try:
        return asyncio.run(of_clusters(loaded.playbooks, settings))
    except RemediatorError as error:
        fail_each(error)


def _never_acts(loaded: "LoadedSet") -> "Iterable[ConfigError]":
    """Steps that would refuse every target that their playbook can have: people would be paged by it, and nothing done."""
    from remediator.actions import action_named
    from remediator.engine.named_target import kinds_of
    from remediator.errors import ConfigError

    for playbook in loaded.playbooks:
        for key, spec in playbook.target_specs.items():
            for remedy in playbook.remedies:
                for step in remedy.steps:
                    accepted = action_named(step.action).target_kinds
                    if step.on in (None, key) and accepted.isdisjoint(kinds_of(spec)):
                        message = (
                            f"remedy {remedy.name}: {step.action} does not act on a {spec.type}, so it is never done"
                        )
                        place = loaded.files.get(playbook.name, playbook.name)
                        yield ConfigError(place, None, message, f"accepted: {', '.join(sorted(accepted))}")


def _void_autonomy(loaded: "LoadedSet", settings: "Settings") -> "Iterable[ConfigError]":
    """Levels in settings that are given to nothing that is here (S14)."""
    from remediator.errors import ConfigError
    from remediator.settings import Trusted

    for name, given in settings.autonomy.playbooks.items():
        place, playbook = f"settings autonomy.playbooks.{name}", loaded.get(name)
        if playbook is None:
            yield ConfigError(place, None, "there is no playbook of this name", "it has no effect")
        elif isinstance(given, Trusted) and given.content != playbook.content_hash:
            message = f"trusts content {given.content}; the playbook has {playbook.content_hash}, so it is not raised"
            yield ConfigError(place, None, message, "look at what changed, then set the new content")


def _backstop(loaded: "LoadedSet", settings: "Settings") -> str:
    """How long Alertmanager's own route to PagerDuty must wait, so that a dead remediator means a late page, never none (S30).

    A playbook that waits longer than settings say gets a route of its own: its wait must not delay the backstop of all others.
    """
    from datetime import timedelta

    from remediator.durations import format_duration

    longest = max(settings.escalation.page_after.values(), default=timedelta(minutes=15))
    margin = timedelta(minutes=5)
    note = f"Alertmanager's backstop route needs group_wait: {format_duration(longest + margin)} or longer"
    slow = {
        playbook.name: after
        for playbook in loaded.playbooks
        if (after := max((rule.after for rule in playbook.escalate if rule.after is not None), default=longest))
        > longest
    }
    if not slow:
        return note
    listed = ", ".join(f"{name} {format_duration(after + margin)}" for name, after in sorted(slow.items()))
    return f"{note}; these playbooks wait longer, so give their alerts backstop routes of their own, or be paged twice: {listed}"


def _print(
    output: Output,
    problems: "Iterable[ConfigError]",
    warnings: "Iterable[ConfigError]",
    playbooks: "tuple[Playbook, ...]",
    note: str | None,
) -> None:
    listed, warned = list(problems), list(warnings)
    if output is Output.JSON:
        as_json(
            {
                "ok": not listed,
                "playbooks": len(playbooks),
                "contents": {playbook.name: playbook.content_hash for playbook in playbooks},
                "problems": [_json(problem) for problem in listed],
                "warnings": [_json(warning) for warning in warned],
                "notes": [note] if note else [],
            }
        )
        return
    for problem in listed:
        line(("error: ", "red"), str(problem))
    for warning in warned:
        line(("warning: ", "yellow"), str(warning))
    if listed:
        line(
            f"{len(listed)} problem{'s' if len(listed) > 1 else ''}{'' if playbooks else '; nothing of it would be loaded'}"
        )
        return
    line((f"{len(playbooks)} playbook{'' if len(playbooks) == 1 else 's'} good", "green"))
    for playbook in playbooks:  # what `settings.autonomy.playbooks` must name to raise one above `start` (S14)
        line(f"{playbook.name}: at most {playbook.autonomy}, content {playbook.content_hash}", indent=2)
    if note:
        line(f"note: {note}")


def _json(problem: "ConfigError") -> dict[str, Any]:
    return {"file": problem.path, "line": problem.line, "message": problem.message, "remedy": problem.remedy}
