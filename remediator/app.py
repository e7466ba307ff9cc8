"""The only place that wires: builds everything from settings, starts it, stops it in reverse.

Dry-run is which clients are built here, nothing else (design, "Dry run is a client"). The loops run as tasks of this process; one
that ends with an error takes the process down, because half a remediator is worse than one that its supervisor starts again.
"""

import asyncio
import gc
import platform
import random
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, Self

import structlog

from remediator.actions import ACTIONS
from remediator.alerts.severity import DEFAULT_LABEL_VALUES, Severity
from remediator.channels.pagerduty import PagerDuty
from remediator.clients.outside import Outside
from remediator.clock import Clock, DisciplinedClock, SystemClock
from remediator.conditions import CONDITIONS
from remediator.engine import certificate_watch, formats, hints, loop_watch
from remediator.engine.alarm import Alarm
from remediator.engine.certificate_places import CertificatePlaces
from remediator.engine.certificate_watch import CertificateWatch
from remediator.engine.clock_watch import ClockKeeper, ClockWatch
from remediator.engine.courier import Courier
from remediator.engine.decider import Decider
from remediator.engine.duty import Duties
from remediator.engine.escalator import Escalator
from remediator.engine.explain import Explainer
from remediator.engine.fitness import Fitness
from remediator.engine.gone_replicas import GoneReplicas
from remediator.engine.intake import Intake
from remediator.engine.lease import Lease
from remediator.engine.loops import Loops
from remediator.engine.operate import Operations
from remediator.engine.permission_watch import PermissionWatch
from remediator.engine.playbook_watch import PlaybookWatch
from remediator.engine.reach import Reach
from remediator.engine.readiness import Readiness
from remediator.engine.reconciler import Reconciler
from remediator.engine.reconciliation import Reconciliation
from remediator.engine.retention import Retention
from remediator.engine.runner import Runner
from remediator.engine.startup import settle_hold, settle_mode
from remediator.engine.survey import Surveyor
from remediator.engine.tools import Tools
from remediator.engine.wakeup import Wakeup
from remediator.engine.worlds import Fixed, Worlds
from remediator.errors import ConfigError
from remediator.ids import new_id
from remediator.metrics import Metrics
from remediator.playbooks.library import Library
from remediator.settings import Settings
from remediator.store import episodes
from remediator.store.database import Probe, Store, open_store
from remediator.store.replicas import Card
from remediator.web.api import Api
from remediator.web.auth import Auth
from remediator.web.health import Health
from remediator.web.server import Server, build_app

log = structlog.get_logger(__name__)


def _ignore(*_args: object) -> None:
    """For hooks that nobody listens to."""


