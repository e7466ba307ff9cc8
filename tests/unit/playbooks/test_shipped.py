"""The playbooks that ship, and the drafts: S39, all 29 rows of the runbook coverage are written in the language."""

import re
from pathlib import Path

from remediator.marked_yaml import load
from remediator.playbooks import language
from remediator.playbooks.checks import overlaps
from remediator.playbooks.library import LoadedSet, load_directory
from remediator.playbooks.model import Autonomy, Playbook
from remediator.playbooks.rules import ESCALATE_WORDS
from remediator.playbooks.target_spec import TargetSpec
from tests.docs.markdown import rows, section

PLAYBOOKS = Path(__file__).parents[3] / "playbooks"
README = (PLAYBOOKS / "README.md").read_text()


def everything() -> LoadedSet:
    return load_directory(PLAYBOOKS, action_params={}, condition_params={}, drafts=True)


def test_all_rows_are_covered() -> None:
    assert {row for playbook in everything().playbooks for row in playbook.metadata.rows} == set(range(1, 30))


def test_every_file_says_in_its_first_line_which_rows_it_keeps() -> None:
    loaded = everything()
    for name, file in loaded.files.items():
        stated = re.match(r"# Runbook coverage rows? (\d+(?: and \d+)*)", Path(file).read_text())
        playbook = loaded.get(name)
        assert playbook is not None
        assert stated is not None, file
        assert Path(file).stem == name
        assert tuple(map(int, re.findall(r"\d+", stated[1]))) == playbook.metadata.rows


def test_what_ships_uses_only_what_is_built_and_raises_no_warning() -> None:
    shipped = load_directory(PLAYBOOKS, action_params={}, condition_params={})
    assert {"service-down", "latency-scale-out"} <= {playbook.name for playbook in shipped.playbooks}
    assert shipped.warnings == ()


def test_no_two_playbooks_can_take_one_alert() -> None:
    """S6: rows that share an alert and a target are one playbook."""
    assert list(overlaps(everything().playbooks)) == []


def test_every_playbook_tells_people_what_it_is_and_when_it_fails() -> None:
    for playbook in everything().playbooks:
        assert playbook.metadata.description, playbook.name
        assert any("failed" in rule.words for rule in playbook.escalate), playbook.name


def test_every_name_of_the_language_is_used_by_a_row() -> None:
    """Nothing is in the language that no row needs."""
    used_actions = {step.action for p in everything().playbooks for r in p.remedies for step in r.steps}
    targets = {spec.type for p in everything().playbooks for spec in p.target_specs.values()}
    assert used_actions <= language.ACTIONS
    assert targets <= set(TargetSpec.model_fields)


def test_the_example_of_the_reference_is_a_valid_playbook(tmp_path: Path) -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)
    (tmp_path / "example.yaml").write_text(example)
    loaded = load_directory(tmp_path, action_params={}, condition_params={})
    assert [playbook.name for playbook in loaded.playbooks] == [load(example, "x").value["metadata"]["name"]]


def test_the_reference_names_every_key_target_guard_and_word() -> None:
    """S40."""
    keys = {field.alias or name for name, field in Playbook.model_fields.items()}
    guards = set(type(everything().playbooks[0].guards).model_fields)
    for word in (keys | guards | set(TargetSpec.model_fields) | set(ESCALATE_WORDS)) - {"metadata"}:
        assert f"`{word}" in README, word
    for name in language.BUILT_ACTIONS | language.BUILT_CONDITIONS:
        assert f"`{name}`" in README, name


def test_the_table_of_rows_is_true() -> None:
    drafts = {path.stem for path in (PLAYBOOKS / "drafts").glob("*.yaml")}
    told = {row[1]: (row[0], row[3]) for row in rows(section(PLAYBOOKS / "README.md", "Rows of the runbooks"))}
    assert {name for name, (_, level) in told.items() if level.startswith("draft: ")} == {
        f"`{name}`" for name in drafts
    }
    for playbook in everything().playbooks:
        numbers, level = told.pop(f"`{playbook.name}`")
        assert numbers == ", ".join(map(str, playbook.metadata.rows))
        assert level == f"`{playbook.autonomy}`" or playbook.name in drafts
    assert told == {}


def test_what_waits_for_guards_only_proposes() -> None:
    """Blast radius, windows, storm brake and breaker are not built."""
    shipped = load_directory(PLAYBOOKS, action_params={}, condition_params={}).playbooks
    beyond = {playbook.name for playbook in shipped if playbook.autonomy.rank > Autonomy.PROPOSE.rank}
    assert beyond == {"service-down"}
