"""The emulated API server: HTTP in, objects out. Start it, point a Kubernetes client at `url`, look at what changed."""

import asyncio
import json
from collections.abc import Callable, Iterable

from aiohttp import web

from remediator.sandbox.background import Background
from remediator.sandbox.faults import Faults
from remediator.sandbox.journal import Journal, Received
from remediator.sandbox.kubernetes import discovery, errors, pod_streams, routes
from remediator.sandbox.kubernetes.authorization import Access, Rule, User
from remediator.sandbox.kubernetes.controllers.loop import ControllerLoop
from remediator.sandbox.kubernetes.controllers.nodes import ZONES
from remediator.sandbox.kubernetes.controllers.timings import Timings
from remediator.sandbox.kubernetes.deletion import Deletion
from remediator.sandbox.kubernetes.eviction import Evictions
from remediator.sandbox.kubernetes.health import Health
from remediator.sandbox.kubernetes.listing import listed, selection, shown, stored
from remediator.sandbox.kubernetes.resources import NAMESPACES, NODES, Object, Registry
from remediator.sandbox.kubernetes.server_side_apply import APPLY_PATCH
from remediator.sandbox.kubernetes.store import Change, ObjectStore, Writer
from remediator.sandbox.kubernetes.verbs import Verbs
from remediator.sandbox.kubernetes.watch_log import WatchLog
from remediator.sandbox.kubernetes.watching import Watch
from remediator.sandbox.kubernetes.write_options import WriteOptions, body_of, delete_options, write_options
from remediator.sandbox.listener import Listener, Stream
from remediator.sandbox.signals import Signal
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

_REVIEWS = "/apis/authorization.k8s.io/v1/"
_SEED = Writer("sandbox", external=False)


