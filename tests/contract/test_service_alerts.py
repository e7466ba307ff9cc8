"""The alert rules that ship for the playbooks, on a real Prometheus: each fires by the numbers that exporters give, with the labels by
which its playbook finds its target."""

import asyncio
import contextlib
import itertools
from collections import Counter
from pathlib import Path
from typing import Any

import yaml

from remediator.alerts.severity import Severity, severity_of
from remediator.playbooks.library import load_directory
from tests.support import prometheus
from tests.support.needs import Programs

ROOT = Path(__file__).parents[2]
GROUPS = yaml.safe_load((ROOT / "deploy" / "prometheus" / "service-alerts.yaml").read_text())["groups"]
RULES: list[dict[str, Any]] = [rule for group in GROUPS for rule in group["rules"]]
SERIES = Counter(rule["alert"] for rule in RULES if "alert" in rule) + Counter(["DatabaseConnectionFailure"])
"""How many must fire of each name. One rule is for instances and for clusters of RDS."""
SHOP, CHECKOUT = {"namespace": "shop"}, {"namespace": "shop", "deployment": "checkout"}
POD = {"namespace": "shop", "pod": "checkout-7d-x2k4d"}
RUNNING = {**POD, "container": "app"}
CACHE, DB = {"namespace": "shop", "pod": "cache-0"}, {"namespace": "shop", "pod": "db-1"}
JOB = {"namespace": "shop", "job_name": "backup-29411"}
BACKUP = {**JOB, "owner_kind": "CronJob", "owner_name": "nightly-backup"}
ARN = "arn:aws:acm:eu-west-1:111122223333:certificate/12345678-1234-1234-1234-123456789012"
NOW = 1.9e9
"""Seconds since the epoch: later than any start that is told."""

STATES: list[tuple[str, dict[str, str], float]] = [
    ("kube_pod_owner", {**POD, "owner_kind": "ReplicaSet", "owner_name": "checkout-7d"}, 1),
    (
        "kube_replicaset_owner",
        {**SHOP, "replicaset": "checkout-7d", "owner_kind": "Deployment", "owner_name": "checkout"},
        1,
    ),
    *(
        ("kube_deployment_status_replicas_available", {**SHOP, "deployment": name}, 0)
        for name in ("checkout", "basket")
    ),
    *(("kube_deployment_spec_replicas", {**SHOP, "deployment": name}, 3) for name in ("checkout", "basket")),
    ("kube_deployment_status_condition", {**CHECKOUT, "condition": "Progressing", "status": "false"}, 1),
    ("container_memory_working_set_bytes", RUNNING, 95),
    ("container_spec_memory_limit_bytes", RUNNING, 100),
    ("kube_pod_container_resource_limits", {**RUNNING, "resource": "cpu"}, 0.001),
    ("kube_pod_container_status_waiting_reason", {**RUNNING, "reason": "CrashLoopBackOff"}, 1),
    ("kube_pod_status_unschedulable", POD, 1),
    ("kubelet_volume_stats_available_bytes", {**SHOP, "persistentvolumeclaim": "data"}, 5),
    ("kubelet_volume_stats_capacity_bytes", {**SHOP, "persistentvolumeclaim": "data"}, 100),
    ("kube_node_status_condition", {"node": "worker-1", "condition": "DiskPressure", "status": "true"}, 1),
    ("kube_node_status_condition", {"node": "worker-2", "condition": "Ready", "status": "true"}, 0),
    ("kube_horizontalpodautoscaler_status_desired_replicas", {**SHOP, "horizontalpodautoscaler": "checkout"}, 10),
    ("kube_horizontalpodautoscaler_spec_max_replicas", {**SHOP, "horizontalpodautoscaler": "checkout"}, 10),
    ("cnpg_collector_up", DB, 1),
    ("cnpg_pg_replication_in_recovery", DB, 1),
    ("cnpg_backends_max_tx_duration_seconds", {**DB, "state": "active"}, 30),
    ("kube_job_owner", BACKUP, 1),
    ("kube_job_status_failed", JOB, 1),
    ("kube_job_status_start_time", JOB, NOW),
    ("kube_cronjob_status_last_successful_time", {**SHOP, "cronjob": "nightly-backup"}, NOW - 86_400),
    ("pg_replication_lag_seconds", {"namespace": "shop", "pod": "replica-1"}, 90),
    ("pg_up", {"dbinstance_identifier": "orders"}, 0),
    ("pg_up", {"dbcluster_identifier": "ledger"}, 0),
    ("rds_newest_snapshot_timestamp_seconds", {"dbinstance_identifier": "orders"}, 0),
    ("redis_up", {"replication_group": "sessions", "instance": "sessions-001:6379"}, 0),
    ("aws_certificatemanager_days_to_expiry_minimum", {"certificate_arn": ARN}, 5),
    ("probe_success", {"job": "region", "region": "eu-west-1"}, 0),
    ("certmanager_certificate_expiration_timestamp_seconds", {**SHOP, "name": "www"}, 0),
]
COUNTED: list[tuple[str, dict[str, str]]] = [
    ("http_requests_total", {**CHECKOUT, "code": "503"}),
    ("http_request_duration_seconds_bucket", {**CHECKOUT, "le": "10"}),
    ("http_request_duration_seconds_bucket", {**CHECKOUT, "le": "+Inf"}),
    ("file_uploads_total", {**CHECKOUT, "outcome": "failed"}),
    ("redis_keyspace_misses_total", CACHE),
    ("container_cpu_usage_seconds_total", RUNNING),
    ("abusive_requests_total", {"address": "198.51.100.7"}),
]
QUIET = [("http_request_duration_seconds_bucket", {**CHECKOUT, "le": "1"}), ("redis_keyspace_hits_total", CACHE)]
"""Counters that stand still: no answer was quick, no key was found."""


def at_once() -> list[dict[str, Any]]:
    """The rules as they ship, without the time that a state must last."""
    return [{key: value for key, value in rule.items() if key != "for"} for rule in RULES]


async def test_every_rule_fires_and_its_labels_are_enough_for_its_playbook(tmp_path: Path, program: Programs) -> None:
    async with prometheus.running(tmp_path, program("prometheus"), rules=at_once()) as server:
        for name, labels, value in STATES:
            server.numbers.set(name, value, labels)
        for name, labels in QUIET:
            server.numbers.set(name, 0, labels)
        fired = await firing_all(server)
    loaded = load_directory(ROOT / "playbooks", action_params={}, condition_params={}, drafts=True)
    takers = set()
    for labels in fired:
        [playbook] = loaded.index.candidates(labels)
        assert severity_of(labels) is not Severity.NONE
        for spec in playbook.target_specs.values():
            spec.render(labels, playbook.vars)
        takers.add(playbook.name)
    assert takers == {playbook.name for playbook in loaded.playbooks if playbook.match}


async def firing_all(server: prometheus.Prometheus) -> list[dict[str, str]]:
    """Count up until every alert fires. A rate needs two scrapes of a number that grows."""
    missing = SERIES
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(120):
            for turn in itertools.count(1):
                for name, labels in COUNTED:
                    server.numbers.set(name, 100 * turn, labels)
                found = [one["metric"] for one in await server.query('ALERTS{alertstate="firing"}')]
                missing = SERIES - Counter(one["alertname"] for one in found)
                if not missing:
                    return [{key: one[key] for key in one.keys() - {"__name__", "alertstate"}} for one in found]
                await asyncio.sleep(0.3)
    raise AssertionError(f"never fired: {sorted(missing)}")
