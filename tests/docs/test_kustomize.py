"""The manifests that ship, without a cluster: they fit each other, the image, the settings, and the playbooks in use.

``tests/contract/test_installation.py`` applies them to a real API server.
"""

import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from remediator.cli.program import app
from remediator.settings import Settings, load_settings
from remediator.store.postgresql_address import Address
from tests.docs.markdown import OPERATING, ROOT, section
from tests.docs.test_commands import parse

KUSTOMIZE = ROOT / "deploy" / "kustomize"
BASE, NODES = KUSTOMIZE / "base", KUSTOMIZE / "components" / "nodes"
SINGLE, REPLICAS = KUSTOMIZE / "overlays" / "single", KUSTOMIZE / "overlays" / "replicas"
SECTIONS = {SINGLE: "Install", REPLICAS: "Several replicas, one PostgreSQL"}
"""Where the operating guide has the command that makes an overlay's secrets."""
SECRETS = "/etc/remediator/secrets"
MAKE = "remediator permissions playbooks --rbac --namespace shop"


def read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


DEPLOYMENT = read(BASE / "deployment.yaml")
POD = DEPLOYMENT["spec"]["template"]["spec"]
(CONTAINER,) = POD["containers"]
PATCH = read(SINGLE / "deployment.yaml")["spec"]
MOUNTS = {one["name"]: one["mountPath"] for one in CONTAINER["volumeMounts"]}