class App:
    """One running remediator. ``async with App(...) as app`` starts it and stops it again."""

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock | None = None,
        insecure_no_auth: bool = False,
        change_mode: bool = False,
        probe: Probe = _ignore,
    ) -> None:
        self.settings = settings
        self._machine = clock or SystemClock()
        self.clock = DisciplinedClock(self._machine, steady_after=settings.timings.steady)
        self.metrics = Metrics()
        self._insecure_no_auth = insecure_no_auth
        self._change_mode = change_mode
        self._probe = probe
        self._owner = new_id("own")
        self._name = settings.replica or platform.node() or self._owner
        self._set_hash: Callable[[], str | None] = lambda: None
        self._cleanups = AsyncExitStack()
        self._loops = Loops(cleanups=self._cleanups, shutdown=settings.timings.shutdown)

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._cleanups.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._cleanups.aclose()

    @property
    def url(self) -> str:
        """Where it listens."""
        return self._server.url

    @property
    def failed(self) -> asyncio.Event:
        """Set when a loop has ended by itself: stop, exit with 1."""
        return self._loops.failed

    @property
    def store(self) -> Store:
        """The open store."""
        return self._store

    @property
    def owner(self) -> str:
        """What stands in the claims of this process."""
        return self._owner

    @property
    def duties(self) -> tuple[str, ...]:
        """What it does of that which only one replica does at a time."""
        return self._duties.held

    @property
    def playbooks(self) -> PlaybookWatch:
        """For SIGHUP."""
        return self._watch

    async def _start(self) -> None:
        """In the order in which things need each other; ``_cleanups`` undoes it in reverse."""
        settings, clock, metrics = self.settings, self.clock, self.metrics
        if settings.mode == "live" and settings.pagerduty.key is None:
            raise ConfigError(
                "pagerduty.routing_key_file", None, "live mode needs somebody to page", "set the integration key"
            )
        auth = Auth(settings, insecure_no_auth=self._insecure_no_auth)
        metrics.set_mode(settings.mode)
        self._store = store = await self._open_store()
        length = settings.timings.lease
        clock_watch = ClockWatch(
            store=store,
            clock=clock,
            machine=self._machine,
            metrics=metrics,
            lease=length,
            replica=self._owner,
            keeps=lambda: clock_duty.held,
        )
        await clock_watch.begin()
        await settle_mode(
            store, card=self._card(), lease_until=clock.now() + length, change_mode=self._change_mode, now=clock.now()
        )
        await settle_hold(store, card=self._card(), settings=settings, now=clock.now())

        wake_decider, wake_runner, wake_courier, wake_escalator = Wakeup(), Wakeup(), Wakeup(), Wakeup()
        library = Library(
            settings.playbooks,
            action_params={action.name: action.params for action in ACTIONS},
            condition_params={condition.name: condition.params for condition in CONDITIONS},
            vars_overrides=settings.vars,
        )
        outside = await Outside.reached(settings, clock=clock, probe=self._probe)
        self._cleanups.push_async_callback(outside.close)
        permissions = PermissionWatch(
            settings=settings,
            clients=outside.kubernetes,
            aws=outside.aws.places,
            playbooks=lambda: library.current,
            clock=clock,
            metrics=metrics,
        )

        def tell_of_playbooks() -> None:
            wake_decider()
            permissions.look_soon()

        self._watch = watch = PlaybookWatch(
            library=library,
            store=store,
            clock=clock,
            metrics=metrics,
            replica=self._owner,
            on_changed=tell_of_playbooks,
        )
        self._set_hash = lambda: watch.set_hash
        await watch.load()
        fitness = Fitness(
            mode=settings.mode, set_hash=lambda: library.current.set_hash, clock_steps=lambda: clock_watch.moved
        )
        self._duties = duties = Duties(store=store, owner=self._owner, metrics=metrics)

        def tell_people() -> None:
            wake_escalator()
            wake_courier()

        alertmanagers = outside.alertmanagers
        worlds = Worlds(
            kubernetes=outside.kubernetes,
            prometheus=outside.prometheus,
            alertmanagers=alertmanagers,
            http=outside.http,
            tls=outside.tls,
            aws=outside.aws.places,
            fixed=Fixed.by(settings),
        )
        surveyor = Surveyor(settings=settings, worlds=worlds, lacking=permissions.lacking)
        intake = Intake(
            store=store,
            clock=clock,
            metrics=metrics,
            on_stored=wake_decider,
            on_owed=lambda: reconciler.wake(),
            severities={**DEFAULT_LABEL_VALUES, **{v.lower(): Severity(s) for v, s in settings.severities.items()}},
            watchdog=settings.escalation.watchdog,
            queue=settings.store.queue,
            commit_timeout=settings.store.commit_timeout,
        )
        reconciler = Reconciler(
            store=store,
            clock=clock,
            metrics=metrics,
            intake=intake,
            peers=alertmanagers,
            receivers=self._receivers(),
            on_settled=wake_decider,
        )
        tools = Tools(
            store=store,
            clock=clock,
            settings=settings,
            mode=settings.mode,
            worlds=worlds,
            surveyor=surveyor,
            playbooks=lambda: library.current,
            metrics=metrics,
            confirm=reconciler.confirm,
            on_ended=wake_decider,
            on_page=tell_people,
            unfit=fitness.in_all,
            unsteady_s=clock.steady_in,
        )
        alarm = None
        if settings.mode == "live" and settings.pagerduty.key is not None:
            pagerduty = PagerDuty(
                session=outside.session,
                routing_key=settings.pagerduty.key,
                url=settings.pagerduty.url,
                client_url=settings.external_url,
                probe=self._probe,
            )
            reach = Reach(clock=clock, replica=self._owner, unfit=fitness.in_mode)
            courier_duty = duties.add("courier", unfit=reach.unfit)
            courier = Courier(
                store=courier_duty,
                clock=clock,
                channels={"pagerduty": pagerduty},
                metrics=metrics,
                wakeup=wake_courier,
                events_per_minute=settings.pagerduty.events_per_minute,
                jitter=random.random,
                may_send=lambda: courier_duty.held and lease.holds,
                reach=reach,
            )
            alarm = Alarm(
                channel=pagerduty,
                clock=clock,
                wakeup=Wakeup(),
                replica=self._alarm_name(self._name),
                external_url=settings.external_url,
            )
            self._loops.start("courier", courier_duty.run(courier.run))
            self._loops.start("alarm", alarm.run())
        lease = Lease(
            store=store,
            clock=clock,
            card=self._card,
            length=length,
            duties=duties,
            on_beat=_ignore if alarm is None else alarm.store_works,
            on_failure=_ignore if alarm is None else lambda reason: alarm.store_failed(reason, runner.unfinished),
        )
        runner = Runner(tools=tools, owner=self._owner, lease=lease, wakeup=wake_runner, alone=not store.shared)
        decider_duty = duties.add("decider", unfit=fitness.in_all, on_taken=episodes.wake_all)
        decider = Decider(
            tools=replace(tools, store=decider_duty),
            reconciler=reconciler,
            wakeup=wake_decider,
            on_admitted=wake_runner,
        )
        escalator_duty = duties.add("escalator", unfit=fitness.in_mode)
        escalator = Escalator(
            store=escalator_duty,
            clock=clock,
            settings=settings,
            mode=settings.mode,
            playbook_named=lambda name: library.current.get(name),
            wakeup=wake_escalator,
            on_page=wake_courier,
        )
        operations = Operations(
            store=store,
            clock=clock,
            mode=settings.mode,
            settings=settings,
            playbooks=lambda: library.current,
            wake_runner=wake_runner,
            wake_decider=wake_decider,
            wake_courier=wake_courier,
        )
        explainer = Explainer(tools=tools)
        health = Health(
            intake=intake,
            metrics=metrics,
            dependencies=Readiness(
                store=store,
                clock=clock,
                settings=settings,
                mode=settings.mode,
                lease=lease,
                watch=watch,
                permissions=permissions,
                duties=duties,
                in_hand=lambda: runner.in_hand,
                metrics=metrics,
            ).details,
        )
        api = Api(operations=operations, explainer=explainer, auth=auth)
        app = build_app(
            intake=intake,
            auth=auth,
            health=health,
            metrics=metrics,
            clock=clock,
            settings=settings,
            extra_routes=api.routes(),
        )
        self._server = Server(app, health=health, settings=settings)

        reconciler_duty = duties.add("reconciler", unfit=fitness.in_mode)
        reconciliation_duty = duties.add("reconciliation", unfit=fitness.in_mode)
        reconciliation = Reconciliation(
            store=reconciliation_duty,
            clock=clock,
            metrics=metrics,
            settings=settings,
            intake=intake,
            alertmanagers=alertmanagers,
            prometheus=worlds.prometheus_of(settings),
            on_changed=wake_decider,
        )
        if settings.certificates.watch:
            certificates_duty = duties.add("certificates", unfit=fitness.in_mode)
            certificates = CertificateWatch(
                store=certificates_duty,
                clock=clock,
                metrics=metrics,
                intake=intake,
                places=CertificatePlaces(settings, kubernetes=outside.kubernetes, tls=outside.tls),
                settings=settings.certificates,
            )
            self._loops.start("certificates", certificates_duty.run(certificates.run))
        clock_duty = duties.add("clock")
        clock_keeper = ClockKeeper(
            store=clock_duty, clock=clock, watch=clock_watch, settle=length + settings.timings.takeover
        )
        retention_duty = duties.add("retention", unfit=fitness.in_mode)
        retention = Retention(
            store=retention_duty,
            clock=clock,
            settings=settings,
            playbooks=lambda: library.current.playbooks,
            metrics=metrics,
        )

        async def clear_alarm(name: str) -> bool:
            return alarm is None or await alarm.clear(self._alarm_name(name))

        gone_duty = duties.add("gone replicas", unfit=fitness.in_mode)
        gone_replicas = GoneReplicas(store=gone_duty, clock=clock, clear_alarm=clear_alarm)

        def look_for_duties() -> None:
            lease.look_soon()
            watch.look_soon()

        # Stopped in reverse: the server first, so that nobody is refused who could still be answered.
        self._cleanups.push_async_callback(lease.leave)
        await lease.renew()
        await lease.settle()
        self._loops.start("heartbeat", lease.beat())
        if store.shared:
            hints.heed(
                store,
                decider=wake_decider,
                runner=wake_runner,
                escalator=wake_escalator,
                courier=wake_courier,
                reconciler=reconciler.wake,
                clock=clock_watch.look_soon,
                duties=look_for_duties,
            )
            self._loops.start("other replicas", store.listen(clock))
        self._loops.start("loop watch", loop_watch.run(clock, metrics))
        self._loops.start("clock watch", clock_watch.run())
        self._loops.start("clock", clock_duty.run(clock_keeper.run))
        self._loops.start("escalator", escalator_duty.run(escalator.run))
        self._loops.start("reconciler", reconciler_duty.run(reconciler.run))
        self._loops.start("reconciliation", reconciliation_duty.run(reconciliation.run))
        self._loops.start("retention", retention_duty.run(retention.run))
        self._loops.start("gone replicas", gone_duty.run(gone_replicas.run))
        self._loops.start("playbooks", watch.run())
        self._loops.start("permissions", permissions.run())
        self._loops.start("decider", decider_duty.run(decider.run))
        await runner.recover()
        self._loops.start("runner", runner.run(), stop=runner.stop)
        self._loops.start("intake", intake.run(), stop=intake.stop)
        if not settings.certificates.watch:
            await certificate_watch.end_all(store, intake, clock)
        await self._server.start()
        self._cleanups.push_async_callback(self._server.stop)

    def _card(self) -> Card:
        """What stands in this replica's row."""
        return Card(
            id=self._owner,
            name=self._name,
            mode=self.settings.mode,
            node=self.settings.own_node,
            set_hash=self._set_hash(),
            knows=formats.KNOWN,
        )

    def _alarm_name(self, replica: str) -> str:
        """Of the alarm that needs no store (S36): one for each replica, or one's recovery would resolve another's trouble."""
        installation = self.settings.external_url or self.settings.own_namespace
        if installation and not self._store.shared:
            return installation  # one process: the same after a restart, wherever that is
        return f"{installation}/{replica}" if installation else replica

    async def _open_store(self) -> Store:
        store = await open_store(
            self.settings.store.url,
            password_file=self.settings.store.password_file,
            lease=self.settings.timings.lease,
            probe=self._probe,
            observe=self.metrics.transaction,
        )
        self._cleanups.push_async_callback(store.close)
        return store

    def _receivers(self) -> dict[str, tuple[str, ...]]:
        """Of each source that has an Alertmanager, those that lead here."""
        return {
            name: peers.receivers
            for name, source in self.settings.sources.items()
            if (peers := source.alertmanager) is not None
        }


