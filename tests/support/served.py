"""``remediator serve`` as an operator runs it: a process of its own, which can be killed and started again."""

import asyncio
import signal
import socket
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import yaml

_LOOK_EVERY_S = 0.1


@dataclass
class Served:
    """Settings in a directory, and at most one process on them."""

    directory: Path
    settings: dict[str, Any]
    token: str
    port: int = 0
    before: str = ""
    """Python that its process runs first."""
    _process: asyncio.subprocess.Process | None = None
    _log: Path = field(init=False)

    def __post_init__(self) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self._log = self.directory / "serve.log"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        assert self._process is not None
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Of the last process, once it has ended; negative: by which signal."""
        return None if self._process is None else self._process.returncode

    async def start(self) -> None:
        """Returns when it is ready."""
        path = self.directory / "remediator.yaml"
        path.write_text(yaml.safe_dump({**self.settings, "listen": {"port": self.port}}))
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-c",
                f"{self.before}from remediator.cli import main; main()",
                "serve",
                "--json",
                "--config",
                str(path),
                stdout=log,
                stderr=log,
            )
        async with asyncio.timeout(60), aiohttp.ClientSession() as session:
            while True:
                assert self._process.returncode is None, self.log()
                try:
                    async with session.get(f"{self.url}/-/ready") as answer:
                        if answer.status == 200:
                            return
                except aiohttp.ClientError:
                    pass
                await asyncio.sleep(_LOOK_EVERY_S)

    async def end(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Nothing happens when there is none."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(by)
            await self._process.wait()

    async def kill(self) -> None:
        """As the kernel does: at once, in the middle of anything."""
        await self.end(signal.SIGKILL)

    async def get(self, path: str) -> Any:
        """Of /api/v1."""
        headers = {"Authorization": f"Bearer {self.token}"}
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.get(f"{self.url}/api/v1/{path}") as answer,
        ):
            assert answer.status == 200, await answer.text()
            return await answer.json()

    def log(self) -> str:
        """Its last words."""
        return "\n".join(self._log.read_text(errors="replace").splitlines()[-30:])
