"""Where a PostgreSQL is: ``store.url`` taken apart. The password never leaves this object but for the driver."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from remediator.errors import ConfigError

URL = "postgresql://user@host:5432/database?sslmode=verify-full"
_FILES = frozenset({"sslrootcert", "sslcert", "sslkey"})
_OPTIONS = _FILES | {"host", "sslmode"}
"""Whatever else stood in the query would become a setting of the session, and could take back what the store asks for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """A database, and who we are there."""

    user: str
    host: str
    port: int | None
    database: str
    options: Mapping[str, str]
    password: str | None
    password_file: Path | None

    @classmethod
    def parse(cls, url: str, password_file: Path | None = None) -> "Address":
        """Take ``store.url`` apart.

        Raises:
            ConfigError: it is not understood. Nothing of it is repeated: there may be a password anywhere in it.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
            options = dict(parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query)))
        except ValueError:
            raise _wrong("it is not an address") from None
        if unknown := sorted(set(options) - _OPTIONS):
            raise _wrong(f"{len(unknown)} unknown option(s) in its query", f"accepted: {', '.join(sorted(_OPTIONS))}")
        host = parts.hostname or options.pop("host", "")
        database = unquote(parts.path.removeprefix("/"))
        for what, found in (("user", parts.username), ("host", host), ("database", database)):
            if not found:
                raise _wrong(f"it names no {what}")
        if parts.password is not None and password_file is not None:
            raise _wrong("there is a password in it and store.password_file is given", "keep one, best the file")
        return cls(
            user=unquote(parts.username or ""),
            host=host,
            port=port,
            database=database,
            options=options,
            password=None if parts.password is None else unquote(parts.password),
            password_file=password_file,
        )

    def __str__(self) -> str:
        """For people: without password and options."""
        port = "" if self.port is None else f":{self.port}"
        return f"postgresql://{self.user}@{self.host}{port}/{self.database}"

    def __repr__(self) -> str:
        return f"Address({self})"

    @property
    def dsn(self) -> str:
        """For the driver, without the password."""
        options = dict(self.options)
        authority = quote(self.user, safe="") + "@"
        if self.host.startswith("/"):
            options["host"] = self.host
        else:
            authority += f"[{self.host}]" if ":" in self.host else self.host
        if self.port is not None:
            if self.host.startswith("/"):
                options["port"] = str(self.port)
            else:
                authority += f":{self.port}"
        query = f"?{urlencode(options)}" if options else ""
        return f"postgresql://{authority}/{quote(self.database, safe='')}{query}"

    def check_files(self) -> None:
        """Raises ConfigError: a file that the query names cannot be read. The driver would not say which one."""
        for option in _FILES & set(self.options):
            if not os.access(self.options[option], os.R_OK):
                raise _wrong(f"{option} names a file that cannot be read: {self.options[option]}", "a PEM file")

    def secret(self) -> str | None:
        """The password, read from its file at every connecting, so that it can be changed while we run.

        Raises:
            ConfigError: the file cannot be read, or is empty.
        """
        if self.password_file is None:
            return self.password
        try:
            found = self.password_file.read_text().strip()
        except OSError as error:
            message = f"{self.password_file.absolute()} cannot be read: {error.strerror}"
            raise ConfigError("store.password_file", None, message) from None
        if not found:
            raise ConfigError("store.password_file", None, f"{self.password_file.absolute()} is empty")
        return found


def _wrong(message: str, remedy: str = URL) -> ConfigError:
    return ConfigError("store.url", None, message, remedy)
