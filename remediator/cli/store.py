"""``remediator store``: looks after the store, without the service or beside it."""

import typer

from remediator.cli import store_check

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look after the store: check what must always hold of its rows.\n\nExample: remediator store check",
)
app.command(name="check")(store_check.check)
