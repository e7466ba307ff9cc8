"""The options of a write: from the query, and for deletes from the body instead when there is one."""

from dataclasses import dataclass, field
from typing import Any

from remediator.sandbox.journal import Received
from remediator.sandbox.kubernetes.errors import Cause, bad_request, invalid_options, unsupported
from remediator.sandbox.kubernetes.query_numbers import whole_number
from remediator.sandbox.kubernetes.resources import Object
from remediator.sandbox.kubernetes.server_side_apply import APPLY_PATCH

_POLICIES = ("Foreground", "Background", "Orphan")
_GO_TYPES = {str: "string", float: "number", bool: "bool", list: "array"}
_KINDS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions", "DELETE": "DeleteOptions"}


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """What a write asks for beside its object. `force` is of server-side apply only."""

    manager: str
    dry_run: bool = False
    force: bool = False


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete. `policy` None: as the kind of object does by default."""

    manager: str
    dry_run: bool = False
    policy: str | None = None
    grace_s: int | None = None
    preconditions: Object = field(default_factory=dict)


def write_options(received: Received) -> WriteOptions:
    """Of a create, update or patch; raises 422 for what cannot be asked."""
    causes = dry_run_causes(received.repeated("dryRun"))
    sent = received.query.get("fieldManager", "")
    if len(sent) > 128:
        causes.append(Cause("FieldValueTooLong", "Too long: may not be more than 128 bytes", "fieldManager"))
    applies = received.content_type == APPLY_PATCH
    if applies and not sent:
        causes.append(Cause("FieldValueRequired", "Required value: is required for apply patch", "fieldManager"))
    if received.query.get("force") and not applies:
        causes.append(Cause("FieldValueForbidden", "Forbidden: may not be specified for non-apply patch", "force"))
    if causes:
        raise invalid_options(_KINDS.get(received.method, "CreateOptions"), causes)
    force = received.query.get("force", "").lower() in ("1", "true")
    return WriteOptions(sent or manager_of(received), bool(received.query.get("dryRun")), force)


def delete_options(received: Received) -> DeleteOptions:
    """Of a delete. As on a real server a body, if there is one, speaks alone: `?dryRun=All` beside it is not seen."""
    if received.body:
        return parse_delete_options(body_of(received), manager_of(received))
    query: Object = {
        key: received.query[key] for key in ("propagationPolicy", "gracePeriodSeconds") if key in received.query
    }
    if "gracePeriodSeconds" in query:
        query["gracePeriodSeconds"] = whole_number(query["gracePeriodSeconds"])
    return parse_delete_options({**query, "dryRun": received.repeated("dryRun")}, manager_of(received))


def parse_delete_options(sent: Any, manager: str) -> DeleteOptions:
    """A DeleteOptions object, checked; also the one inside an Eviction."""
    if not isinstance(sent, dict) or sent.get("kind", "DeleteOptions") != "DeleteOptions":
        raise bad_request("decoded object cannot be converted to DeleteOptions")
    dry_run, policy, grace_s = sent.get("dryRun") or [], sent.get("propagationPolicy"), sent.get("gracePeriodSeconds")
    preconditions = sent.get("preconditions") or {}
    if grace_s is not None and (isinstance(grace_s, bool) or not isinstance(grace_s, int)):
        field = "DeleteOptions.gracePeriodSeconds of type int64"
        raise bad_request(
            f"json: cannot unmarshal {_GO_TYPES.get(type(grace_s), 'object')} into Go struct field {field}"
        )
    if not isinstance(dry_run, list) or not isinstance(preconditions, dict):
        raise bad_request("json: cannot unmarshal into Go value of type v1.DeleteOptions")
    causes = dry_run_causes(dry_run)
    if policy is not None and policy not in _POLICIES:
        causes.insert(0, unsupported("propagationPolicy", policy, (*_POLICIES, "nil")))
    if causes:
        raise invalid_options("DeleteOptions", causes)
    if grace_s is not None and grace_s < 0:
        grace_s = 1
    wanted = {key: preconditions[key] for key in ("uid", "resourceVersion") if preconditions.get(key) is not None}
    return DeleteOptions(manager, bool(dry_run), policy, grace_s, wanted)


def dry_run_causes(values: list[Any]) -> list[Cause]:
    """Why these values of dryRun cannot be taken; only "All" can."""
    return [unsupported("dryRun", values, ("All",))] if any(value not in ("", "All") for value in values) else []


def manager_of(received: Received) -> str:
    """Who writes, where the request does not say: the first word of its user agent."""
    return received.user_agent.partition("/")[0] or "unknown"


def body_of(received: Received) -> Any:
    """The body decoded; raises 400 when it is not JSON."""
    try:
        return received.json()
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the body is not JSON: {error}") from error
