"""`remediator permissions`: for people, for programs, for kubectl; and what it refuses to guess."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from typer.testing import Result

from tests.support.playbooks import document, write

Invoke = Callable[..., Result]


@pytest.fixture(autouse=True)
def here(tmp_path: Path) -> None:
    (tmp_path / "playbooks").mkdir()
    write(tmp_path / "playbooks" / "restart.yaml", document("restart-it"))
    (tmp_path / "remediator.yaml").write_text(
        "clusters: {prod: {namespaces: [shop], aliases: [p]}, test: {namespaces: [shop, pay]}}\n"
        "own_namespace: remediator-system\n"
    )


def test_a_list_for_people(invoke: Invoke) -> None:
    done = invoke("permissions", "--cluster", "p")
    assert done.exit_code == 0
    assert [told for told in done.stdout.splitlines() if "what is told" not in told] == [
        "needs get on deployments in shop (API group apps; cluster prod; for playbook restart-it)",
        "needs patch on deployments in shop (API group apps; cluster prod; for playbook restart-it)",
        "needs list on replicasets in shop (API group apps; cluster prod; for playbook restart-it)",
    ]


def test_manifests_for_one_cluster(invoke: Invoke) -> None:
    done = invoke("permissions", "playbooks", "--rbac", "--cluster", "test", "--service-account", "rem")
    made = list(yaml.safe_load_all(done.stdout))
    cluster_wide = ["ClusterRole", "ClusterRoleBinding"]  # evidence looks at nodes
    assert [one["kind"] for one in made] == ["ServiceAccount", *cluster_wide, *["Role", "RoleBinding"] * 2]
    assert made[0]["metadata"]["name"] == "rem" and made[0]["metadata"]["namespace"] == "remediator-system"
    assert "&" not in done.stdout, "no anchors: each manifest is to be read by itself"
    as_list = json.loads(
        invoke("permissions", "--rbac", "--cluster", "test", "--service-account", "rem", "-o", "json").stdout
    )
    assert (as_list["kind"], as_list["items"]) == ("List", made)


def test_namespaces_can_be_given_without_settings(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "remediator.yaml").unlink()
    found = json.loads(invoke("permissions", "playbooks", "-n", "a", "-n", "b", "-o", "json").stdout)
    assert {one["namespace"] for one in found if not one["optional"]} == {"a", "b"}
    assert {(one["verb"], one["resource"]) for one in found if one["writes"]} == {
        ("patch", "deployments"),
        ("create", "events"),
    }
    reading = json.loads(invoke("permissions", "playbooks", "-n", "a", "--read-only", "-o", "json").stdout)
    wanted = [one for one in found if one["namespace"] == "a" and not one["writes"] and not one["optional"]]
    assert reading == wanted


def test_work_on_nodes_is_asked_for_by_name(invoke: Invoke, tmp_path: Path) -> None:
    target = {"node": {"name": "{{ labels.node }}"}}
    file = write(tmp_path / "node.yaml", document("node", target=target))
    (tmp_path / "remediator.yaml").unlink()
    assert invoke("permissions", str(file), "-n", "shop").stdout == ""
    assert "needs get on nodes in the whole cluster" in invoke("permissions", str(file), "-n", "shop", "--nodes").stdout


def test_commands_in_pods_are_asked_for_by_name(invoke: Invoke, tmp_path: Path) -> None:
    remedies = [{"name": "look", "steps": [{"kubernetes.exec": {"command": ["df"]}}]}]
    file = write(tmp_path / "look.yaml", document("look", remedies=remedies))
    (tmp_path / "remediator.yaml").unlink()
    assert "pods/exec" not in invoke("permissions", str(file), "-n", "shop").stdout
    assert "needs create on pods/exec in shop" in invoke("permissions", str(file), "-n", "shop", "--commands").stdout


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--rbac",), "choose it by --cluster; settings list prod, test"),
        (("--cluster", "gone"), "settings list no cluster gone; they list: prod, test"),
        (("--namespace", "Shop"), "lower case"),
        (("--nodes",), "--nodes goes with --namespace"),
        (("--commands",), "--commands goes with --namespace"),
    ],
)
def test_what_cannot_be_meant_is_refused(invoke: Invoke, arguments: tuple[str, ...], told: str) -> None:
    done = invoke("permissions", *arguments)
    assert (done.exit_code, told in done.stderr) == (2, True)


def test_without_a_place_there_is_nothing_to_print(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "remediator.yaml").unlink()
    done = invoke("permissions")
    assert done.exit_code == 2 and "--namespace" in done.stderr


def test_wrong_playbooks_are_named(invoke: Invoke, tmp_path: Path) -> None:
    write(tmp_path / "playbooks" / "wrong.yaml", document("a", target=None))
    done = invoke("permissions", "-n", "shop")
    assert done.exit_code == 1 and "wrong.yaml:" in done.stderr
