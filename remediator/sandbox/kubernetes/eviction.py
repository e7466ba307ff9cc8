"""The eviction subresource of pods: a delete that asks the disruption budgets first, in the real server's order."""

from typing import Any

from remediator.sandbox.kubernetes.controllers.pods import is_ready, is_terminating
from remediator.sandbox.kubernetes.deletion import Deletion
from remediator.sandbox.kubernetes.errors import ApiError, bad_request
from remediator.sandbox.kubernetes.resources import DISRUPTION_BUDGETS, PODS, Object
from remediator.sandbox.kubernetes.selectors import matches_selector
from remediator.sandbox.kubernetes.store import ObjectStore, Writer
from remediator.sandbox.kubernetes.write_options import DeleteOptions, WriteOptions, parse_delete_options
from remediator.sandbox.timekeeping import Pace, rfc3339_seconds

_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_AMBIGUOUS = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


class Evictions:
    """Evicts one pod at a time."""

    def __init__(self, store: ObjectStore, deletion: Deletion, pace: Pace) -> None:
        self._store = store
        self._deletion = deletion
        self._pace = pace

    def options(self, name: str, body: Any, asked: WriteOptions) -> DeleteOptions:
        """How to delete, from the Eviction and the query; raises 400 and 422 for an Eviction that cannot be taken."""
        if not isinstance(body, dict) or body.get("kind", "Eviction") != "Eviction":
            kind = body.get("kind") if isinstance(body, dict) else "List"
            text = f'{kind} in version "v1" cannot be handled as a Eviction: converting: unknown conversion'
            raise bad_request(text)
        if body.get("apiVersion", "policy/v1") not in ("policy/v1", "policy/v1beta1"):
            raise bad_request(f'no kind "Eviction" is registered for version "{body["apiVersion"]}"')
        if (body.get("metadata") or {}).get("name") != name:
            raise bad_request("name in URL does not match name in Eviction object")
        inside = body.get("deleteOptions") or {}
        if asked.dry_run and isinstance(inside, dict) and inside.get("dryRun") not in (None, [], ["All"]):
            found = " ".join(map(str, inside["dryRun"]))
            message = f"Non-matching dry-run options in request and content: [All] and [{found}]"
            raise ApiError(500, message, reason="")
        parsed = parse_delete_options(inside, asked.manager)
        return DeleteOptions(
            asked.manager, asked.dry_run or parsed.dry_run, parsed.policy, parsed.grace_s, parsed.preconditions
        )

    def evict(self, pod: Object, options: DeleteOptions) -> Object:
        """Let the pod go, if its budget allows; a dry run asks the budget and takes nothing from it."""
        writer = Writer(options.manager)
        if not (pod["status"].get("phase") in ("Pending", "Succeeded", "Failed") or is_terminating(pod)):
            self._ask_budget(pod, options)
        # As on the real server a precondition is looked at only after the budget was charged.
        self._deletion.check(PODS, pod, options)
        if not options.dry_run:
            pod = self._with_condition(pod, writer)
        freed = DeleteOptions(options.manager, options.dry_run, options.policy, options.grace_s)
        self._deletion.delete(PODS, pod, writer, freed)
        return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}

    def _ask_budget(self, pod: Object, options: DeleteOptions) -> None:
        budgets = [
            budget
            for budget in self._store.all(DISRUPTION_BUDGETS, pod["metadata"]["namespace"])
            if (selector := budget["spec"].get("selector")) is not None
            and matches_selector(selector, pod["metadata"].get("labels") or {})
        ]
        if len(budgets) > 1:
            raise ApiError(500, _AMBIGUOUS, reason="")
        if not budgets:
            return
        (budget,) = budgets
        if not is_ready(pod) and _lets_unhealthy_go(budget):
            return
        self._charge(budget, pod["metadata"]["name"], dry_run=options.dry_run)

    def _charge(self, budget: Object, pod_name: str, *, dry_run: bool) -> None:
        """Take one disruption from the budget; raises 429 when there is none, 403 when the budget is broken."""
        name, status = budget["metadata"]["name"], budget.get("status", {})
        if status.get("observedGeneration", 0) < budget["metadata"]["generation"]:
            text = f"The disruption budget {name} is still being processed by the server."
            raise _too_many(text, retry_after_s=10)
        allowed = status.get("disruptionsAllowed", 0)
        if allowed < 0:
            message = f'poddisruptionbudget.policy "{name}" is forbidden: pdb disruptions allowed is negative'
            details: Object = {"name": name, "group": "policy", "kind": "poddisruptionbudget"}
            raise ApiError(403, message, details=details)
        if allowed == 0:
            raise _too_many(_why_exhausted(name, status))
        if dry_run:
            return
        disrupted = {**status.get("disruptedPods", {}), pod_name: rfc3339_seconds(self._pace.now())}
        charged = {**status, "disruptionsAllowed": allowed - 1, "disruptedPods": disrupted}
        writer = Writer("kube-apiserver", "status", external=False)
        self._store.update(DISRUPTION_BUDGETS, budget, {**budget, "status": charged}, writer)

    def _with_condition(self, pod: Object, writer: Writer) -> Object:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting",
            "lastTransitionTime": rfc3339_seconds(self._pace.now()),
        }
        kept = [found for found in pod["status"].get("conditions", []) if found["type"] != "DisruptionTarget"]
        status = {**pod["status"], "conditions": [*kept, condition]}
        return self._store.update(
            PODS, pod, {**pod, "status": status}, Writer(writer.manager, "status", external=False)
        )


def _lets_unhealthy_go(budget: Object) -> bool:
    """Whether a pod that is not ready may go without being counted."""
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status", {})
    desired = status.get("desiredHealthy", 0)
    return bool(desired > 0 and status.get("currentHealthy", 0) >= desired)


def _why_exhausted(name: str, status: Object) -> str:
    current, desired = status.get("currentHealthy", 0), status.get("desiredHealthy", 0)
    conditions = status.get("conditions", [])
    refused = next(
        (found for found in conditions if found["type"] == "DisruptionAllowed" and found.get("message")), None
    )
    if refused is not None and refused["reason"] == "SyncFailed":
        failed = refused["message"]
        return f"The disruption budget {name} does not allow evicting pods currently because it failed sync: {failed}"
    if current <= desired:
        return f"The disruption budget {name} needs {desired} healthy pods and has {current} currently"
    return f"The disruption budget {name} does not allow evicting pods currently"


def _too_many(why: str, *, retry_after_s: int = 0) -> ApiError:
    details: Object = {"causes": [{"reason": "DisruptionBudget", "message": why}]}
    if retry_after_s:
        details["retryAfterSeconds"] = retry_after_s
    return ApiError(429, _REFUSED, details=details)