async def serve(settings: Settings, *, insecure_no_auth: bool = False, change_mode: bool = False) -> int:
    """Run until SIGTERM or SIGINT; SIGHUP reloads playbooks. Returns the exit code.

    Raises:
        ConfigError, PlaybookErrors, StoreUnavailableError: it cannot start; the message says what to do.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    async with App(settings, insecure_no_auth=insecure_no_auth, change_mode=change_mode) as app:
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(name, stopping.set)
        loop.add_signal_handler(signal.SIGHUP, app.playbooks.reload_soon)
        gc.freeze()  # what the imports made lives as long as the process: the collector need not look at it at every webhook
        log.info("serving", **banner(app))
        ended = {asyncio.create_task(stopping.wait()), asyncio.create_task(app.failed.wait())}
        await asyncio.wait(ended, return_when=asyncio.FIRST_COMPLETED)
        for task in ended:
            task.cancel()
        log.info("stopping")
        return 1 if app.failed.is_set() else 0


def banner(app: App) -> dict[str, Any]:
    """What a person must know at the start: where, in which mode, and which Alertmanager file goes with it (S30)."""
    live = app.settings.mode == "live"
    return {
        "url": app.url,
        "mode": app.settings.mode,
        "alertmanager_config": f"deploy/alertmanager/{'live' if live else 'trial'}.yml",
        "changes": "made for real" if live else "none: every write is a dry-run, or is not sent",
        "namespaces": {name: list(cluster.namespaces) for name, cluster in app.settings.clusters.items()},
        "at_aws": {f"{name} ({one.id})": list(one.targets) for name, one in app.settings.accounts.items()},
        "store": app.settings.store.shown,
        "duties": list(app.duties),
    }
