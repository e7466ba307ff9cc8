"""Every action, condition and evidence that the language knows, and which of them this release can carry out.

A name that is known and not built is refused by name outside drafts; a name that is not known is refused with what is near it.
"""

from collections.abc import Collection

from remediator.validation_words import near

BUILT_ACTIONS = frozenset(
    {
        "kubernetes.exec",
        "evidence.kubernetes_events",
        "evidence.kubernetes_logs",
        "evidence.kubernetes_top",
        "evidence.postgres_statements",
        "evidence.redis_info",
        "kubernetes.rollout_restart",
        "kubernetes.rollout_undo",
        "kubernetes.scale",
        "kubernetes.hpa_bounds",
        "kubernetes.expand_volume",
        "kubernetes.cordon",
        "kubernetes.delete_pod",
        "kubernetes.drain",
        "kubernetes.evict_pod",
        "kubernetes.uncordon",
        "kubernetes.run_cronjob",
        "kubernetes.postgres_switchover",
        "kubernetes.scale_namespace",
        "kubernetes.restore_namespace",
        "aws.acm_restore_validation",
        "aws.acm_reimport",
        "certmanager.renew",
        "aws.asg_set_capacity",
        "aws.asg_replace_instance",
        "aws.eks_nodegroup_scale",
        "aws.ecs_restart",
        "aws.ecs_scale",
        "aws.ec2_reboot",
        "aws.ssm_run",
        "aws.rds_failover",
        "aws.aurora_global_failover",
        "aws.rds_snapshot",
        "aws.rds_restore",
        "aws.rds_promote_replica",
        "aws.elasticache_failover",
        "aws.route53_failover",
        "aws.waf_block_address",
        "aws.zonal_shift",
    }
)
BUILT_CONDITIONS = frozenset(
    {
        "http_ok",
        "rollout_complete",
        "replicas_ready",
        "alert_resolved",
        "promql",
        "recent_rollout",
        "previous_revision",
        "no_restarts",
        "replicas",
        "autoscaled",
        "autoscaler_below_maximum",
        "volume_expandable",
        "volume_resized",
        "disruption_allowed",
        "node_empty",
        "nodes_unready",
        "pod_replaced",
        "pods_ready_elsewhere",
        "pods_scheduled",
        "room_elsewhere",
        "job_running",
        "job_complete",
        "cnpg_standby_streaming",
        "cnpg_primary_changed",
        "cnpg_healthy",
        "scaled_to_zero",
        "sizes_as_before",
        "acm_renewable",
        "acm_renewed",
        "alerts_firing",
        "issuer_ready",
        "certificate_failed",
        "certificate_expires",
        "certificate_renewed",
        "tls_serves",
        "asg_in_service",
        "ec2_status_ok",
        "ecs_steady",
        "nodegroup_below_maximum",
        "ssm_succeeded",
        "recent_failover",
        "replica_lag",
        "rds_available",
        "rds_multi_az",
        "rds_restorable",
        "rds_writer_changed",
        "rds_snapshot_available",
        "aurora_reader_available",
        "address_allowed",
        "address_public",
        "cloudwatch",
        "dns_answers",
        "elasticache_available",
        "elasticache_failover_ready",
        "elasticache_primary_moved",
        "health_check_healthy",
        "s3_fresh",
        "s3_reachable",
        "waf_contains",
    }
)
BUILT_TARGETS = frozenset(
    {
        "workload",
        "workload_of_pod",
        "pod",
        "node",
        "namespace",
        "persistent_volume_claim",
        "cronjob",
        "horizontal_pod_autoscaler",
        "postgres_cluster",
        "acm_certificate",
        "certificate",
        "asg",
        "nodegroup",
        "ecs_service",
        "ec2_instance",
        "rds_instance",
        "rds_cluster",
        "rds_global_cluster",
        "elasticache",
        "load_balancer",
        "route53_record",
        "waf_address",
    }
)
BUILT_EVIDENCE = frozenset({"kubernetes_logs", "kubernetes_events", "kubernetes_top", "certificate_issuance"})
DIAGNOSES = frozenset({"wait", "kubernetes.exec"})
"""Actions that are not meant to change anything, beside those named ``evidence.``: a remedy of such steps only ends ``informed``."""

ASKS_ALWAYS = frozenset({"aws.aurora_global_failover", "aws.rds_promote_replica", "aws.route53_failover"})
"""Actions that nobody can take back, or that send every client elsewhere. They are done only after a yes to the very plan that was
shown, whatever the autonomy is."""

TEMPORARY = frozenset({"kubernetes.scale", "kubernetes.hpa_bounds", "kubernetes.cordon", "aws.waf_block_address"})
"""Actions whose change can be made for a time (``for:``): what was before is known and can be put back exactly."""

MUST_END = frozenset({"aws.waf_block_address"})
"""Of those, the actions that are only ever done for a time."""

ACTIONS = BUILT_ACTIONS | {
    "wait",
    "kubernetes.exec",
    "evidence.kubernetes_logs",
    "evidence.kubernetes_events",
    "evidence.kubernetes_top",
    "evidence.postgres_statements",
    "evidence.redis_info",
}

CONDITIONS = BUILT_CONDITIONS | {
    "recurrences",
    "http_ok",
}

EVIDENCE = frozenset(
    {"kubernetes_logs", "kubernetes_events", "kubernetes_top", "postgres_statements", "redis_info", "promql"}
    | {"certificate_issuance"}
)


def objection(kind: str, name: str, *, known: Collection[str], built: Collection[str]) -> str | None:
    """Why a name cannot be used in a playbook that is no draft; None if it can be."""
    if name in built:
        return None
    if name in known:
        usable = f"built: {', '.join(sorted(built))}" if built else f"this release builds no {kind}"
        return f"{kind} {name} is part of the language but not built in this release; {usable}"
    return unknown(kind, name, known=known)


def unknown(kind: str, name: str, *, known: Collection[str]) -> str | None:
    """Why a name is no part of the language; None if it is."""
    return None if name in known else f"unknown {kind} {name}; {near(name, sorted(known))}"
