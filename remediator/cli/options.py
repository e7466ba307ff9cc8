"""Options that several commands share, each said once."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Output(StrEnum):
    """How an answer is printed."""

    TEXT = "text"
    JSON = "json"


OutputOption = Annotated[Output, typer.Option("--output", "-o", help="text for people, json for programs")]
UrlOption = Annotated[
    str, typer.Option("--url", envvar="REMEDIATOR_URL", help="address of the running service", show_envvar=True)
]
TokenFileOption = Annotated[
    Path | None,
    typer.Option("--token-file", help="file with your API token; without it the environment variable REMEDIATOR_TOKEN"),
]
ReasonOption = Annotated[str, typer.Option("--reason", help="why; stands in the incident's timeline")]
LimitOption = Annotated[int, typer.Option("--limit", min=1, max=1000, help="show at most so many")]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        envvar="REMEDIATOR_CONFIG",
        help="settings file; without it ./remediator.yaml if there is one, else the defaults",
    ),
]

DEFAULT_URL = "http://127.0.0.1:8080"


def config_or_default(config: Path | None) -> Path | None:
    """The settings file to read, if any."""
    beside = Path("remediator.yaml")
    return config if config is not None or not beside.exists() else beside
