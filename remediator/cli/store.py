"""``remediator store``: looks after the store, without the service or beside it."""

import typer

from remediator.cli import store_check, store_copy

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Look after the store: check what must always hold of its rows, move it to PostgreSQL.\n\nExample: remediator store check",
)
app.command(name="check")(store_check.check)
app.command(name="copy")(store_copy.copy)
