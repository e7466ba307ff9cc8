from importlib import resources
from pathlib import Path

from remediator.actions import ACTIONS
from remediator.conditions import CONDITIONS
from remediator.playbooks.library import Library


def test_the_demo_playbooks_load_without_a_warning(tmp_path: Path) -> None:
    for file in resources.files("remediator.drills").joinpath("demo_playbooks").iterdir():
        (tmp_path / file.name).write_text(file.read_text())
    library = Library(
        tmp_path,
        action_params={action.name: action.params for action in ACTIONS},
        condition_params={condition.name: condition.params for condition in CONDITIONS},
        vars_overrides={},
    )
    library.reload()
    assert sorted(playbook.name for playbook in library.current.playbooks) == [
        "database-failover",
        "rollout-stuck",
        "service-down",
    ]
