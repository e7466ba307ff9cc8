"""The process that is killed. One parent imports everything once and forks a fresh service for every order.

Orders come as lines of JSON on stdin; what happens is told in lines of JSON on stdout, by the parent and by its children alike
(a short line written to a pipe is never mixed with another). When stdin ends, so does everything that was started.
"""

import asyncio
import gc
import json
import os
import select
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import aiosqlite  # noqa: F401 - imported late by what uses it; here once for all children
import asyncpg  # noqa: F401 - the same
import kubernetes_asyncio  # noqa: F401 - the same

from remediator import logs
from remediator.app import App, serve
from remediator.errors import ConfigError
from remediator.settings import Settings, load_settings
from remediator.store.sqlite import bring_up
from tests.crash.stepped_clock import SteppedClock

_EVENTS_FD = 1


def main() -> None:
    """The parent: forks, reaps, tells."""
    wake_r, wake_w = os.pipe()
    os.set_blocking(wake_r, False)
    os.set_blocking(wake_w, False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_w)
    with tempfile.TemporaryDirectory() as scratch:
        bring_up(Path(scratch) / "warm.sqlite")  # fills the caches of alembic and SQLAlchemy, in this thread
    gc.collect()
    gc.freeze()  # what the children only read stays shared with them
    children: dict[int, str] = {}
    unread = b""
    while True:
        readable, _, _ = select.select([0, wake_r], [], [])
        if wake_r in readable:
            os.read(wake_r, 4096)
            _reap(children)
        if 0 in readable:
            data = os.read(0, 65536)
            if not data:
                break
            *lines, unread = (unread + data).split(b"\n")
            for line in lines:
                order = json.loads(line)
                pid = os.fork()
                if pid == 0:
                    _be_victim(order, inherited=(wake_r, wake_w))
                children[pid] = order["name"]
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def _reap(children: dict[int, str]) -> None:
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if pid == 0:
            return
        _tell(children.pop(pid), "exited", status=os.waitstatus_to_exitcode(status))


def _tell(name: str, event: str, **fields: Any) -> None:
    os.write(_EVENTS_FD, json.dumps({"name": name, "event": event, **fields}).encode() + b"\n")


def _be_victim(order: dict[str, Any], inherited: tuple[int, int]) -> NoReturn:
    """The child: one service, until it is killed or told to stop."""
    code = 70
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        for fd in inherited:
            os.close(fd)
        nothing = os.open(os.devnull, os.O_RDONLY)
        os.dup2(nothing, 0)
        log = Path(order["log"]).open("a", buffering=1)  # noqa: SIM115 - open until the process is gone
        os.dup2(log.fileno(), 2)
        sys.stderr = log
        logs.configure(pretty=False, level="info", stream=log)
        _tell(order["name"], "born", pid=os.getpid())
        settings = load_settings(Path(order["settings"]), {}, order["overrides"])
        work = serve(settings) if order["as"] == "serve" else _service(settings, order)
        code = asyncio.run(work)
    except ConfigError as error:
        _tell(order["name"], "refused", message=str(error))
        code = 2
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stderr.flush()
        os._exit(code)


async def _service(settings: Settings, order: dict[str, Any]) -> int:
    """As ``remediator.app.serve``, with a probe and a clock that can be stepped."""
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    clock = None if order["clock"] is None else SteppedClock(Path(order["clock"]))
    armed = None if order["armed"] is None else Path(order["armed"])
    app = App(settings, clock=clock, probe=_struck_at(order["name"], order["kill"], armed))
    _tell(order["name"], "named", owner=app.owner)
    async with app:
        _tell(order["name"], "serving")
        waits = [asyncio.create_task(event.wait()) for event in (stopping, app.failed)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        return 1 if app.failed.is_set() else 0


def _struck_at(name: str, kill: list[Any] | None, armed: Path | None) -> Callable[[str], None]:
    """A probe that signals its own process at a point, when it is reached so often: since the start, or since a file says so."""
    reached: Counter[str] = Counter()
    reached_armed: Counter[str] = Counter()

    def strike(point: str, by: int) -> None:
        _tell(name, "dying", point=point)
        os.kill(os.getpid(), by)

    def probe(point: str) -> None:
        reached[point] += 1
        _tell(name, "reached", point=point)
        if kill is not None and kill == [point, reached[point]]:
            strike(point, signal.SIGKILL)
        if armed is not None and armed.exists():
            where, nth, by = json.loads(armed.read_text())
            reached_armed[where] += point == where
            if point == where and reached_armed[where] == nth:
                armed.unlink()  # whoever comes after it lives
                strike(point, by)

    return probe


if __name__ == "__main__":
    main()
