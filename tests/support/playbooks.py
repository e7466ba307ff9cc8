"""Playbooks for tests: small valid documents, and directories of them."""

import copy
import json
from pathlib import Path
from typing import Any

from remediator.playbooks.model import Playbook

_RESTART: dict[str, Any] = {
    "name": "restart",
    "steps": [{"kubernetes.rollout_restart": {}}],
    "verify": {"within": "10m", "hold": "1m", "all": [{"rollout_complete": {}}]},
}


def document(name: str = "restart-it", **changes: Any) -> dict[str, Any]:
    """A playbook as plain data; ``changes`` replace top-level keys, None removes one."""
    whole: dict[str, Any] = {
        "apiVersion": "remediator.dev/v1beta1",
        "kind": "Playbook",
        "metadata": {"name": name},
        "match": [['alertname="ServiceDown"']],
        "target": {
            "workload": {
                "kind": "deployment",
                "namespace": "{{ labels.namespace }}",
                "name": "{{ labels.deployment }}",
            }
        },
        "remedies": [_RESTART],
    }
    whole = copy.deepcopy(whole | changes)
    return {key: value for key, value in whole.items() if value is not None}


def playbook(name: str = "restart-it", **changes: Any) -> Playbook:
    """The same, checked."""
    return Playbook.model_validate(document(name, **changes))


def remedy(**changes: Any) -> dict[str, Any]:
    """One remedy as plain data."""
    return copy.deepcopy({key: value for key, value in (_RESTART | changes).items() if value is not None})


def write(path: Path, *documents: dict[str, Any]) -> Path:
    """Write documents as one file (JSON is YAML)."""
    path.write_text("\n---\n".join(json.dumps(one, indent=1) for one in documents))
    return path
