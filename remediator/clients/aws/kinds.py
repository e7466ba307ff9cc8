"""How it is found out that a target at AWS exists, kind by kind, and what IAM must allow for that."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Final

from remediator.clients.aws import (
    acm,
    autoscaling,
    ec2,
    ecs,
    eks,
    elasticache,
    load_balancers,
    rds,
    rds_global,
    route53,
    waf,
)
from remediator.clients.aws.api import AwsApi
from remediator.clients.permissions import IamPermission
from remediator.targets import Target


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of target."""

    exists: Callable[[AwsApi, Target], Awaitable[object]]
    """Raises TargetNotFoundError where there is none, FactsMissingError where that could not be read."""
    permissions: tuple[IamPermission, ...]


KINDS: Final[Mapping[str, Kind]] = {
    "acm-certificate": Kind(acm.exists, (acm.READ,)),
    "rds-cluster": Kind(rds.cluster_exists, (rds.READ_CLUSTER,)),
    "rds-global-cluster": Kind(rds_global.exists, (rds_global.READ_GLOBAL,)),
    "rds-instance": Kind(rds.instance_exists, (rds.READ_INSTANCE,)),
    "asg": Kind(autoscaling.exists, (autoscaling.READ_GROUP,)),
    "ec2-instance": Kind(ec2.exists, (ec2.READ_INSTANCE,)),
    "ecs-service": Kind(ecs.exists, (ecs.READ_SERVICE,)),
    "eks-nodegroup": Kind(eks.exists, (eks.READ_NODEGROUP,)),
    "elasticache-group": Kind(elasticache.exists, elasticache.READ_GROUP),
    "load-balancer": Kind(load_balancers.exists, load_balancers.READ_LOAD_BALANCERS),
    "route53-record": Kind(route53.exists, route53.READ_RECORDS),
    "waf-address": Kind(waf.exists, waf.READ_SETS),
}
