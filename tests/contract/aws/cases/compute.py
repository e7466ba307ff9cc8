"""Groups of instances, node groups, services, instances, and commands on them."""

from remediator.sandbox.aws.application_autoscaling import Scalable
from remediator.sandbox.aws.autoscaling import Activity, Group
from remediator.sandbox.aws.ecs import EcsService
from remediator.sandbox.aws.eks import Nodegroup
from remediator.sandbox.aws.ssm import Command, Document
from remediator.targets import Target
from tests.contract.aws.case import AwsCase, Refusal
from tests.support.aws_stage import AwsStage

INSTANCE = "i-0123456789abcdef0"
DOCUMENT = "shop-clear-spool"


def group(stage: AwsStage) -> Group:
    found: Group = stage.aws.autoscaling.groups["web"]
    return found


def nodegroup(stage: AwsStage) -> Nodegroup:
    found: Nodegroup = stage.aws.eks.nodegroups[("prod", "standard-workers")]
    return found


def service(stage: AwsStage) -> EcsService:
    found: EcsService = stage.aws.ecs.services[("main", "checkout")]
    return found


async def a_group(stage: AwsStage) -> Target:
    stage.aws.autoscaling.add("web", minimum=1, maximum=4, desired=2)
    return stage.target("asg", "web")


async def an_instance_of_a_group(stage: AwsStage) -> Target:
    stage.aws.autoscaling.add("web", minimum=1, maximum=4, desired=3)
    group(stage).members[0].health = "Unhealthy"
    return stage.target("ec2-instance", group(stage).members[0].id)


async def a_nodegroup(stage: AwsStage) -> Target:
    stage.aws.eks.add("prod", "standard-workers", minimum=1, maximum=5, desired=2)
    return stage.target("eks-nodegroup", "standard-workers", "prod")


async def a_service(stage: AwsStage) -> Target:
    stage.aws.ecs.add("main", "checkout", desired=2)
    return stage.target("ecs-service", "checkout", "main")


async def an_instance(stage: AwsStage) -> Target:
    stage.aws.ec2.add(INSTANCE)
    return stage.target("ec2-instance", INSTANCE)


async def a_managed_instance(stage: AwsStage) -> Target:
    stage.aws.ec2.add(INSTANCE)
    stage.aws.ssm.agents[INSTANCE] = "Online"
    stage.aws.ssm.documents[DOCUMENT] = Document(DOCUMENT, output="removed 12 files\n")
    return stage.target("ec2-instance", INSTANCE)


def replaced(stage: AwsStage) -> int:
    """Instances that left at a user's wish."""
    return sum("in response to a user request" in one.cause for one in group(stage).activities)


def taken_out(stage: AwsStage) -> None:
    del group(stage).members[0]


def all_unhealthy(stage: AwsStage) -> None:
    for one in group(stage).members:
        one.health = "Unhealthy"


def at_work(stage: AwsStage) -> None:
    group(stage).activities.append(Activity("act-1", "Launching a new EC2 instance: i-1", "", stage.aws.now()))


def deployed_by_somebody(stage: AwsStage) -> None:
    stage.aws.ecs.deploy(service(stage), "arn:aws:ecs:eu-central-1:111122223333:task-definition/checkout:8")


def command_runs(stage: AwsStage) -> None:
    stage.aws.ssm.commands.append(
        Command("c-1", DOCUMENT, "1", INSTANCE, "by hand", {}, stage.aws.now(), status="InProgress")
    )


GROUP_REFUSALS = (
    Refusal("at-its-maximum", lambda stage: setattr(group(stage), "maximum", 2), "nothing_to_change"),
    Refusal("launch-suspended", lambda stage: group(stage).suspended.add("Launch"), "process_suspended"),
    Refusal("scaling-policy", lambda stage: group(stage).policies.append("cpu-60"), "autoscaler_owns_size"),
    Refusal(
        "cluster-autoscaler",
        lambda stage: group(stage).tags.update({"k8s.io/cluster-autoscaler/enabled": "true"}),
        "autoscaler_owns_size",
    ),
    Refusal(
        "of-a-nodegroup", lambda stage: group(stage).tags.update({"eks:nodegroup-name": "w"}), "belongs_to_nodegroup"
    ),
    Refusal("at-work", at_work, "scaling_in_progress"),
    Refusal("deleted", lambda stage: setattr(group(stage), "status", "Delete in progress"), "terminating"),
    Refusal("not-there", lambda stage: stage.aws.autoscaling.groups.clear(), "target_not_found"),
)

