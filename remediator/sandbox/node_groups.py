"""EKS node groups whose instances are nodes of the simulated cluster: what joins the two worlds."""

from remediator.sandbox.aws.cloud import Cloud
from remediator.sandbox.aws.eks import Eks, Nodegroup
from remediator.sandbox.kubernetes.resources import NODES
from remediator.sandbox.kubernetes.server import KubernetesApi
from remediator.sandbox.kubernetes.store import Writer

_WRITER = Writer("cloud-controller-manager", external=False)


def add_node_group(
    kubernetes: KubernetesApi,
    cloud: Cloud,
    cluster: str,
    name: str,
    *,
    minimum: int = 1,
    maximum: int = 5,
    desired: int = 2,
    allocatable: dict[str, str] | None = None,
) -> Nodegroup:
    """A node group that runs, its nodes in the cluster, each with so much room. Instances that come join, those that end leave."""
    eks = cloud.of(Eks)
    made = eks.add(cluster, name, minimum=minimum, maximum=maximum, desired=desired)

    def joined(instance: str) -> None:
        member = made.group.member(instance)
        if member is not None and member.state == "InService":
            kubernetes.add_node(node_name(instance, made.region), allocatable=allocatable)

    def left(instance: str) -> None:
        node = kubernetes.store.get(NODES, "", node_name(instance, made.region))
        if node is not None:
            kubernetes.store.remove(NODES, node, _WRITER)

    for member in made.group.members:
        joined(member.id)
    eks.on_nodes(made, joined, left)
    return made


def node_name(instance: str, region: str) -> str:
    """As EC2 names instances by their resource names."""
    return f"{instance}.{region}.compute.internal"
