"""A pause that could never cover anything is refused with what is accepted: a misspelt pause would stop nothing."""

import pytest

from remediator.engine import pause_scope
from remediator.engine.refused import InvalidOrderError
from tests.support.operators import settings


def canonical(scope: str) -> str:
    return pause_scope.canonical(scope, settings=settings(), playbooks=["restart-it", "scale-out"])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("all", "all"),
        ("playbook:restart-it", "playbook:restart-it"),
        ("namespace:prod/shop", "namespace:prod/shop"),
        ("namespace:production/shop", "namespace:prod/shop"),
        ("namespace:shop", "namespace:prod/shop"),
        ("target:kubernetes/prod/shop/deployment/web", "target:kubernetes/prod/shop/deployment/web"),
        ("target:kubernetes/production/shop/deployment/web", "target:kubernetes/prod/shop/deployment/web"),
        (
            "target:kubernetes/production/shop/statefulset/db/pod/db-0",
            "target:kubernetes/prod/shop/statefulset/db/pod/db-0",
        ),
        ("target:kubernetes/production/namespace/shop", "namespace:prod/shop"),
    ],
)
def test_names_are_kept_in_their_canonical_spelling(given: str, kept: str) -> None:
    assert canonical(given) == kept


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("", "is no scope; accepted: all, playbook:"),
        ("everything", "is no scope; accepted: all, playbook:"),
        ("ALL", "is no scope"),
        ("playbook:", "is no scope"),
        ("playbook:restart", "there is no playbook 'restart'; accepted: restart-it, scale-out"),
        ("namespace:prod/shopp", "'shopp' is never changed.*accepted: shop"),
        ("namespace:dev/shop", "there is no cluster 'dev'; accepted: prod"),
        ("target:shop/deployment/web", "is not kubernetes/<cluster>/<namespace>/<kind>/<name>"),
        ("target:kubernetes/prod/kube-system/deployment/dns", "'kube-system' is never changed"),
        ("target:kubernetes/prod/shop/deployment/We\x1bb", "accepted: all"),
        ("cluster:prod", "is no scope"),
        ("target:kubernetes/prod/node/worker-1", "nodes are never changed: settings clusters.prod.nodes is not set"),
        ("target:kubernetes/prod/namespace/kube-system", "'kube-system' is never changed"),
        ("target:kubernetes/prod/pay/statefulset/db/pod/db-0", "'pay' is never changed"),
    ],
)
def test_what_covers_nothing_is_refused_with_what_is_accepted(given: str, told: str) -> None:
    with pytest.raises(InvalidOrderError, match=told) as refused:
        canonical(given)
    assert refused.value.field == "scope"


def test_a_node_may_be_paused_where_nodes_may_be_changed() -> None:
    allowed = settings(clusters__prod={"namespaces": ["shop"], "nodes": True, "aliases": ["production"]})
    scope = pause_scope.canonical("target:kubernetes/production/node/worker-1", settings=allowed, playbooks=[])
    assert scope == "target:kubernetes/prod/node/worker-1"


def test_with_several_clusters_a_namespace_needs_its_cluster() -> None:
    several = settings(clusters__dev={"namespaces": ["shop"]})
    with pytest.raises(InvalidOrderError, match="accepted: dev, prod"):
        pause_scope.canonical("namespace:shop", settings=several, playbooks=[])
