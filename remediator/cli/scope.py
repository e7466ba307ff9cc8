"""Which part of the world a pause covers, from the options of ``pause`` and ``resume``."""

from typing import Annotated

import typer

from remediator.cli.show import fail

PlaybookOption = Annotated[str | None, typer.Option("--playbook", help="only this playbook")]
NamespaceOption = Annotated[
    str | None,
    typer.Option("--namespace", help="only this namespace: <cluster>/<namespace>; with one cluster its name alone"),
]
TargetOption = Annotated[
    str | None, typer.Option("--target", help="only this target: kubernetes/<cluster>/<namespace>/<kind>/<name>")
]


def scope_of(playbook: str | None, namespace: str | None, target: str | None) -> str:
    """Everything, unless one option narrows it."""
    given = [
        f"{kind}:{value}"
        for kind, value in (("playbook", playbook), ("namespace", namespace), ("target", target))
        if value is not None
    ]
    if len(given) > 1:
        fail("give at most one of --playbook, --namespace and --target", 2)
    return given[0] if given else "all"