@pytest.fixture(params=[SINGLE, REPLICAS], ids=lambda path: path.name)
def overlay(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture
def settings(overlay: Path, tmp_path: Path) -> Settings:
    """As the container loads them: the file, and the variables of the Deployment."""
    text = (overlay / "remediator.yaml").read_text()
    for number, name in enumerate(sorted(set(re.findall(rf"{SECRETS}/([\w-]+)", text)))):
        (tmp_path / name).write_text(f"{number:032d}\n")
    path = tmp_path / "remediator.yaml"
    path.write_text(text.replace(SECRETS, str(tmp_path)))
    values = {"metadata.namespace": "remediator", "spec.nodeName": "worker-1", "metadata.name": "remediator-x"}
    (patched,) = read(overlay / "deployment.yaml")["spec"]["template"]["spec"]["containers"]
    variables = [*CONTAINER["env"], *patched.get("env", [])]
    return load_settings(path, {one["name"]: values[one["valueFrom"]["fieldRef"]["fieldPath"]] for one in variables})


def permissions(*arguments: str) -> str:
    done = CliRunner(env={"REMEDIATOR_CONFIG": ""}).invoke(app, ["permissions", *arguments])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_shipped_roles_are_what_the_shipped_playbooks_need(overlay: Path) -> None:
    made = permissions(str(ROOT / "playbooks"), *MAKE.split()[3:])
    path = overlay / "rbac.yaml"
    assert path.read_text() == made, f"make it anew: {MAKE} > {path.relative_to(ROOT)}"
    assert MAKE in section(OPERATING, "Permissions")


def test_the_roles_are_for_the_namespaces_of_settings_and_the_account_that_the_pod_runs_as(
    settings: Settings, overlay: Path
) -> None:
    documents = list(yaml.safe_load_all((overlay / "rbac.yaml").read_text()))
    roles = {one["metadata"]["namespace"] for one in documents if one["kind"] == "Role"}
    assert roles == set(settings.clusters["production"].namespaces)
    [account] = [one for one in documents if one["kind"] == "ServiceAccount"]
    assert account["metadata"]["name"] == POD["serviceAccountName"]
    assert account["metadata"]["namespace"] == DEPLOYMENT["metadata"]["namespace"] == settings.own_namespace
    assert (account["automountServiceAccountToken"], POD["automountServiceAccountToken"]) == (False, True)


def test_every_shipped_playbook_is_in_the_config_map() -> None:
    (generated,) = read(ROOT / "playbooks" / "Kustomization")["configMapGenerator"]
    assert generated["files"] == sorted(one.name for one in (ROOT / "playbooks").glob("*.yaml"))
    assert generated["options"] == {"disableNameSuffixHash": True}, "or a changed playbook restarts the pod"


def test_the_pod_is_restricted_and_its_root_is_read_only() -> None:
    assert POD["securityContext"]["runAsNonRoot"] is True
    assert POD["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert CONTAINER["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "privileged" not in (BASE / "deployment.yaml").read_text()
    assert read(BASE / "namespace.yaml")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_pod_fits_the_image() -> None:
    image = (ROOT / "Dockerfile").read_text()
    assert f"USER {POD['securityContext']['runAsUser']}:{POD['securityContext']['runAsGroup']}" in image
    assert POD["securityContext"]["fsGroup"] == POD["securityContext"]["runAsGroup"]
    assert f"REMEDIATOR_CONFIG={MOUNTS['settings']}" in image
    (store,) = PATCH["template"]["spec"]["containers"][0]["volumeMounts"]
    assert f"VOLUME {store['mountPath']}" in image
    parse(" ".join(["remediator", *CONTAINER["args"]]))


def test_settings_name_the_places_where_things_are_mounted(settings: Settings, overlay: Path) -> None:
    if overlay == SINGLE:
        (store,) = PATCH["template"]["spec"]["containers"][0]["volumeMounts"]
        assert settings.store.url.startswith(f"sqlite:///{store['mountPath']}/")
    assert str(settings.playbooks) == MOUNTS["playbooks"]
    assert MOUNTS["secrets"] == SECRETS
    assert (settings.mode, settings.own_node, settings.own_namespace) == ("dry-run", "worker-1", "remediator")


def test_every_secret_that_settings_name_is_in_the_command_that_makes_them(overlay: Path) -> None:
    named = set(re.findall(rf"{SECRETS}/([\w-]+)", (overlay / "remediator.yaml").read_text()))
    assert set(re.findall(r"--from-file=([\w-]+)", section(OPERATING, SECTIONS[overlay]))) == named


def test_no_secret_ships() -> None:
    files = [one for one in (ROOT / "deploy").rglob("*.yaml") if one.parent.name != "prometheus"]
    kinds = {one.get("kind") for path in files for one in yaml.safe_load_all(path.read_text()) if isinstance(one, dict)}
    assert kinds and "Secret" not in kinds


def test_one_process_has_the_store() -> None:
    assert (PATCH["replicas"], PATCH["strategy"]) == (1, {"type": "Recreate"})
    assert read(SINGLE / "claim.yaml")["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_several_replicas_share_a_database_and_no_volume() -> None:
    patch = read(REPLICAS / "deployment.yaml")["spec"]
    assert (patch["replicas"], patch["strategy"]["type"]) == (3, "RollingUpdate")
    assert patch["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    assert "volumes" not in patch["template"]["spec"]
    document = read(REPLICAS / "remediator.yaml")
    where = Address.parse(document["store"]["url"], Path(document["store"]["password_file"]))
    assert (where.password, where.options["sslmode"]) == (None, "verify-full")
    assert where.options["sslrootcert"].startswith(f"{SECRETS}/")
    assert "pause_file" not in document, "each replica would have one of its own"
    namespace = where.host.partition(".")[2]
    assert namespace in document["own_ground"]
    [rule] = read(REPLICAS / "network-policy.yaml")
    [[peer], [port]] = rule["value"]["to"], rule["value"]["ports"]
    assert peer["namespaceSelector"]["matchLabels"] == {"kubernetes.io/metadata.name": namespace}
    assert port["port"] == where.port


def test_replicas_have_names_of_their_own_and_are_spread_and_drained_one_at_a_time() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    template = read(REPLICAS / "deployment.yaml")["spec"]["template"]["spec"]
    (container,) = template["containers"]
    assert [one["name"] for one in container["env"]] == ["REMEDIATOR_REPLICA"]
    spread = template["topologySpreadConstraints"]
    assert {one["topologyKey"] for one in spread} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    budget = read(REPLICAS / "disruption-budget.yaml")["spec"]
    assert budget["maxUnavailable"] == 1
    chosen = [budget["selector"], *(one["labelSelector"] for one in spread)]
    assert all(one == {"matchLabels": labels} for one in chosen)


def test_the_image_can_speak_with_postgresql_and_aws() -> None:
    assert '"remediator[aws,postgres]"' in (ROOT / "Dockerfile").read_text()


def test_it_is_asked_where_it_answers() -> None:
    assert CONTAINER["livenessProbe"]["httpGet"]["path"] == CONTAINER["startupProbe"]["httpGet"]["path"] == "/-/healthy"
    assert CONTAINER["readinessProbe"]["httpGet"]["path"] == "/-/ready"
    (port,) = CONTAINER["ports"]
    assert port["containerPort"] == Settings().listen.port
    (served,) = read(BASE / "service.yaml")["spec"]["ports"]
    assert served["targetPort"] == port["name"]
    policy = read(BASE / "network-policy.yaml")["spec"]
    assert [one["port"] for rule in policy["ingress"] for one in rule["ports"]] == [port["containerPort"]]
    (endpoint,) = read(BASE / "service-monitor.yaml")["spec"]["endpoints"]
    assert (endpoint["port"], endpoint["path"]) == (served["name"], "/metrics")


def test_a_stop_has_the_time_that_it_may_take(settings: Settings) -> None:
    before = timedelta(seconds=CONTAINER["lifecycle"]["preStop"]["sleep"]["seconds"])
    given = timedelta(seconds=POD["terminationGracePeriodSeconds"])
    assert given > before + 3 * settings.timings.shutdown, "server, intake and runner wait one after another"


def test_everything_is_selected_by_the_labels_that_the_pod_has() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    policy, monitor = read(BASE / "network-policy.yaml")["spec"], read(BASE / "service-monitor.yaml")["spec"]
    chosen = [
        DEPLOYMENT["spec"]["selector"]["matchLabels"],
        read(BASE / "service.yaml")["spec"]["selector"],
        policy["podSelector"]["matchLabels"],
    ]
    assert chosen == [labels] * 3
    assert monitor["selector"]["matchLabels"] == read(BASE / "service.yaml")["metadata"]["labels"]


def test_the_roles_for_nodes_are_what_their_playbook_needs() -> None:
    arguments = "--rbac --nodes --namespace shop --role-name remediator-nodes"
    path = NODES / "rbac.yaml"
    playbook = ROOT / "playbooks" / "node-cordon-drain.yaml"
    make = f"remediator permissions {playbook.relative_to(ROOT)} {arguments} > {path.relative_to(ROOT)}"
    assert path.read_text() == permissions(str(playbook), *arguments.split()), f"make it anew: {make}"
    roles = [one for one in yaml.safe_load_all(path.read_text()) if not one["kind"].endswith("Binding")]
    places = [one["metadata"].get("namespace", "everywhere") for one in roles]
    assert places == ["everywhere", "default"], "events about nodes stand in the namespace default"


def test_nodes_may_be_worked_on_with_the_component_alone(settings: Settings, tmp_path: Path) -> None:
    (container,) = read(NODES / "deployment.yaml")["spec"]["template"]["spec"]["containers"]
    allowed = load_settings(tmp_path / "remediator.yaml", {one["name"]: one["value"] for one in container["env"]})
    assert [one.nodes for one in (settings.clusters["production"], allowed.clusters["production"])] == [False, True]


@pytest.mark.parametrize("folder", [BASE, SINGLE, REPLICAS, NODES], ids=lambda path: path.name)
def test_every_file_is_used(folder: Path) -> None:
    text = (folder / "kustomization.yaml").read_text()
    assert [
        one.name for one in folder.glob("*.yaml") if one.name not in text and one.name != "kustomization.yaml"
    ] == []
