"""``remediator schema``: the playbook language as JSON Schema."""

from remediator.cli.show import as_json


def schema() -> None:
    """Print the JSON Schema of a playbook, for editors that complete and check while you type.

    Example: remediator schema > playbook.schema.json
    """
    from remediator.actions import ACTIONS
    from remediator.conditions import CONDITIONS
    from remediator.playbooks.schema import playbook_json_schema

    as_json(
        playbook_json_schema(
            {action.name: action.params for action in ACTIONS},
            {condition.name: condition.params for condition in CONDITIONS},
        )
    )
