"""What the API server does to an object before it stores it: defaults, then validation."""

import json
import re
from typing import Any

from remediator.sandbox.kubernetes.budget_rules import budget_causes
from remediator.sandbox.kubernetes.errors import Cause, UndecodableError, bad_request, invalid
from remediator.sandbox.kubernetes.job_rules import (
    batch_causes,
    cron_job_defaults,
    job_defaults,
    with_generated_selector,
)
from remediator.sandbox.kubernetes.resources import (
    AUTOSCALERS,
    CLAIMS,
    CRON_JOBS,
    DAEMON_SETS,
    DEPLOYMENTS,
    DISRUPTION_BUDGETS,
    JOBS,
    NAMESPACES,
    NODES,
    PODS,
    REPLICA_SETS,
    STATEFUL_SETS,
    WORKLOADS,
    Object,
    Resource,
)
from remediator.sandbox.kubernetes.selectors import matches_selector
from remediator.sandbox.kubernetes.volume_rules import claim_causes

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_NAME_RULE = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', "
    "and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_NOT_NEGATIVE = "must be greater than or equal to 0"
_IMMUTABLE = "field is immutable"

_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_FIXED = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)

_DEFAULTS: dict[Resource, Object] = {
    DEPLOYMENTS: {"replicas": 1, "revisionHistoryLimit": 10, "progressDeadlineSeconds": 600},
    STATEFUL_SETS: {
        "replicas": 1,
        "revisionHistoryLimit": 10,
        "podManagementPolicy": "OrderedReady",
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
    },
    DAEMON_SETS: {
        "revisionHistoryLimit": 10,
        "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}},
    },
    REPLICA_SETS: {"replicas": 1},
    AUTOSCALERS: {"minReplicas": 1},
}

_BATCH_DEFAULTS = {JOBS: job_defaults, CRON_JOBS: cron_job_defaults}


def with_defaults(resource: Resource, obj: Object) -> Object:
    """The object with the defaults of its kind filled in; also on update, where deleting a field brings the default."""
    if not isinstance(obj.get("spec"), dict):
        return obj
    if resource in _BATCH_DEFAULTS:
        given = {key: value for key, value in obj["spec"].items() if value is not None}
        obj = {**obj, "spec": _BATCH_DEFAULTS[resource](given)}
        return with_generated_selector(obj) if resource is JOBS else obj
    if resource not in _DEFAULTS:
        return obj
    spec = {**_DEFAULTS[resource], **{key: value for key, value in obj["spec"].items() if value is not None}}
    if resource is DEPLOYMENTS:
        spec["strategy"] = _strategy(spec.get("strategy") or {})
    if isinstance(template := spec.get("template"), dict) and isinstance(template.get("spec"), dict):
        pod = {"restartPolicy": "Always", "terminationGracePeriodSeconds": 30, **template["spec"]}
        spec["template"] = {**template, "spec": pod}
    return {**obj, "spec": spec}


def with_first_status(resource: Resource, obj: Object) -> Object:
    """The object as it is born: the status that the sender gave is dropped, save for nodes and custom resources."""
    if resource is NAMESPACES:
        return {**obj, "status": {"phase": "Active"}}
    if resource is PODS:
        return {**obj, "status": {"phase": "Pending"}}
    if resource is DISRUPTION_BUDGETS:
        zeros = dict.fromkeys(("currentHealthy", "desiredHealthy", "disruptionsAllowed", "expectedPods"), 0)
        return {**obj, "status": zeros}
    if resource is AUTOSCALERS:
        return {**obj, "status": {"desiredReplicas": 0, "currentMetrics": None}}
    if not resource.built_in or not resource.status or resource is NODES:
        return obj
    return {**obj, "status": {}}


def _strategy(strategy: Object) -> Object:
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        return strategy
    rolling = {"maxUnavailable": "25%", "maxSurge": "25%", **(strategy.get("rollingUpdate") or {})}
    return {"type": "RollingUpdate", "rollingUpdate": rolling}


def check_form(obj: Any) -> Object:
    """The object if it is one that can be decoded at all; raises 400 as the decoder of the real server does."""
    if not isinstance(obj, dict):
        raise bad_request("the body must be a JSON object")
    metadata = obj.get("metadata", {})
    if not isinstance(metadata, dict):
        raise UndecodableError("json: cannot unmarshal into Go struct field .metadata of type v1.ObjectMeta")
    for field in ("labels", "annotations"):
        pairs = metadata.get(field)
        if pairs is None:
            continue
        if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
            raise UndecodableError(
                f"json: cannot unmarshal into Go struct field ObjectMeta.metadata.{field} of type string"
            )
    template = obj.get("spec", {}).get("template") if isinstance(obj.get("spec"), dict) else None
    if isinstance(template, dict) and template:
        check_form({"metadata": template.get("metadata") or {}})
    return obj


def check_type(resource: Resource, obj: Object) -> None:
    """Raise 400 for an object that says it is of another kind; one that does not say it is taken as it is."""
    version, kind = obj.get("apiVersion", resource.api_version), obj.get("kind", resource.kind)
    if (version, kind) != (resource.api_version, resource.kind):
        short = version.rpartition("/")[2] if isinstance(version, str) else version
        message = (
            f'{kind} in version "{short}" cannot be handled as a {resource.kind}: '
            f"converting ({short}.{kind}) to ({resource.group or 'core'}.{resource.kind}): unknown conversion"
        )
        raise bad_request(message)


