"""Schema changes, forward only, on one connection and in one transaction of whoever opens the store.

During a rolling update two releases share a schema. So every migration says in ``usable_from`` with which schema a program must
have been made to go on using the store after it, and the store keeps that word for programs that do not know the migration.
"""

from pathlib import Path
from types import ModuleType
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import BigInteger, Connection, cast, extract, func, inspect, select, type_coerce

from remediator.errors import ConfigError
from remediator.store.dialect import insert
from remediator.store.schema import meta, replicas

USABLE_FROM = "schema_usable_from"
"""Key in ``meta``: the oldest schema whose program may use the store as it is."""

_CONFIG = Config()
_CONFIG.set_main_option("script_location", str(Path(__file__).parent / "migrations"))


def newest() -> str:
    """The schema that this release was made with: the last migration's revision."""
    [head] = ScriptDirectory.from_config(_CONFIG).get_heads()
    return str(head)


def bring_up(connection: Connection, place: str) -> None:
    """Bring the schema to this release's, or leave a newer one as it is when it is marked as usable by this release.

    Safe to repeat. Nobody else may change the schema meanwhile: the caller sees to that, begins the transaction and commits it.

    Raises:
        ConfigError: a newer release has been at it, and this one would misunderstand what it wrote; or replicas of an older one
            live, which would misunderstand what this one makes of it.
    """
    scripts = ScriptDirectory.from_config(_CONFIG)
    modules = {script.revision: script.module for script in scripts.walk_revisions()}
    found = MigrationContext.configure(connection).get_current_revision()
    if found is None or found in modules:
        if found != newest():
            if not _usable_by(found, usable_from(modules[newest()])):
                _refuse_beside(connection, place)
            _CONFIG.attributes["connection"] = connection
            try:
                command.upgrade(_CONFIG, "head")
            finally:
                del _CONFIG.attributes["connection"]
            _put(connection, usable_from(modules[newest()]))
    elif not _usable_by(newest(), connection.scalar(select(meta.c.value).where(meta.c.key == USABLE_FROM))):
        message, remedy = "a newer remediator has used this store", "start that one, or restore an older backup"
        raise ConfigError(place, None, message, remedy)


def usable_from(migration: ModuleType) -> str:
    """The oldest schema whose program may go on after this migration; its own when it does not say (fail closed)."""
    return str(getattr(migration, "usable_from", migration.revision))


def _refuse_beside(connection: Connection, place: str) -> None:
    """While replicas of the release before live. On SQLite the file's lock has proved that there are none."""
    if connection.dialect.name != "postgresql" or not inspect(connection).has_table(replicas.name):
        return
    now = cast(extract("epoch", func.clock_timestamp()) * 1_000_000, BigInteger)
    living = list(
        connection.scalars(select(replicas.c.name).where(type_coerce(replicas.c.lease_until, BigInteger) > now))
    )
    if living:
        message = f"its schema changes so that the release of {', '.join(sorted(living))}, still alive, could not go on"
        raise ConfigError(place, None, message, "stop every replica of the older release, then start this one")


def _usable_by(revision: str | None, needed: Any) -> bool:
    """A store without a schema is nobody's yet."""
    return revision is None or (isinstance(needed, str) and needed.isdecimal() and int(needed) <= int(revision))


def _put(connection: Connection, needed: str) -> None:
    statement = insert(meta).values(key=USABLE_FROM, value=needed)
    update = {"value": statement.excluded.value}
    connection.execute(statement.on_conflict_do_update(index_elements=["key"], set_=update))
