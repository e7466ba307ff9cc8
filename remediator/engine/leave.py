"""What settings must let a step do beyond changing its target: a command in a pod, a document of Systems Manager on an instance."""

from remediator.actions.aws.ssm_run import Params as SsmParams
from remediator.actions.base import Action, ActionParams
from remediator.clients.permissions import in_cluster
from remediator.decision.facts import Problem
from remediator.settings import Settings
from remediator.targets import Target


def not_let(settings: Settings, action: Action, target: Target, params: ActionParams) -> Problem | None:
    """Why settings do not let this step be done; None where they do. Their silence is a no."""
    if isinstance(params, SsmParams):
        account = settings.account_named(target.account)
        if account is None or params.document not in account.documents:
            text = (
                f"document {params.document} is not in settings accounts.<name>.documents of account {target.account}"
            )
            return Problem("document_not_allowed", text)
    if any(one.runs_commands for one in in_cluster(action.permissions(target.kind, params))):
        cluster = settings.clusters.get(target.place)
        if cluster is None or not cluster.commands:
            text = f"{action.name} runs a command in a pod, and settings clusters.{target.place}.commands is not set"
            return Problem("commands_not_allowed", text)
    return None