CASES = (
    AwsCase(
        action="aws.asg_set_capacity",
        prepare=a_group,
        changes=lambda stage: abs(group(stage).desired - 2),
        write=("autoscaling", "SetDesiredCapacity"),
        params={"by": 1, "max_size": 6},
        undoable=True,
        refusals=GROUP_REFUSALS,
    ),
    AwsCase(
        action="aws.asg_replace_instance",
        prepare=an_instance_of_a_group,
        changes=replaced,
        write=("autoscaling", "TerminateInstanceInAutoScalingGroup"),
        refusals=(
            Refusal("in-no-group", taken_out, "not_in_a_group"),
            Refusal("leaving", lambda stage: setattr(group(stage).members[0], "state", "Terminating"), "going_already"),
            Refusal("standby", lambda stage: setattr(group(stage).members[0], "state", "Standby"), "not_in_service"),
            Refusal("launch-suspended", lambda stage: group(stage).suspended.add("Launch"), "process_suspended"),
            Refusal("protected", lambda stage: setattr(group(stage).members[0], "protected", True), "protected"),
            Refusal(
                "the-last-one",
                all_unhealthy,
                "last_instance",
            ),
            Refusal("at-work", at_work, "scaling_in_progress"),
        ),
    ),
    AwsCase(
        action="aws.eks_nodegroup_scale",
        prepare=a_nodegroup,
        changes=lambda stage: abs(nodegroup(stage).group.desired - 2),
        write=("eks", "UpdateNodegroupConfig"),
        params={"by": 1, "max_size": 20},
        undoable=True,
        refusals=(
            Refusal("at-its-maximum", lambda stage: setattr(nodegroup(stage).group, "maximum", 2), "nothing_to_change"),
            Refusal("updating", lambda stage: setattr(nodegroup(stage), "status", "UPDATING"), "update_in_progress"),
            Refusal("degraded", lambda stage: setattr(nodegroup(stage), "status", "DEGRADED"), "not_healthy"),
            Refusal(
                "cluster-autoscaler",
                lambda stage: nodegroup(stage).tags.update({"k8s.io/cluster-autoscaler/enabled": "true"}),
                "autoscaler_owns_size",
            ),
            Refusal("not-there", lambda stage: stage.aws.eks.nodegroups.clear(), "target_not_found"),
        ),
    ),
    AwsCase(
        action="aws.ecs_restart",
        prepare=a_service,
        changes=lambda stage: service(stage).restarts,
        write=("ecs", "UpdateService"),
        refusals=(
            Refusal("zero", lambda stage: setattr(service(stage), "desired", 0), "scaled_to_zero"),
            Refusal("draining", lambda stage: setattr(service(stage), "status", "DRAINING"), "terminating"),
            Refusal(
                "code-deploy", lambda stage: setattr(service(stage), "controller", "CODE_DEPLOY"), "other_controller"
            ),
            Refusal("all-at-once", lambda stage: setattr(service(stage), "minimum_healthy", 0), "all_at_once"),
            Refusal("deployment", deployed_by_somebody, "deployment_in_progress"),
            Refusal("not-there", lambda stage: stage.aws.ecs.services.clear(), "target_not_found"),
        ),
    ),
    AwsCase(
        action="aws.ecs_scale",
        prepare=a_service,
        changes=lambda stage: int(service(stage).desired != 2),
        write=("ecs", "UpdateService"),
        params={"by": 2, "max_size": 8},
        undoable=True,
        refusals=(
            Refusal("zero", lambda stage: setattr(service(stage), "desired", 0), "scaled_to_zero"),
            Refusal("daemon", lambda stage: setattr(service(stage), "scheduling", "DAEMON"), "daemon"),
            Refusal("at-the-bound", lambda stage: setattr(service(stage), "desired", 8), "nothing_to_change"),
            Refusal(
                "autoscaled",
                lambda stage: stage.aws.application_autoscaling.targets.update(
                    {"service/main/checkout": Scalable("service/main/checkout", 2, 6)}
                ),
                "autoscaler_owns_size",
            ),
            Refusal("deployment", deployed_by_somebody, "deployment_in_progress"),
        ),
    ),
    AwsCase(
        action="aws.ec2_reboot",
        prepare=an_instance,
        changes=lambda stage: sum(one.reboots for one in stage.aws.ec2.instances.values()),
        write=("ec2", "RebootInstances"),
        refusals=(
            Refusal(
                "stopped", lambda stage: setattr(stage.aws.ec2.instances[INSTANCE], "state", "stopped"), "not_running"
            ),
            Refusal(
                "in-a-group",
                lambda stage: stage.aws.ec2.instances[INSTANCE].tags.update({"aws:autoscaling:groupName": "web"}),
                "in_a_group",
            ),
            Refusal("not-there", lambda stage: stage.aws.ec2.instances.clear(), "target_not_found"),
        ),
    ),
    AwsCase(
        action="aws.ssm_run",
        prepare=a_managed_instance,
        changes=lambda stage: len(stage.aws.ssm.commands),
        write=("ssm", "SendCommand"),
        params={"document": DOCUMENT, "parameters": {"Spool": ("/var/spool/mail",)}},
        refusals=(
            Refusal(
                "automation",
                lambda stage: setattr(stage.aws.ssm.documents[DOCUMENT], "kind", "Automation"),
                "not_a_command",
            ),
            Refusal("no-document", lambda stage: stage.aws.ssm.documents.clear(), "no_such_document"),
            Refusal("unknown-to-ssm", lambda stage: stage.aws.ssm.agents.clear(), "not_managed"),
            Refusal(
                "offline", lambda stage: stage.aws.ssm.agents.update({INSTANCE: "ConnectionLost"}), "agent_offline"
            ),
            Refusal("running", command_runs, "command_running"),
        ),
    ),
)