class KubernetesApi:
    """One simulated cluster.

    `token`: if given, requests without it as bearer token are answered 401. `nodes`: how many ready nodes it has.
    `controllers` False: nothing happens by itself, objects change by requests only.
    `store` may be read at will; write through HTTP or the helpers here, so that watchers see it.
    """

    def __init__(
        self,
        *,
        pace: Pace | None = None,
        token: str | None = None,
        nodes: int = 3,
        namespaces: tuple[str, ...] = ("default", "kube-system"),
        timings: Timings | None = None,
        controllers: bool = True,
    ) -> None:
        self.pace = pace or Pace()
        self.registry = Registry()
        self.store = ObjectStore(self.pace)
        self.health = Health()
        self._access = Access(token)
        self._with_controllers = controllers
        self._background = Background()
        self._listener = Listener(self._answer, error_body=_failure, pace=self.pace)
        self.controllers = ControllerLoop(self.store, self.registry, self.health, self.pace, timings or Timings())
        deletion = Deletion(self.store, self.registry, self.pace)
        self._verbs = Verbs(self.store, deletion, Evictions(self.store, deletion, self.pace))
        self.watch_log = WatchLog(self.store)
        self._stopping = asyncio.Event()
        self._changed = Signal()
        self.store.watch(lambda *_: self._changed.tell())
        for namespace in namespaces:
            self.add_namespace(namespace)
        for number in range(1, nodes + 1):
            self.add_node(f"node-{number}", zone=ZONES[(number - 1) % len(ZONES)])

    @property
    def url(self) -> str:
        return self._listener.url

    @property
    def requests(self) -> Journal:
        return self._listener.requests

    @property
    def faults(self) -> Faults:
        return self._listener.faults

    async def start(self, port: int = 0) -> None:
        self._stopping.clear()
        await self._listener.start(port)
        if self._with_controllers:
            self._background.start(self.controllers.run(), name="sandbox-kubernetes-controllers")

    async def stop(self) -> None:
        """Stop listening and stop the controllers; the objects stay. `start` goes on from there, on the same port."""
        self._stopping.set()
        self.watch_log.changed.tell()
        await self._listener.stop()
        await self._background.stop()

    def get(self, plural: str, namespace: str, name: str) -> Object:
        """An object as it is now (namespace "" for cluster-scoped); raises KeyError when there is none."""
        found = self.store.get(self.registry.by_plural(plural), namespace, name)
        if found is None:
            raise KeyError(f"{plural} {namespace}/{name}")
        return found

    def add_namespace(self, name: str, labels: dict[str, str] | None = None) -> None:
        """Make a namespace unless it exists."""
        if self.store.get(NAMESPACES, "", name) is None:
            metadata = {"name": name, "labels": {"kubernetes.io/metadata.name": name, **(labels or {})}}
            self.store.create(NAMESPACES, {"metadata": metadata, "status": {"phase": "Active"}}, _SEED)

    def add_node(self, name: str, *, zone: str = ZONES[0], allocatable: dict[str, str] | None = None) -> None:
        """Make a ready node, with room for all but the largest tests unless told how much."""
        ready = {"type": "Ready", "status": "True", "reason": "KubeletReady"}
        labels = {"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": zone}
        status: Object = {"conditions": [ready]}
        if allocatable is not None:
            status |= {"capacity": allocatable, "allocatable": allocatable}
        self.store.create(NODES, {"metadata": {"name": name, "labels": labels}, "spec": {}, "status": status}, _SEED)

    def put(self, plural: str, obj: Object) -> Object:
        """Seed an object (any registered resource) as if it had always been there; not counted as a change.

        Its apiVersion tells resources of one plural apart (`metrics.k8s.io/v1beta1` has pods too).
        Raises ApiError for what the API would refuse. The namespace is made if needed.
        """
        group, _, version = obj.get("apiVersion", "").rpartition("/")
        resource = self.registry.get(group, version, plural) or self.registry.by_plural(plural)
        namespace = obj["metadata"].get("namespace", "default") if resource.namespaced else None
        if namespace is not None:
            self.add_namespace(namespace)
        address = routes.Address(resource, namespace, None, "")
        before = len(self.store.changes)
        created = self._verbs.create(address, obj, WriteOptions("sandbox"))
        del self.store.changes[before:]
        return created

    def changes(self, plural: str, namespace: str, name: str, field: str | None = None) -> list[Change]:
        """Real changes of one object by clients, oldest first; with `field` ("spec.template") only those of it."""
        return [
            change
            for change in self.store.changes
            if (change.plural, change.namespace, change.name) == (plural, namespace, name)
            and (field is None or field in change.fields)
        ]

    def deny(self, verb: str, plural: str, subresource: str = "") -> None:
        """Answer 403 to this verb (get, list, create, update, patch, delete), also in access reviews."""
        self._access.deny(verb, plural, subresource)

    def grant(self, token: str, rules: Iterable[Rule] | None, user: str = "sandbox") -> None:
        """Let this bearer token do so much and no more: (group, resource[/subresource], verb, namespace or None).

        `rules` None: everything. From the first grant on (and with `token`) every request needs a token that is known.
        """
        self._access.grant(token, rules, user)

    async def until(self, holds: Callable[[], bool], *, timeout_s: float = 10.0) -> None:
        """Wait for a state of the world, looked at after every change; TimeoutError after `timeout_s` real seconds."""
        await self._changed.until(holds, timeout_s)

    async def _answer(self, received: Received) -> web.Response | Stream:
        try:
            return self._respond(received)
        except errors.NoSuchPathError as error:
            return web.Response(status=404, text=f"{error.message}\n")
        except errors.ApiError as error:
            return _refusal(error)
        except Exception as error:
            # The client must see a server's error; a sandbox that hides its own bugs would be worse than none.
            message = f"the sandbox failed on {received}: {error!r}"
            return _json(500, errors.ApiError(500, message).status())

    def _respond(self, received: Received) -> web.Response | Stream:
        if received.path in ("/readyz", "/livez", "/healthz"):
            return web.Response(text="ok")
        user = self._access.user(received.headers.get("Authorization", ""))
        if (described := discovery.describe(received.path, self.registry)) is not None:
            return _json(200, described)
        if received.method == "POST" and (asked := received.path.removeprefix(_REVIEWS)) != received.path:
            answers = {"selfsubjectaccessreviews": self._access.review, "selfsubjectrulesreviews": self._access.rules}
            if asked in answers:
                return _json(201, answers[asked](user, body_of(received)))
        return self._resource(received, user)

    def _apply(self, at: routes.Address, received: Received, user: User) -> web.Response:
        options = write_options(received)
        if self.store.get(stored(at.resource), at.space, str(at.name)) is None:
            self._access.check(user, "create", at)
        made, obj = self._verbs.apply(at, received.body, options, rfc3339_seconds(self.pace.now()))
        return _json(201 if made else 200, obj)

    def _watch(self, at: routes.Address, received: Received) -> Watch:
        kept, matches = stored(at.resource), selection(at, received.query)
        return Watch(
            self.watch_log,
            kept,
            received.query,
            matches=matches,
            present=lambda: (self.store.version, [obj for obj in self.store.all(kept, at.namespace) if matches(obj)]),
            shown=lambda obj: shown(at.resource, obj),
            kind=at.resource,
            stopping=self._stopping,
        )

    def _resource(self, received: Received, user: User) -> web.Response | Stream:
        at = routes.parse(received.path, self.registry)
        verb = routes.verb(received.method, at, watches=received.query.get("watch", "").lower() in ("1", "true"))
        self._access.check(user, verb, at)
        match at.subresource:
            case "eviction":
                return _json(201, self._verbs.evict(at, body_of(received), write_options(received)))
            case "log":
                return pod_streams.log(self._verbs.read(at), received)
            case "exec":
                # Whoever may only get must not run anything, although a websocket begins with a GET.
                self._access.check(user, "create", at)
                return pod_streams.Command(self._verbs.read(at), received, self.pace)
        match verb:
            case "get":
                return _json(200, self._verbs.read(at))
            case "list":
                return _json(200, listed(self.store, at, received.query, self.watch_log.oldest))
            case "watch":
                return self._watch(at, received)
            case "create":
                return _json(201, self._verbs.create(at, body_of(received), write_options(received)))
            case "update":
                return _json(200, self._verbs.replace(at, body_of(received), write_options(received)))
            case "patch" if received.content_type == APPLY_PATCH:
                return self._apply(at, received, user)
            case "patch":
                patched = self._verbs.patch(at, body_of(received), received.content_type, write_options(received))
                return _json(200, patched)
            case _:
                return _json(200, self._verbs.delete(at, delete_options(received)))


def _json(code: int, body: Object) -> web.Response:
    return web.Response(status=code, body=json.dumps(body).encode(), content_type="application/json")


def _refusal(error: errors.ApiError) -> web.Response:
    answer = _json(error.code, error.status())
    if (retry_after_s := (error.details or {}).get("retryAfterSeconds")) is not None:
        answer.headers["Retry-After"] = str(retry_after_s)
    return answer


def _failure(code: int) -> web.Response:
    return _json(code, errors.ApiError(code, f"the sandbox was told to answer {code}").status())
