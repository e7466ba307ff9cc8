"""One connection to PostgreSQL: every wait on it is bounded on both sides, and a server that cannot be ours is refused."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from remediator.errors import ConfigError, StoreUnavailableError
from remediator.store.postgresql_address import Address

if TYPE_CHECKING:
    import asyncpg

OLDEST_SERVER = 14


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long things may take, in seconds. The server's end sooner than ours, so that its reason is what people read."""

    idle: float
    """A transaction whose client says nothing is cut off: a frozen process must not keep the turn from the others."""
    lock: float = 4.0
    statement: float = 5.0
    answer: float = 6.5
    """Ours, for a server that says nothing any more."""
    connect: float = 5.0

    @classmethod
    def under(cls, lease_s: float) -> "Bounds":
        """A frozen holder of the turn costs the others less than a third of a lease; but a busy machine is not a frozen one."""
        return cls(idle=min(3.0, max(2.5, lease_s * 0.3)))

    @property
    def migrating(self) -> "Bounds":
        """Other replicas may be at it, and a big table takes its time."""
        return replace(self, idle=60.0, lock=120.0, statement=900.0, answer=960.0)

    def settings(self, *, read_only: bool) -> dict[str, str]:
        """Of the session, in the words of the server. Each may be set by an ordinary user."""
        return {
            "application_name": "remediator",
            "synchronous_commit": "on",  # 200 means recorded, whatever the server's default is
            "default_transaction_read_only": "on" if read_only else "off",
            "idle_in_transaction_session_timeout": _ms(max(self.idle, 60.0) if read_only else self.idle),
            "lock_timeout": _ms(self.lock),
            "statement_timeout": _ms(self.statement),
            # A client that is gone: noticed in the middle of a statement, and on a dead line.
            "client_connection_check_interval": "1000",
            "tcp_user_timeout": "10000",
            "tcp_keepalives_idle": "5",
            "tcp_keepalives_interval": "2",
            "tcp_keepalives_count": "3",
            "timezone": "UTC",
            "jit": "off",  # small questions only: compiling one takes longer than answering it
        }


async def connect(address: Address, bounds: Bounds, *, read_only: bool = False) -> "asyncpg.Connection[Any]":
    """Connect within ``bounds.connect`` seconds.

    Raises:
        ConfigError: a person has to change something: wrong password, no such database, server too old, not UTF8, read-only ...
        StoreUnavailableError: the server is not to be had at the moment.
    """
    asyncpg = driver()
    address.check_files()
    try:
        connection = await asyncpg.connect(
            address.dsn,
            password=address.secret(),
            timeout=bounds.connect,
            command_timeout=bounds.answer,
            server_settings=bounds.settings(read_only=read_only),
        )
    except asyncpg.InvalidCatalogNameError:
        raise ConfigError(str(address), None, "there is no such database", "create it, with ENCODING 'UTF8'") from None
    except asyncpg.InvalidAuthorizationSpecificationError as error:  # also a wrong password; the message never has it
        remedy = "see store.url's user and store.password_file"
        raise ConfigError(str(address), None, f"the server refuses us: {error}", remedy) from None
    except asyncpg.InsufficientPrivilegeError as error:
        raise ConfigError(str(address), None, f"the server refuses us: {error}", "GRANT CONNECT on it") from None
    except asyncpg.UndefinedObjectError as error:
        remedy = f"PostgreSQL {OLDEST_SERVER} or newer, without a pooler between"
        raise ConfigError(str(address), None, f"the server does not know a setting: {error}", remedy) from None
    except asyncpg.ClientConfigurationError as error:
        raise ConfigError(str(address), None, f"the driver refuses its options: {reason(error)}") from None
    except TimeoutError:
        raise StoreUnavailableError(f"{address}: no connection within {bounds.connect:g} s") from None
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise StoreUnavailableError(f"{address}: no connection: {reason(error)}") from None
    try:
        _check(connection, address)
    except BaseException:
        connection.terminate()
        raise
    return connection


def _check(connection: "asyncpg.Connection[Any]", address: Address) -> None:
    """From what the server said at the start, without asking once more."""
    version, said = connection.get_server_version(), connection.get_settings()
    if version.major < OLDEST_SERVER:
        message, remedy = f"PostgreSQL {version.major} is too old", f"{OLDEST_SERVER} or newer"
    elif said.server_encoding != "UTF8":
        message, remedy = f"its encoding is {said.server_encoding}", "create the database with ENCODING 'UTF8'"
    elif said.in_hot_standby == "on":
        message, remedy = "the server is a standby and cannot be written to", "the address of the primary"
    else:
        return
    raise ConfigError(str(address), None, message, remedy)


def reason(error: BaseException) -> str:
    """The first line of what the driver says, or the kind of error when it says nothing."""
    return str(error).partition("\n")[0] or type(error).__name__


def driver() -> Any:
    """The driver, which is an extra.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        import asyncpg
    except ImportError:
        message, remedy = "PostgreSQL needs the driver asyncpg", "install remediator[postgres]"
        raise ConfigError("store.url", None, message, remedy) from None
    return asyncpg


def _ms(seconds: float) -> str:
    return str(round(seconds * 1000))
