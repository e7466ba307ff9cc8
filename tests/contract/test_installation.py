"""What ships for Kubernetes, applied to a real API server: it is taken whole, its pod may run, its account may do what it must."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from typer.testing import CliRunner

from remediator.actions import ACTIONS, action_named
from remediator.actions.base import ActionContext
from remediator.answers import Answer
from remediator.cli.program import app
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.connect import connect
from remediator.clock import SystemClock
from remediator.conditions import CONDITIONS
from remediator.engine.needs import Need
from remediator.engine.permission_watch import Access, look
from remediator.playbooks.library import load_directory
from remediator.settings import Settings
from remediator.targets import Target
from tests.contract.conftest import may_write
from tests.controlplane.server import ControlPlane
from tests.support.clock import T0
from tests.support.installed import MOUNTED, OVERLAY, ROOT, Installed
from tests.support.served import Served

pytestmark = [pytest.mark.real, pytest.mark.live, pytest.mark.xdist_group("installation")]

ROLES: list[Any] = [
    one for one in yaml.safe_load_all((OVERLAY / "rbac.yaml").read_text()) if one["kind"] in ("Role", "ClusterRole")
]
RULES = [(role, number) for role in ROLES for number in range(len(role["rules"]))]
INTENT = "int_00000000000000000000000001"


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    made = Installed(control_plane, tmp_path_factory.mktemp("installed"))
    made.prepare()
    try:
        made.apply()
        yield made
    finally:
        made.remove()


@pytest.fixture(scope="module")
def configured(installed: Installed) -> tuple[Path, Settings]:
    return installed.settings(**{"autonomy.start": "act"})


@pytest.fixture
async def kubernetes(configured: tuple[Path, Settings]) -> AsyncIterator[KubernetesClient]:
    """As the service account that the overlay makes."""
    cluster = configured[1].clusters["production"]
    client = await connect(cluster, name="production", dry_run=False, clock=SystemClock(), timeout_s=10)
    yield client
    await client.close()


async def access_of(kubernetes: KubernetesClient, settings: Settings) -> Access:
    loaded = load_directory(
        ROOT / "playbooks",
        action_params={action.name: action.params for action in ACTIONS},
        condition_params={condition.name: condition.params for condition in CONDITIONS},
    )
    return await look(loaded.playbooks, settings, {"production": kubernetes})


async def until(
    kubernetes: KubernetesClient, settings: Settings, holds: Callable[[tuple[Need, ...]], object]
) -> tuple[Need, ...]:
    """The API server acts on a changed role a moment after it has stored it."""
    async with asyncio.timeout(60):
        while True:
            access = await access_of(kubernetes, settings)
            assert access.unanswered == {}
            if holds(missed := (*access.lacking, *access.later)):
                return missed
            await asyncio.sleep(0.05)


@asynccontextmanager
async def without(
    installed: Installed, kubernetes: KubernetesClient, settings: Settings, role: dict[str, Any], number: int
) -> AsyncIterator[tuple[Need, ...]]:
    """The role without one rule, and everything that is then missed."""
    place = ["-n", role["metadata"].get("namespace", "default")]
    removal = [{"op": "remove", "path": f"/rules/{number}"}]
    installed.kubectl(*place, "patch", role["kind"], "remediator", "--type=json", f"--patch={json.dumps(removal)}")
    try:
        yield await until(kubernetes, settings, lambda missed: missed)
    finally:
        installed.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", document=role)
        await until(kubernetes, settings, lambda missed: not missed)


def restarting() -> tuple[dict[str, Any], int]:
    """The rule that lets a Deployment be restarted."""
    return next(
        (role, n)
        for role, n in RULES
        if "deployments" in (rule := role["rules"][n])["resources"] and "patch" in rule["verbs"]
    )


def test_the_server_takes_all_of_it_and_warns_of_nothing(installed: Installed) -> None:
    told = installed.apply("--dry-run=server")
    made = [one for one in yaml.safe_load_all(installed.kubectl("kustomize", str(OVERLAY))) if one]
    assert told.count("serverside-applied (server dry run)") == len(made)
    assert "Warning" not in told


def test_its_pod_is_admitted_where_pod_security_is_restricted_and_runs_on_its_volume(installed: Installed) -> None:
    namespace = installed.get("namespace", "remediator")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    installed.kubectl("-n", "remediator", "rollout", "status", "deployment/remediator", "--timeout=60s")
    assert installed.get("persistentvolumeclaim", "remediator")["status"]["phase"] == "Bound"
    container = {"name": "x", "image": "x", "securityContext": {"allowPrivilegeEscalation": True}}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "x"}, "spec": {"containers": [container]}}
    with pytest.raises(AssertionError, match="violates PodSecurity"):
        installed.kubectl("-n", "remediator", "create", "-f", "-", document=pod)


def test_playbooks_keep_their_name_and_settings_do_not(installed: Installed) -> None:
    template = installed.get("deployment", "remediator")["spec"]["template"]["spec"]
    volumes = {one["name"]: one for one in template["volumes"]}
    assert volumes["playbooks"]["configMap"]["name"] == "remediator-playbooks"
    settings = volumes["settings"]["configMap"]["name"]
    assert settings.startswith("remediator-settings-")
    data = installed.get("configmap", settings)["data"]
    assert data == {"remediator.yaml": (OVERLAY / "remediator.yaml").read_text()}
    shipped = {one.name for one in (ROOT / "playbooks").glob("*.yaml")}
    assert set(installed.get("configmap", "remediator-playbooks")["data"]) == shipped


def test_an_overlay_of_ones_own_adds_work_on_nodes_and_takes_other_playbooks(
    installed: Installed, tmp_path: Path
) -> None:
    (tmp_path / "mine.yaml").write_text((ROOT / "playbooks" / "service-down.yaml").read_text())
    generated = {
        "name": "remediator-playbooks",
        "namespace": "remediator",
        "behavior": "replace",
        "files": ["mine.yaml"],
    }
    document = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": [os.path.relpath(OVERLAY, tmp_path)],
        "components": [os.path.relpath(OVERLAY.parents[1] / "components" / "nodes", tmp_path)],
        "configMapGenerator": [{**generated, "options": {"disableNameSuffixHash": True}}],
    }
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump(document))
    made = list(yaml.safe_load_all(installed.kubectl("kustomize", str(tmp_path))))
    (playbooks,) = [one for one in made if one["metadata"]["name"] == "remediator-playbooks"]
    assert set(playbooks["data"]) == {"mine.yaml"}
    told = installed.kubectl("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-k", str(tmp_path))
    assert "clusterrole.rbac.authorization.k8s.io/remediator-nodes serverside-applied" in told
    assert "Warning" not in told


async def test_its_account_lacks_nothing_and_restarts_for_real(
    installed: Installed, kubernetes: KubernetesClient, configured: tuple[Path, Settings]
) -> None:
    access = await access_of(kubernetes, configured[1])
    assert (access.lacking, access.later, access.unanswered) == ((), (), {})
    installed.kubectl("-n", "shop", "create", "deployment", "checkout", "--image=registry.example.net/app:1.0")
    installed.kubectl("-n", "shop", "rollout", "status", "deployment/checkout", "--timeout=60s")
    action = action_named("kubernetes.rollout_restart")
    target = Target.kubernetes("production", "shop", "deployment", "checkout")
    ctx = ActionContext(kubernetes)
    plan = await action.plan(ctx, target, action.params())
    with may_write():
        await action.apply(ctx, plan, INTENT)
    assert (await action.landed(ctx, plan, INTENT, T0)).answer is Answer.YES
    assert installed.get("deployment", "checkout", "shop")["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("role", "number"), RULES, ids=lambda value: value if isinstance(value, int) else value["kind"]
)
async def test_a_rule_that_is_taken_away_is_missed_by_name(
    installed: Installed,
    kubernetes: KubernetesClient,
    configured: tuple[Path, Settings],
    role: dict[str, Any],
    number: int,
) -> None:
    rule = role["rules"][number]
    place = role["metadata"].get("namespace")
    where = f"in {place} " if place else "in the whole cluster "
    async with without(installed, kubernetes, configured[1], role, number) as missed:
        pass
    told = [str(need).partition("(")[0] for need in missed]
    wanted = {f"needs {verb} on {resource} {where}" for verb in rule["verbs"] for resource in rule["resources"]}
    # What the whole cluster grants is granted in each namespace, so there it is missed, too.
    assert set(told) >= wanted if place is None else set(told) == wanted
    asked = {(need.permission.verb, need.permission.resource) for need in missed}
    assert asked == {(verb, resource) for verb in rule["verbs"] for resource in rule["resources"]}
    assert {need.permission.group for need in missed} == set(rule["apiGroups"])


async def test_check_tells_an_operator_which_verb_is_missing(
    installed: Installed, kubernetes: KubernetesClient, configured: tuple[Path, Settings]
) -> None:
    path, settings = configured
    path.write_text(json.dumps(settings.model_dump(mode="json", include={"clusters", "autonomy"})))
    command = ["check", str(ROOT / "playbooks"), "--cluster", "--config", str(path)]
    program = CliRunner(env={"REMEDIATOR_CONFIG": ""})
    good = await asyncio.to_thread(program.invoke, app, command)
    assert good.exit_code == 0, good.stdout
    async with without(installed, kubernetes, settings, *restarting()):
        done = await asyncio.to_thread(program.invoke, app, command)
    assert done.exit_code == 1
    assert "error: settings clusters.production: needs patch on deployments in shop (API group apps; " in done.stdout


async def test_the_service_tells_at_its_start_what_its_account_lacks(
    installed: Installed, kubernetes: KubernetesClient, configured: tuple[Path, Settings], tmp_path: Path
) -> None:
    settings = yaml.safe_load((OVERLAY / "remediator.yaml").read_text().replace(MOUNTED, str(installed.directory)))
    settings["store"] = {"url": f"sqlite:///{tmp_path}/remediator.sqlite"}
    settings["playbooks"] = str(ROOT / "playbooks")
    settings["pause_file"] = str(tmp_path / "PAUSE")
    settings["clusters"]["production"]["kubeconfig"] = str(configured[1].clusters["production"].kubeconfig)
    settings["autonomy"] = {"start": "act"}
    service = Served(tmp_path, settings, "")
    async with without(installed, kubernetes, configured[1], *restarting()):
        await service.start()
        try:
            async with asyncio.timeout(60), aiohttp.ClientSession() as session:
                while not (found := await readiness(session, service))["missing"]:  # noqa: ASYNC110 - nothing to wait for but the answer
                    await asyncio.sleep(0.1)
        finally:
            await service.end()
    assert not found["ok"]
    assert [told.partition(" (")[0] for told in found["missing"]] == ["needs patch on deployments in shop"]
    assert "permission_missing" in service.log()


async def readiness(session: aiohttp.ClientSession, service: Served) -> dict[str, Any]:
    async with session.get(f"{service.url}/-/ready") as answer:
        found: dict[str, Any] = (await answer.json())["dependencies"]["permissions"]
        return found