def validate(resource: Resource, obj: Object, old: Object | None = None) -> None:
    """Raise 422 with every cause found."""
    causes: list[Cause] = []
    name = obj["metadata"].get("name", "")
    if old is None and (len(name) > 253 or not _NAME.fullmatch(name)):
        causes.append(_cause("metadata.name", name, _NAME_RULE))
    spec = obj.get("spec")
    if not isinstance(spec, dict):
        spec = {}
    if resource in (*WORKLOADS, REPLICA_SETS):
        causes += _workload_causes(spec, (old or {}).get("spec"))
    if resource is AUTOSCALERS:
        causes += _autoscaler_causes(spec)
    if resource is STATEFUL_SETS and old is not None and _fixed(spec) != _fixed(old["spec"]):
        causes.append(Cause("FieldValueForbidden", f"Forbidden: {_FIXED}", "spec"))
    if resource is DISRUPTION_BUDGETS:
        causes += budget_causes(spec)
    if resource is CLAIMS:
        causes += claim_causes(obj, old)
    if resource in (JOBS, CRON_JOBS):
        causes += batch_causes(resource, obj, old)
    if causes:
        raise invalid(resource, name, causes)


def _fixed(spec: Object) -> Object:
    """What of a StatefulSet's spec can never change."""
    return {key: value for key, value in spec.items() if key not in (*_CHANGEABLE, "selector")}


def _workload_causes(spec: Object, old_spec: Object | None) -> list[Cause]:
    causes: list[Cause] = []
    for field in ("replicas", "minReadySeconds", "progressDeadlineSeconds", "revisionHistoryLimit"):
        value = spec.get(field, 0)
        if isinstance(value, bool) or not isinstance(value, int):
            raise UndecodableError(f"json: cannot unmarshal into Go struct field spec.{field} of type int32")
        if value < 0:
            causes.append(_cause(f"spec.{field}", value, _NOT_NEGATIVE))
    selector = spec.get("selector")
    template = spec.get("template") or {}
    labels = (template.get("metadata") or {}).get("labels") or {}
    if not isinstance(selector, dict) or not selector:
        causes.append(Cause("FieldValueRequired", "Required value", "spec.selector"))
    elif not matches_selector(selector, labels):
        causes.append(_cause("spec.template.metadata.labels", labels, "`selector` does not match template `labels`"))
    if old_spec is not None and old_spec.get("selector") != selector:
        causes.append(_cause("spec.selector", selector, _IMMUTABLE))
    containers = (template.get("spec") or {}).get("containers") or []
    if not containers:
        causes.append(Cause("FieldValueRequired", "Required value", "spec.template.spec.containers"))
    for number, container in enumerate(containers):
        for field in ("name", "image"):
            if not container.get(field):
                path = f"spec.template.spec.containers[{number}].{field}"
                causes.append(Cause("FieldValueRequired", "Required value", path))
    return causes


def _autoscaler_causes(spec: Object) -> list[Cause]:
    causes: list[Cause] = []
    least, most = spec.get("minReplicas", 1), spec.get("maxReplicas", 0)
    for field, value in (("minReplicas", least), ("maxReplicas", most)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise UndecodableError(f"json: cannot unmarshal into Go struct field spec.{field} of type int32")
    if least < 1:
        causes.append(_cause("spec.minReplicas", least, "must be greater than or equal to 1"))
    if most == 0:
        causes.append(Cause("FieldValueRequired", "Required value: must be set and greater than 0", "spec.maxReplicas"))
    elif most < 0:
        causes.append(_cause("spec.maxReplicas", most, "must be greater than or equal to 1"))
    if most < least:
        causes.append(_cause("spec.maxReplicas", most, "must be greater than or equal to `minReplicas`"))
    causes += [
        Cause("FieldValueRequired", "Required value", f"spec.scaleTargetRef.{field}")
        for field in ("kind", "name")
        if not (spec.get("scaleTargetRef") or {}).get(field)
    ]
    return causes


def not_negative_replicas(resource: Resource, name: str, replicas: Any) -> int:
    """The replicas asked of a scale subresource; raises 422 naming Scale, or 400 when it is no number."""
    if isinstance(replicas, bool) or not isinstance(replicas, int):
        raise UndecodableError("json: cannot unmarshal into Go struct field ScaleSpec.spec.replicas of type int32")
    if replicas < 0:
        raise invalid(resource, name, [_cause("spec.replicas", replicas, _NOT_NEGATIVE)], kind="Scale")
    return replicas


def immutable_uid(resource: Resource, name: str, sent: Any) -> None:
    """Refuse a patch that names another uid: 422, not 409, as measured on the real server."""
    raise invalid(resource, name, [_cause("metadata.uid", sent, _IMMUTABLE)])


def _cause(field: str, value: Any, why: str) -> Cause:
    shown = json.dumps(value, separators=(",", ":"))
    return Cause("FieldValueInvalid", f"Invalid value: {shown}: {why}", field)
