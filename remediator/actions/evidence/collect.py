"""Collect what a run looks at before it changes anything: a fixed set, and more of it where the playbook says so.

Bounded in time, in requests and in size; what cannot be read is told in its place and holds nothing up.
"""

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any, Final

import structlog

from remediator.actions.base import ActionParams
from remediator.actions.evidence.base import Evidence, Piece, Scene
from remediator.actions.evidence.events import Events
from remediator.actions.evidence.issuance import CertificateIssuance
from remediator.actions.evidence.logs import Logs
from remediator.actions.evidence.node_conditions import NodesConcerned
from remediator.actions.evidence.pod_status import PodStatus
from remediator.actions.evidence.top import Top
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.pod_state import sick_first
from remediator.clients.kubernetes.pod_states import permissions_for_pods
from remediator.clients.permissions import Permission
from remediator.errors import RemediatorError
from remediator.redaction import redacted
from remediator.targets import Target

log = structlog.get_logger(__name__)

KINDS: Final[tuple[Evidence, ...]] = (CertificateIssuance(), PodStatus(), NodesConcerned(), Events(), Logs(), Top())
"""Every kind, in the order in which it is shown. All of them are collected before each first change."""

WITHIN_S = 10.0
"""All of it together: a run that must wait longer for its evidence goes on without."""

Named = Mapping[str, Mapping[str, Any]]
"""What a playbook names, with its parameters."""


async def collect(kubernetes: KubernetesClient, target: Target, named: Named) -> tuple[Piece, ...]:
    """Every kind that there is for this target; those that are named with the parameters given. Never raises our errors."""
    wanted = [
        (kind, kind.params.model_validate(dict(named.get(kind.name, {}))))
        for kind in KINDS
        if kind.applies(target.kind)
    ]
    until = asyncio.get_running_loop().time() + WITHIN_S
    scene = await _scene(kubernetes, target, until)
    return tuple(await asyncio.gather(*(_piece(kind, scene, params, until) for kind, params in wanted)))


async def look(kind: Evidence, kubernetes: KubernetesClient, target: Target, params: ActionParams) -> Piece:
    """One kind alone, for a step that does nothing else: what it could not read at all it has not done."""
    until = asyncio.get_running_loop().time() + WITHIN_S
    scene = await _scene(kubernetes, target, until)
    if scene.unread:
        return Piece(kind.name, redacted(scene.unread), read=False)
    return await _piece(kind, scene, params, until)


def permissions(kind: str, named: Named) -> tuple[Permission, ...]:
    """What ``collect`` asks of the cluster for a target of this kind."""
    asked: Iterable[Permission] = (
        permission
        for one in KINDS
        if one.applies(kind)
        for permission in one.permissions(kind, one.params.model_validate(dict(named.get(one.name, {}))))
    )
    return tuple(dict.fromkeys((*permissions_for_pods(kind), *asked)))


async def _scene(kubernetes: KubernetesClient, target: Target, until: float) -> Scene:
    try:
        async with asyncio.timeout_at(until):
            return Scene(kubernetes, target, sick_first(await kubernetes.pod_states.of(target)))
    except TimeoutError:
        return Scene(kubernetes, target, (), f"its pods could not be read within {WITHIN_S:g} s")
    except RemediatorError as error:
        return Scene(kubernetes, target, (), f"its pods could not be read: {error}")


async def _piece(kind: Evidence, scene: Scene, params: ActionParams, until: float) -> Piece:
    try:
        async with asyncio.timeout_at(until):
            return Piece(kind.name, kind.fit(await kind.read(scene, params)))
    except TimeoutError:
        return Piece(kind.name, f"not read within {WITHIN_S:g} s", read=False)
    except RemediatorError as error:
        return Piece(kind.name, redacted(str(error)), read=False)
    except Exception as error:
        # A defect in what only looks must not keep a remedy from being done.
        log.exception("evidence_failed", kind=kind.name)
        return Piece(kind.name, f"not read: {type(error).__name__}", read=False)
