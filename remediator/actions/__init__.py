"""Every kind of change, one file each, and the explicit list of those that are built.

An action plans, writes once with its mark, and says whether it landed. No action decides whether it may: that is decision/.
"""

from typing import Final

from remediator.actions.aws.acm_reimport import AcmReimport
from remediator.actions.aws.acm_restore_validation import AcmRestoreValidation
from remediator.actions.aws.asg_replace_instance import AsgReplaceInstance
from remediator.actions.aws.asg_set_capacity import AsgSetCapacity
from remediator.actions.aws.aurora_global_failover import AuroraGlobalFailover
from remediator.actions.aws.ec2_reboot import Ec2Reboot
from remediator.actions.aws.ecs_restart import EcsRestart
from remediator.actions.aws.ecs_scale import EcsScale
from remediator.actions.aws.eks_nodegroup_scale import EksNodegroupScale
from remediator.actions.aws.elasticache_failover import ElastiCacheFailover
from remediator.actions.aws.rds_failover import RdsFailover
from remediator.actions.aws.rds_promote_replica import RdsPromoteReplica
from remediator.actions.aws.rds_restore import RdsRestore
from remediator.actions.aws.rds_snapshot import RdsSnapshot
from remediator.actions.aws.route53_failover import Route53Failover
from remediator.actions.aws.ssm_run import SsmRun
from remediator.actions.aws.waf_block_address import WafBlockAddress
from remediator.actions.aws.zonal_shift import ZonalShift
from remediator.actions.base import Action
from remediator.actions.certmanager.renew import Renew
from remediator.actions.evidence.postgres_statements import PostgresStatements
from remediator.actions.evidence.redis_info import RedisInfo
from remediator.actions.evidence.steps import LookAtEvents, LookAtLogs, LookAtTop
from remediator.actions.kubernetes.cordon import Cordon
from remediator.actions.kubernetes.delete_pod import DeletePod
from remediator.actions.kubernetes.drain import Drain
from remediator.actions.kubernetes.evict_pod import EvictPod
from remediator.actions.kubernetes.exec import Exec
from remediator.actions.kubernetes.expand_volume import ExpandVolume
from remediator.actions.kubernetes.hpa_bounds import HpaBounds
from remediator.actions.kubernetes.postgres_switchover import PostgresSwitchover
from remediator.actions.kubernetes.restore_namespace import RestoreNamespace
from remediator.actions.kubernetes.rollout_restart import RolloutRestart
from remediator.actions.kubernetes.rollout_undo import RolloutUndo
from remediator.actions.kubernetes.run_cronjob import RunCronJob
from remediator.actions.kubernetes.scale import Scale
from remediator.actions.kubernetes.scale_namespace import ScaleNamespace
from remediator.actions.kubernetes.uncordon import Uncordon

ACTIONS: Final[tuple[Action, ...]] = (
    Exec(),
    LookAtEvents(),
    LookAtLogs(),
    LookAtTop(),
    PostgresStatements(),
    RedisInfo(),
    RolloutRestart(),
    RolloutUndo(),
    Scale(),
    HpaBounds(),
    ExpandVolume(),
    Cordon(),
    DeletePod(),
    Drain(),
    EvictPod(),
    Uncordon(),
    RunCronJob(),
    PostgresSwitchover(),
    ScaleNamespace(),
    RestoreNamespace(),
    AcmRestoreValidation(),
    AcmReimport(),
    Renew(),
    AsgReplaceInstance(),
    AsgSetCapacity(),
    Ec2Reboot(),
    EcsRestart(),
    EcsScale(),
    EksNodegroupScale(),
    SsmRun(),
    RdsFailover(),
    AuroraGlobalFailover(),
    RdsSnapshot(),
    RdsRestore(),
    RdsPromoteReplica(),
    ElastiCacheFailover(),
    Route53Failover(),
    WafBlockAddress(),
    ZonalShift(),
)


def action_named(name: str) -> Action:
    """The action of that name.

    Raises:
        KeyError: no such action is built; the message names those that are.
    """
    for action in ACTIONS:
        if action.name == name:
            return action
    raise KeyError(f"action {name} is not built; built: {', '.join(action.name for action in ACTIONS)}")
