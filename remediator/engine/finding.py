"""From what an alert names to exactly one existing target, by asking the cluster or AWS. Nothing found or a doubt is a problem."""

from remediator.clients.aws.api import AwsApi
from remediator.clients.aws.kinds import KINDS as KINDS_AT_AWS
from remediator.clients.kubernetes.client import KubernetesClient
from remediator.clients.kubernetes.errors import TargetNotFoundError
from remediator.clients.kubernetes.names import permission_on
from remediator.clients.kubernetes.owners import permissions_from
from remediator.clients.permissions import Right, read_workload
from remediator.conditions.base import World
from remediator.decision.facts import Problem
from remediator.engine.named_target import AWS_KINDS, KINDS, NamedTarget
from remediator.errors import RemediatorError
from remediator.targets import WORKLOAD_KINDS, InvalidTargetError, Target


def permissions_to_find(type_: str, workload_kind: str = "any") -> tuple[Right, ...]:
    """What finding a target of this type (its key in the playbook) asks of the cluster or of AWS."""
    if type_ in AWS_KINDS:
        return KINDS_AT_AWS[AWS_KINDS[type_]].permissions
    if type_ == "workload":
        kinds = WORKLOAD_KINDS if workload_kind == "any" else (workload_kind,)
        return tuple(one for kind in kinds for one in read_workload(kind))
    kind = "pod" if type_ == "workload_of_pod" else KINDS[type_]
    return (permission_on(Target.kubernetes("c", "n", kind, "x"), "get"), *permissions_from(kind))


async def find(named: NamedTarget, world: World, *, held: Target | None = None) -> Target | Problem:
    """The one target. ``held`` is the target of the run that asks: a pod that its own change replaced is no reason to lose it."""
    what = str(named)
    try:
        if named.at_aws:
            return await _at_aws(named, world.aws)
        if named.type == "workload":
            return await _workload(named, world.kubernetes)
        if named.type == "workload_of_pod":
            return await _workload_of_pod(named, world.kubernetes, held)
        return await _itself(named, world.kubernetes)
    except InvalidTargetError as error:
        return Problem("target_undetermined", str(error))
    except TargetNotFoundError:
        return Problem("target_not_found", f"{what} does not exist")
    except RemediatorError as error:
        return Problem("facts_missing", f"whether {what} exists could not be read: {error}", "wait")


async def _at_aws(named: NamedTarget, aws: AwsApi) -> Target | Problem:
    target = named.sketch()
    if isinstance(target, Target):
        await KINDS_AT_AWS[target.kind].exists(aws, target)
    return target


async def _workload(named: NamedTarget, kubernetes: KubernetesClient) -> Target | Problem:
    found = await kubernetes.workloads.find(named.place, named.namespace, named.name, named.kinds)
    what = f"{named.namespace}/{named.name} in {named.place}"
    if not found:
        return Problem("target_not_found", f"no {' or '.join(named.kinds)} {what}")
    if len(found) > 1:
        kinds_found = " and ".join(target.kind for target in found)
        return Problem("target_ambiguous", f"{what} is a {kinds_found}; name the kind")
    return found[0]


async def _workload_of_pod(named: NamedTarget, kubernetes: KubernetesClient, held: Target | None) -> Target | Problem:
    pod = Target.kubernetes(named.place, named.namespace, "pod", named.name)
    try:
        document = await kubernetes.document(pod)
    except TargetNotFoundError:
        if held is not None and named.could_be(held):
            await kubernetes.document(held)
            return held
        return Problem("target_not_found", f"pod {pod.short} in {named.place} is gone, so its workload cannot be told")
    owner = await kubernetes.owners.of("pod", named.namespace, document)
    return owner.workload or Problem("no_workload", owner.why_none)


async def _itself(named: NamedTarget, kubernetes: KubernetesClient) -> Target | Problem:
    target = Target.kubernetes(named.place, named.namespace, named.kinds[0], named.name)
    document = await kubernetes.document(target)
    owner = await kubernetes.owners.of(target.kind, named.namespace, document)
    if owner.ambiguous:
        return Problem("target_ambiguous", owner.why_none)
    return Target.kubernetes(named.place, named.namespace, target.kind, named.name, owner.workload)
