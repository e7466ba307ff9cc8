"""Several replicas as they ship for Kubernetes, applied to a real API server."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.controlplane.server import ControlPlane
from tests.support.installed import REPLICAS, Installed

pytestmark = [pytest.mark.real, pytest.mark.live, pytest.mark.xdist_group("installation")]


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    made = Installed(control_plane, tmp_path_factory.mktemp("installed"), REPLICAS)
    made.prepare()
    try:
        made.apply()
        made.kubectl("-n", "remediator", "rollout", "status", "deployment/remediator", "--timeout=60s")
        yield made
    finally:
        made.remove()


def pods(installed: Installed) -> list[dict[str, Any]]:
    found = json.loads(installed.kubectl("-n", "remediator", "get", "pods", "-o", "json"))["items"]
    return [pod for pod in found if pod["metadata"].get("deletionTimestamp") is None]


def test_the_server_takes_all_of_it_and_warns_of_nothing(installed: Installed) -> None:
    told = installed.apply("--dry-run=server")
    made = [one for one in yaml.safe_load_all(installed.kubectl("kustomize", str(REPLICAS))) if one]
    assert told.count("serverside-applied (server dry run)") == len(made)
    assert "Warning" not in told
    assert "PersistentVolumeClaim" not in {one["kind"] for one in made}


def test_three_run_each_with_a_name_of_its_own_and_the_way_to_the_database_is_open(installed: Installed) -> None:
    found = pods(installed)
    assert len(found) == 3
    for pod in found:
        (container,) = pod["spec"]["containers"]
        by_name = {one["name"]: one for one in container["env"]}
        assert by_name["REMEDIATOR_REPLICA"]["valueFrom"]["fieldRef"]["fieldPath"] == "metadata.name"
        assert {"REMEDIATOR_OWN_NODE", "REMEDIATOR_OWN_NAMESPACE"} <= set(by_name)
        assert len(pod["spec"]["topologySpreadConstraints"]) == 2
    egress = installed.get("networkpolicy", "remediator")["spec"]["egress"]
    assert [port["port"] for rule in egress for port in rule.get("ports", [])].count(5432) == 1


def test_a_drain_takes_one_at_a_time(installed: Installed) -> None:
    installed.kubectl(
        "-n", "remediator", "wait", "pdb/remediator", "--for=jsonpath={.status.disruptionsAllowed}=1", "--timeout=30s"
    )
    status = installed.get("poddisruptionbudget", "remediator")["status"]
    assert (status["expectedPods"], status["desiredHealthy"], status["disruptionsAllowed"]) == (3, 2, 1)


def test_an_update_never_has_fewer_than_three_that_serve(installed: Installed) -> None:
    strategy = installed.get("deployment", "remediator")["spec"]["strategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
