"""Needs as manifests: the least roles, the same text every time."""

from remediator.clients.permissions import Permission
from remediator.engine.needs import Need
from remediator.engine.rbac import manifests, rules

GET = Permission("apps", "deployments", "get")
PATCH = Permission("apps", "deployments", "patch")
PODS = Permission("", "pods", "list")
ALL_PODS = Permission("", "pods", "list", everywhere=True)


def kinds(*needs: Need) -> list[str]:
    made = manifests(needs, account="remediator", namespace="ops")
    return [f"{one['kind']} {one['metadata'].get('namespace', '-')}" for one in made]


def test_a_role_and_its_binding_for_each_namespace() -> None:
    found = kinds(Need("prod", "shop", GET, False, ("a",)), Need("prod", "pay", GET, False, ("a",)))
    assert found == ["ServiceAccount ops", "Role pay", "RoleBinding pay", "Role shop", "RoleBinding shop"]


def test_a_cluster_role_only_for_what_is_needed_everywhere_and_then_not_again_in_a_namespace() -> None:
    needed = [
        Need("prod", "", ALL_PODS, False, ("b",)),
        Need("prod", "shop", PODS, False, ("a",)),
        Need("prod", "shop", GET, False, ("a",)),
    ]
    made = {one["kind"]: one for one in manifests(needed, account="remediator", namespace="ops")}
    assert made["ClusterRole"]["rules"] == rules([ALL_PODS])
    assert made["Role"]["rules"] == rules([GET])
    assert kinds(*needed[:2]) == ["ServiceAccount ops", "ClusterRole -", "ClusterRoleBinding -"]


def test_every_binding_gives_its_role_to_the_account() -> None:
    made = manifests(
        [Need("prod", "", ALL_PODS, False, ()), Need("prod", "shop", GET, False, ())], account="rem", namespace="ops"
    )
    bindings = [one for one in made if one["kind"].endswith("Binding")]
    assert [one["subjects"] for one in bindings] == [
        [{"kind": "ServiceAccount", "name": "rem", "namespace": "ops"}]
    ] * 2
    named = {(one["kind"], one["metadata"]["name"]) for one in made}
    assert all((one["roleRef"]["kind"], one["roleRef"]["name"]) in named for one in bindings)


def test_rules_share_what_is_alike_and_writing_stands_apart() -> None:
    others = [Permission("apps", "statefulsets", "get"), Permission("", "pods", "get"), PODS]
    assert rules([PATCH, GET, *others]) == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]},
        {"apiGroups": ["apps"], "resources": ["deployments", "statefulsets"], "verbs": ["get"]},
        {"apiGroups": ["apps"], "resources": ["deployments"], "verbs": ["patch"]},
    ]
    assert rules([GET, PATCH, *others]) == rules([*reversed(others), PATCH, GET])


def test_the_account_hands_its_token_to_nobody_who_does_not_ask() -> None:
    (account,) = manifests([], account="remediator", namespace="ops")
    assert account["automountServiceAccountToken"] is False


def test_roles_beside_others_have_a_name_of_their_own_and_leave_the_account_alone() -> None:
    made = manifests([Need("prod", "shop", GET, False, ())], account="remediator", namespace="ops", name="more")
    assert [(one["kind"], one["metadata"]["name"]) for one in made] == [("Role", "more"), ("RoleBinding", "more")]
    assert made[1]["subjects"] == [{"kind": "ServiceAccount", "name": "remediator", "namespace": "ops"}]
