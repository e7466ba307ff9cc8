"""S13: who keeps a field, by managedFields where they say it, else by marks and controllers."""

from typing import Any

import pytest

from remediator.clients.kubernetes.ownership import owners_of
from tests.unit.clients.kubernetes.documents import workload

REPLICAS, TEMPLATE = ("spec", "replicas"), ("spec", "template")
ARGO = {"labels": {"argocd.argoproj.io/instance": "shop"}}


def writes(manager: str, *fields: str) -> dict[str, Any]:
    return {"manager": manager, "operation": "Apply", "fieldsV1": {"f:spec": {f"f:{field}": {} for field in fields}}}


@pytest.mark.parametrize(
    ("metadata", "replicas", "template"),
    [
        ({}, (), ()),
        (ARGO, ("Argo CD application shop",), ("Argo CD application shop",)),
        (
            {**ARGO, "managedFields": [writes("argocd-controller", "template")]},
            (),
            ("Argo CD application shop",),
        ),
        (
            {**ARGO, "managedFields": [writes("kubectl", "template", "replicas")]},
            ("Argo CD application shop",),
            ("Argo CD application shop",),
        ),
        ({"managedFields": [writes("helm", "replicas")]}, ("Helm",), ()),
        (
            {"ownerReferences": [{"kind": "Prometheus", "name": "main", "uid": "p", "controller": True}]},
            ("Prometheus main",),
            ("Prometheus main",),
        ),
        (
            {
                "annotations": {"meta.helm.sh/release-name": "rel"},
                "labels": {"helm.toolkit.fluxcd.io/name": "shop"},
                "managedFields": [writes("helm-controller", "template")],
            },
            ("Helm release rel",),
            ("Flux helm release shop", "Helm release rel"),
        ),
    ],
)
def test_a_field_has_the_owners_that_would_put_it_back(
    metadata: dict[str, Any], replicas: tuple[str, ...], template: tuple[str, ...]
) -> None:
    read = workload(**metadata)
    assert owners_of(read, *REPLICAS) == replicas
    assert owners_of(read, *TEMPLATE) == template
