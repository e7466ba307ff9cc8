"""What playbooks need, as RBAC manifests: one service account, a Role for each namespace, a ClusterRole only where nothing less does.

Pure, and the same needs always give the same text, so that a committed file can be compared with it.
"""

from collections.abc import Iterable
from typing import Any

from remediator.clients.permissions import Permission
from remediator.engine.needs import Need

Manifest = dict[str, Any]

_GROUP = "rbac.authorization.k8s.io"
_LABELS = {"app.kubernetes.io/name": "remediator"}


def manifests(needs: Iterable[Need], *, account: str, namespace: str, name: str | None = None) -> list[Manifest]:
    """For one cluster. ``account`` in ``namespace`` is whom remediator runs as.

    Roles and bindings are named like it, or ``name``: then they stand beside others of the same account, which is not made here.
    """
    wanted = list(needs)
    everywhere = {need.permission for need in wanted if not need.namespace}
    granted = {_what(permission) for permission in everywhere}
    made = [_account(account, namespace)] if name is None else []
    subject = {"kind": "ServiceAccount", "name": account, "namespace": namespace}
    if everywhere:
        made += _role_and_binding("ClusterRole", {"name": name or account}, everywhere, subject)
    for place in sorted({need.namespace for need in wanted if need.namespace}):
        here = {need.permission for need in wanted if need.namespace == place and _what(need.permission) not in granted}
        if here:
            made += _role_and_binding("Role", {"name": name or account, "namespace": place}, here, subject)
    return made


def _account(name: str, namespace: str) -> Manifest:
    return {
        "apiVersion": "v1",
        "kind": "ServiceAccount",
        "metadata": {"name": name, "namespace": namespace, "labels": _LABELS},
        # The pods that need its token say so themselves.
        "automountServiceAccountToken": False,
    }


def _role_and_binding(
    kind: str, metadata: dict[str, str], permissions: set[Permission], subject: Manifest
) -> list[Manifest]:
    head = {**metadata, "labels": _LABELS}
    role = {"apiGroup": _GROUP, "kind": kind, "name": metadata["name"]}
    version = f"{_GROUP}/v1"
    return [
        {"apiVersion": version, "kind": kind, "metadata": head, "rules": rules(permissions)},
        {"apiVersion": version, "kind": f"{kind}Binding", "metadata": head, "roleRef": role, "subjects": [subject]},
    ]


def rules(permissions: Iterable[Permission]) -> list[Manifest]:
    """Resources of one API group that need the same verbs share a rule; what writes stands apart from what reads."""
    verbs: dict[tuple[str, bool, str], set[str]] = {}
    for one in permissions:
        verbs.setdefault((one.group, one.writes, one.resource), set()).add(one.verb)
    resources: dict[tuple[bool, str, tuple[str, ...]], list[str]] = {}
    for (group, writes, resource), of_it in sorted(verbs.items()):
        resources.setdefault((writes, group, tuple(sorted(of_it))), []).append(resource)
    return [
        {"apiGroups": [group], "resources": named, "verbs": list(of_them)}
        for (_, group, of_them), named in sorted(resources.items())
    ]


def _what(permission: Permission) -> tuple[str, str, str]:
    return (permission.group, permission.resource, permission.verb)
