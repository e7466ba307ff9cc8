"""The program: which commands there are."""

import typer

from remediator.cli import (
    approve,
    cancel,
    check,
    decisions,
    demo,
    explain,
    incidents,
    pause,
    permissions,
    reject,
    resume,
    runs,
    schema,
    serve,
    store,
)

app = typer.Typer(
    name="remediator",
    help="Takes Alertmanager's alerts, runs guarded remedies, verifies them, undoes them, pages people.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # plain help: Rich would take longer to import than the command takes to run
    # Typer's own would print local variables, and with them a token.
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(serve.serve)
app.command()(check.check)
app.command()(schema.schema)
app.command()(permissions.permissions)
app.command()(explain.explain)
app.command()(demo.demo)
app.command()(incidents.incidents)
app.command()(decisions.decisions)
app.add_typer(runs.app, name="runs")
app.add_typer(store.app, name="store")
app.command()(approve.approve)
app.command()(reject.reject)
app.command()(cancel.cancel)
app.command()(pause.pause)
app.command()(resume.resume)
