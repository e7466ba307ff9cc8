"""Who keeps an AWS resource in shape and would put it back (S13), by the tags that they leave. Terraform leaves none. Pure."""

from collections.abc import Mapping

_STACK = "aws:cloudformation:stack-name"
_AUTOSCALER = "k8s.io/cluster-autoscaler/"


def stacks_of(tags: Mapping[str, str]) -> tuple[str, ...]:
    """The CloudFormation stack (CDK's, eksctl's, Copilot's too) that made it."""
    return (f"CloudFormation stack {tags[_STACK]}",) if tags.get(_STACK) else ()


def cluster_autoscaler(tags: Mapping[str, str]) -> str | None:
    """The tag by which a Cluster Autoscaler finds the groups that it may size; None where there is none that says so."""
    for name, value in sorted(tags.items()):
        if name.startswith(f"{_AUTOSCALER}node-template/"):
            continue  # only describes nodes to it
        if name.startswith(_AUTOSCALER) and value.lower() not in ("false", "disabled"):
            return name
    return None
