"""The command line: one command a file. Most commands only talk to a running service by its API; nothing is decided here.

What takes long to import is imported inside the command that needs it, so that ``--help``, ``check`` and ``schema`` start at once.
"""


def main() -> None:
    """The console script."""
    from remediator.cli.program import app

    app()
