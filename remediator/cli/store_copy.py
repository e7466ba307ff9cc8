"""``remediator store copy``: from one process on SQLite to several replicas on PostgreSQL."""

from pathlib import Path
from typing import Annotated

import typer

from remediator.cli.options import Output, OutputOption
from remediator.cli.show import as_json, fail_each, line, table


def copy(
    source: Annotated[str, typer.Argument(metavar="SQLITE_URL", help="sqlite:///path of a stopped service's store")],
    target: Annotated[
        str, typer.Argument(metavar="POSTGRESQL_URL", help="postgresql://user@host/database, a database without rows")
    ],
    password_file: Annotated[
        Path | None, typer.Option("--password-file", help="file with PostgreSQL's password, as store.password_file")
    ] = None,
    output: OutputOption = Output.TEXT,
) -> None:
    """Copy a stopped service's SQLite store to an empty PostgreSQL database: all rows or none, compared on both sides.

    Runs go on where they stand once the service is started with the new store.url. The file is not changed.
    Example: remediator store copy sqlite:////var/lib/remediator/remediator.sqlite postgresql://remediator@db/remediator
    """
    import asyncio

    from remediator.errors import RemediatorError
    from remediator.store import copying

    try:
        copied = asyncio.run(copying.copy(source, target, password_file=password_file))
    except RemediatorError as error:
        fail_each(error)
    if output is Output.JSON:
        as_json({"tables": [{"table": one.table, "rows": one.rows, "hash": one.hash} for one in copied]})
        return
    table(("TABLE", "ROWS", "HASH"), [(one.table, str(one.rows), one.hash[:16]) for one in copied], "no tables")
    line("Start the service with the new store.url, and never again with the file: both would do the same runs.")
