"""One of several replicas: a process that is killed, frozen, cut off and started again as a supervisor would."""

import asyncio
import json
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from remediator.sandbox.kubeconfig import write_kubeconfig
from tests.chaos.tcp_proxy import Network, TcpProxy
from tests.crash import stepped_clock
from tests.crash.nursery import Kill, Nursery, Victim

WAYS = ("store", "kubernetes", "prometheus", "alertmanager", "pagerduty")
"""What a replica talks to, each through a network of its own."""
_RESTART_AFTER_S = 0.2


@dataclass
class Replica:
    """One place in which processes follow each other."""

    name: str
    directory: Path
    port: int
    ways: Mapping[str, TcpProxy]
    nursery: Nursery
    overrides: Mapping[str, Any]
    victims: list[Victim] = field(default_factory=list)
    frozen: bool = False
    stays_down_s: float = 0.0
    """How long its supervisor waits after it was killed."""
    wrong: list[str] = field(default_factory=list)
    """Ends that nobody ordered."""
    freezes: int = 0
    upset_at: float = 0.0
    """When it was last killed, frozen, thawed or started, by the event loop's clock."""
    _ending: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def victim(self) -> Victim:
        """The process that runs now, or ran last."""
        return self.victims[-1]

    @property
    def serving(self) -> bool:
        """It takes webhooks, as far as we know."""
        if not self.victims or self.frozen:
            return False
        return self.victim.serving.is_set() and not self.victim.exited.is_set() and not self._stands_still

    @property
    def _stands_still(self) -> bool:
        return self.victim.struck.is_set()

    async def supervise(self) -> None:
        """Start it, and again whenever it is gone, until ``end``."""
        while not self._ending.is_set():
            victim = await self._start()
            await victim.exited.wait()
            self._is_upset()
            if self._ending.is_set():
                return
            if victim.status == -signal.SIGKILL:
                await asyncio.sleep(self.stays_down_s)
            elif victim.serving.is_set() or victim.refused is not None:
                why = victim.refused or f"ended with {victim.status}:\n{victim.last_words()}"
                self.wrong.append(f"{self.name}: {why}")
                return
            else:  # it could not start, because its store is away
                await asyncio.sleep(_RESTART_AFTER_S)

    async def _start(self) -> Victim:
        """Each process writes to the cluster as a user of its own, so that the world knows who wrote."""
        token = f"{self.name}-{len(self.victims)}"
        kubeconfig = self.directory / f"kubeconfig-{token}"
        write_kubeconfig(kubeconfig, f"http://127.0.0.1:{self.ways['kubernetes'].port}", token)
        self._is_upset()
        victim = await self.nursery.start(
            settings=self.directory.parent / "remediator.yaml",
            overrides={**self.overrides, "clusters.sandbox.kubeconfig": str(kubeconfig)},
            log=self.directory / "remediator.log",
            clock=self._clock,
            armed=self._armed,
        )
        self.victims.append(victim)
        return victim

    def arm(self, kill: Kill, by: signal.Signals) -> None:
        """The process that runs now signals itself when it next comes to this point so often."""
        self._armed.with_suffix(".new").write_text(json.dumps([*kill, by.value]))
        self._armed.with_suffix(".new").replace(self._armed)

    def disarm(self) -> None:
        """It need not come there any more."""
        self._armed.unlink(missing_ok=True)

    def kill(self) -> None:
        """At once; its supervisor starts the next."""
        self._is_upset()
        self.victim.signal(signal.SIGKILL)

    def freeze(self) -> None:
        """It stands still, with everything that it has in hand."""
        self._is_upset()
        self.frozen = True
        self.freezes += 1
        self.victim.signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It goes on, and does not know that time has passed."""
        self._is_upset()
        self.frozen = False
        self.freezes += self._stands_still
        self.victim.struck.clear()
        self.victim.signal(signal.SIGCONT)

    def step_clock(self, seconds: float) -> None:
        """Its wall clock is wrong by so much from now on."""
        stepped_clock.step(self._clock, seconds)

    async def end(self) -> None:
        """Ask it to stop; returns when it has."""
        self._ending.set()
        for way in self.ways.values():
            way.becomes(Network.FINE)
            way.delay_s = 0.0
        if not self.victims:
            return
        self.thaw()
        self.victim.signal(signal.SIGTERM)
        await self.victim.exited.wait()

    @property
    def log(self) -> str:
        """Of all its processes."""
        path = self.directory / "remediator.log"
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def _armed(self) -> Path:
        return self.directory / "armed"

    @property
    def _clock(self) -> Path:
        return self.directory / "clock-offset"

    def _is_upset(self) -> None:
        self.upset_at = asyncio.get_running_loop().time()
