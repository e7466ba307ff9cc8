"""Every kind of question to the world, one file each, and the explicit list of those that are built.

A condition answers yes, no or unknown (S7) and changes nothing. When to ask again, and what follows, is runs/ and engine/.
"""

from typing import Final

from remediator.conditions.acm_renewable import AcmRenewable
from remediator.conditions.acm_renewed import AcmRenewed
from remediator.conditions.address_allowed import AddressAllowed
from remediator.conditions.address_public import AddressPublic
from remediator.conditions.alert_resolved import AlertResolved
from remediator.conditions.alerts_firing import AlertsFiring
from remediator.conditions.asg_in_service import AsgInService
from remediator.conditions.aurora_reader_available import AuroraReaderAvailable
from remediator.conditions.autoscaled import Autoscaled
from remediator.conditions.autoscaler_below_maximum import AutoscalerBelowMaximum
from remediator.conditions.base import Condition
from remediator.conditions.certificate_expires import CertificateExpires
from remediator.conditions.certificate_failed import CertificateFailed
from remediator.conditions.certificate_renewed import CertificateRenewed
from remediator.conditions.cloudwatch import CloudWatch
from remediator.conditions.cnpg_healthy import CnpgHealthy
from remediator.conditions.cnpg_primary_changed import CnpgPrimaryChanged
from remediator.conditions.cnpg_standby_streaming import CnpgStandbyStreaming
from remediator.conditions.disruption_allowed import DisruptionAllowed
from remediator.conditions.dns_answers import DnsAnswers
from remediator.conditions.ec2_status_ok import Ec2StatusOk
from remediator.conditions.ecs_steady import EcsSteady
from remediator.conditions.elasticache_available import ElastiCacheAvailable
from remediator.conditions.elasticache_failover_ready import ElastiCacheFailoverReady
from remediator.conditions.elasticache_primary_moved import ElastiCachePrimaryMoved
from remediator.conditions.health_check_healthy import HealthCheckHealthy
from remediator.conditions.http_ok import HttpOk
from remediator.conditions.issuer_ready import IssuerReady
from remediator.conditions.job_complete import JobComplete
from remediator.conditions.job_running import JobRunning
from remediator.conditions.no_restarts import NoRestarts
from remediator.conditions.node_empty import NodeEmpty
from remediator.conditions.nodegroup_below_maximum import NodegroupBelowMaximum
from remediator.conditions.nodes_unready import NodesUnready
from remediator.conditions.pod_replaced import PodReplaced
from remediator.conditions.pods_ready_elsewhere import PodsReadyElsewhere
from remediator.conditions.pods_scheduled import PodsScheduled
from remediator.conditions.previous_revision import PreviousRevision
from remediator.conditions.promql import Promql
from remediator.conditions.rds_available import RdsAvailable
from remediator.conditions.rds_multi_az import RdsMultiAz
from remediator.conditions.rds_restorable import RdsRestorable
from remediator.conditions.rds_snapshot_available import RdsSnapshotAvailable
from remediator.conditions.rds_writer_changed import RdsWriterChanged
from remediator.conditions.recent_failover import RecentFailover
from remediator.conditions.recent_rollout import RecentRollout
from remediator.conditions.replica_lag import ReplicaLag
from remediator.conditions.replicas import Replicas
from remediator.conditions.replicas_ready import ReplicasReady
from remediator.conditions.rollout_complete import RolloutComplete
from remediator.conditions.room_elsewhere import RoomElsewhere
from remediator.conditions.s3_fresh import S3Fresh
from remediator.conditions.s3_reachable import S3Reachable
from remediator.conditions.scaled_to_zero import ScaledToZero
from remediator.conditions.sizes_as_before import SizesAsBefore
from remediator.conditions.ssm_succeeded import SsmSucceeded
from remediator.conditions.tls_serves import TlsServes
from remediator.conditions.volume_expandable import VolumeExpandable
from remediator.conditions.volume_resized import VolumeResized
from remediator.conditions.waf_contains import WafContains

CONDITIONS: Final[tuple[Condition, ...]] = (
    HttpOk(),
    AlertResolved(),
    Promql(),
    ReplicasReady(),
    RolloutComplete(),
    PreviousRevision(),
    RecentRollout(),
    NoRestarts(),
    Replicas(),
    Autoscaled(),
    AutoscalerBelowMaximum(),
    VolumeExpandable(),
    VolumeResized(),
    DisruptionAllowed(),
    NodeEmpty(),
    NodesUnready(),
    PodReplaced(),
    PodsReadyElsewhere(),
    PodsScheduled(),
    RoomElsewhere(),
    JobRunning(),
    JobComplete(),
    CnpgStandbyStreaming(),
    CnpgPrimaryChanged(),
    CnpgHealthy(),
    ScaledToZero(),
    SizesAsBefore(),
    AcmRenewable(),
    AcmRenewed(),
    AlertsFiring(),
    IssuerReady(),
    CertificateFailed(),
    CertificateExpires(),
    CertificateRenewed(),
    TlsServes(),
    AsgInService(),
    Ec2StatusOk(),
    EcsSteady(),
    NodegroupBelowMaximum(),
    SsmSucceeded(),
    AuroraReaderAvailable(),
    RdsAvailable(),
    RdsMultiAz(),
    RdsRestorable(),
    RdsSnapshotAvailable(),
    RdsWriterChanged(),
    RecentFailover(),
    ReplicaLag(),
    AddressAllowed(),
    AddressPublic(),
    CloudWatch(),
    DnsAnswers(),
    ElastiCacheAvailable(),
    ElastiCacheFailoverReady(),
    ElastiCachePrimaryMoved(),
    HealthCheckHealthy(),
    S3Fresh(),
    S3Reachable(),
    WafContains(),
)


def condition_named(name: str) -> Condition:
    """The condition of that name.

    Raises:
        KeyError: no such condition is built; the message names those that are.
    """
    for condition in CONDITIONS:
        if condition.name == name:
            return condition
    raise KeyError(f"condition {name} is not built; built: {', '.join(condition.name for condition in CONDITIONS)}")
