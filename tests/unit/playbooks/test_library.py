import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict

from remediator.playbooks import library
from remediator.playbooks.library import Library, LoadedSet, PlaybookErrors, fingerprint_of_directory, load_directory
from tests.support.playbooks import document, remedy, write


class ScaleParams(BaseModel):
    model_config = ConfigDict(extra="forbid")

    by: int
    max_replicas: int = 10


def load(path: Path, **options: Any) -> LoadedSet:
    options = {"action_params": {"kubernetes.scale": ScaleParams}, "condition_params": {}} | options
    return load_directory(path, **options)


def names(loaded: LoadedSet) -> list[str]:
    return [playbook.name for playbook in loaded.playbooks]


def refused(path: Path, **options: Any) -> list[str]:
    with pytest.raises(PlaybookErrors) as error:
        load(path, **options)
    return [str(problem).removeprefix(f"{path}/") for problem in error.value.problems]


def test_a_directory_becomes_a_set(tmp_path: Path) -> None:
    write(tmp_path / "b.yaml", document("b"), document("c"))
    write(tmp_path / "a.yml", document("a", match=[['alertname="X"']]))
    (tmp_path / "team").mkdir()
    write(tmp_path / "team" / "d.yaml", document("d", match=None))
    loaded = load(tmp_path)
    assert names(loaded) == ["a", "b", "c", "d"]
    assert loaded.files["c"] == str(tmp_path / "b.yaml")
    assert [found.name for found in loaded.index.candidates({"alertname": "X"})] == ["a"]
    assert loaded.get("d") is not None
    assert loaded.get("e") is None


def test_tests_dotfiles_drafts_and_other_files_are_left_alone(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", document("a"))
    (tmp_path / "drafts").mkdir()
    (tmp_path / "drafts" / "unbuilt.yaml").write_text("{not a playbook")
    for name in ("a.test.yaml", ".hidden.yaml", "README.md", "a.yaml.bak"):
        (tmp_path / name).write_text("{not a playbook")
    assert names(load(tmp_path)) == ["a"]


def test_drafts_may_use_what_is_not_built_and_nothing_else_may(tmp_path: Path) -> None:
    (tmp_path / "drafts").mkdir()
    unbuilt = document("unbuilt", remedies=[remedy(steps=[{"wait": {}}])])
    write(tmp_path / "drafts" / "unbuilt.yaml", unbuilt)
    assert names(load(tmp_path, drafts=True)) == ["unbuilt"]
    write(tmp_path / "unbuilt.yaml", unbuilt)
    (problem,) = refused(tmp_path)
    assert "action wait is part of the language but not built in this release" in problem


def test_drafts_too_are_refused_what_the_language_does_not_know(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", document("a", remedies=[remedy(steps=[{"aws.rds_failovr": {}}])]))
    (problem,) = refused(tmp_path, drafts=True)
    assert "unknown action aws.rds_failovr (did you mean aws.rds_failover" in problem


def test_every_mistake_of_every_file_is_told_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a: 1\na: 2\n")
    write(tmp_path / "b.yaml", document("b", priority="x", kind="y"))
    write(tmp_path / "c.yaml", document("c", remedies=[remedy(steps=[{"kubernetes.scale": {"bye": 1, "by": 1}}])]))
    (tmp_path / "d.yaml").write_text("- x\n")
    (tmp_path / "e.yaml").write_bytes(b"a: \xff\n")
    found = refused(tmp_path)
    assert [problem.split(":")[0] for problem in found] == ["a.yaml", "b.yaml", "b.yaml", "c.yaml", "d.yaml", "e.yaml"]
    text = (tmp_path / "c.yaml").read_text().splitlines()
    line = next(number for number, line in enumerate(text, start=1) if '"bye"' in line)
    assert found[3] == (
        f"c.yaml:{line}: remedies[0].steps[0].kubernetes.scale.bye: unknown key "
        "(did you mean by? accepted: by, max_replicas)"
    )


def test_two_playbooks_of_one_name_are_refused_naming_both_places(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", document("same"))
    write(tmp_path / "b.yaml", document("other"), document("same"))
    (problem,) = refused(tmp_path)
    assert problem.startswith("b.yaml:")
    assert f"already in {tmp_path}/a.yaml:5" in problem


def test_a_directory_that_is_not_there_is_a_mistake_and_an_empty_one_a_warning(tmp_path: Path) -> None:
    assert "cannot be read" in refused(tmp_path / "gone")[0]
    (warning,) = load(tmp_path).warnings
    assert "no playbook" in str(warning)


@pytest.mark.parametrize("leads_to", ["/nowhere", "lost.yaml"])
def test_a_link_that_leads_nowhere_is_named(tmp_path: Path, leads_to: str) -> None:
    write(tmp_path / "a.yaml", document("a"))
    (tmp_path / "lost.yaml").symlink_to(leads_to)
    (problem,) = refused(tmp_path)
    assert problem.startswith("lost.yaml: cannot be read: ")


def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", document("a"))
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "endless.yaml").symlink_to("/dev/zero")
    assert [problem.partition(" (")[0] for problem in refused(tmp_path)] == [
        "endless.yaml: is no regular file",
        "pipe.yaml: is no regular file",
    ]


def test_overlaps_are_warned_of(tmp_path: Path) -> None:
    """S6."""
    write(tmp_path / "a.yaml", document("a"), document("b"))
    (warning,) = load(tmp_path).warnings
    assert "equal priority 0" in str(warning)
    assert warning.line is not None


def test_a_playbook_that_takes_alerts_about_remediator_is_refused(tmp_path: Path) -> None:
    """S30."""
    write(tmp_path / "a.yaml", document("a", match=[['severity="critical"']]))
    (problem,) = refused(tmp_path)
    assert "remediator itself" in problem


def test_variables_keep_their_type_and_settings_override_them(tmp_path: Path) -> None:
    scaling = remedy(steps=[{"kubernetes.scale": {"by": "{{ vars.step }}", "max_replicas": 5}}])
    write(tmp_path / "a.yaml", document("a", vars={"step": 1, "text": "x"}, remedies=[scaling]))
    assert load(tmp_path).playbooks[0].remedies[0].steps[0].params["by"] == 1
    overridden = load(tmp_path, vars_overrides={"a": {"step": 3}}).playbooks[0]
    assert overridden.remedies[0].steps[0].params["by"] == 3
    assert overridden.vars == {"step": 3, "text": "x"}
    assert overridden.revision != load(tmp_path).playbooks[0].revision


def test_variables_that_are_not_there_are_mistakes(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", document("a", remedies=[remedy(steps=[{"kubernetes.scale": {"by": "{{ vars.stp }}"}}])]))
    write(tmp_path / "b.yaml", document("b", vars={"step": 1}, match=None))
    first, second = refused(tmp_path, vars_overrides={"b": {"stepp": 2}})
    assert first.startswith("a.yaml:")
    assert "remedies[0].steps[0].kubernetes.scale.by: vars has no 'stp'" in first
    assert "did you mean step" in second


def test_overrides_for_a_playbook_that_is_not_there_are_warned_of(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", document("a"))
    (warning,) = load(tmp_path, vars_overrides={"b": {"x": 1}}).warnings
    assert "'b'" in str(warning)


def test_a_file_for_a_newer_program_is_left_out_and_its_last_good_copy_kept(tmp_path: Path) -> None:
    """S38."""
    write(tmp_path / "a.yaml", document("a"))
    write(tmp_path / "b.yaml", document("b", match=None))
    before = load(tmp_path, program_version="1.3.9")
    newer = document("a", requires=">=1.4", future_key={"x": 1})
    write(tmp_path / "a.yaml", newer)
    after = load(tmp_path, program_version="1.3.9", previous=before)
    assert after.get("a") == before.get("a")
    assert "needs remediator >=1.4, this is 1.3.9: its last good copy stays in use" in str(after.warnings[0])
    alone = load(tmp_path, program_version="1.3.9")
    assert names(alone) == ["b"]
    assert "left out" in str(alone.warnings[0])
    assert "future_key" in refused(tmp_path, program_version="1.4.0")[0]


def test_the_hash_of_the_set_follows_contents_not_places(tmp_path: Path) -> None:
    """S22."""
    write(tmp_path / "a.yaml", document("a", match=None))
    first = load(tmp_path)
    (tmp_path / "a.yaml").rename(tmp_path / "other.yaml")
    assert load(tmp_path).set_hash == first.set_hash
    write(tmp_path / "other.yaml", document("a", match=None, priority=2))
    assert load(tmp_path).set_hash != first.set_hash


def config_map(root: Path, stamp: str, **files: dict[str, Any]) -> None:
    """Lay files out as the kubelet does, and swap them in."""
    data = root / f"..{stamp}"
    data.mkdir(parents=True)
    for name, content in files.items():
        write(data / f"{name}.yaml", content)
        link = root / f"{name}.yaml"
        if not link.is_symlink():
            link.symlink_to(Path("..data") / f"{name}.yaml")
    (root / "..data_tmp").symlink_to(data.name)
    (root / "..data_tmp").replace(root / "..data")


def test_a_config_map_mount_is_read_once_and_named_by_its_visible_files(tmp_path: Path) -> None:
    config_map(tmp_path, "1", a=document("a"), b=document("b", match=None))
    loaded = load(tmp_path)
    assert names(loaded) == ["a", "b"]
    assert loaded.files == {"a": str(tmp_path / "a.yaml"), "b": str(tmp_path / "b.yaml")}


def test_a_config_map_is_what_its_data_holds_whatever_links_are_left_or_still_to_come(tmp_path: Path) -> None:
    """The kubelet swaps the data first, then makes the links of new files and removes those of files that are gone."""
    config_map(tmp_path, "1", a=document("a"), gone=document("gone", match=None))
    config_map(tmp_path, "2", a=document("a"), new=document("new", match=None))
    (tmp_path / "new.yaml").unlink()
    assert (tmp_path / "gone.yaml").is_symlink()
    assert names(load(tmp_path)) == ["a", "new"]


def test_a_config_map_inside_the_directory_is_read_too(tmp_path: Path) -> None:
    config_map(tmp_path / "team", "1", a=document("a"))
    assert names(load(tmp_path)) == ["a"]


def test_a_swap_while_reading_never_mixes_two_sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config_map(tmp_path, "1", a=document("a", priority=1), b=document("b", priority=1, match=None))
    truly, swapped = library._read, False

    def swapping(real: Path, shown: str) -> Any:
        nonlocal swapped
        text = truly(real, shown)
        if not swapped:
            swapped = True
            config_map(tmp_path, "2", a=document("a", priority=2), b=document("b", priority=2, match=None))
        return text

    monkeypatch.setattr(library, "_read", swapping)
    assert [playbook.priority for playbook in load(tmp_path).playbooks] == [2, 2]


def test_files_that_never_stop_changing_are_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.yaml", document("a"))
    truly, count = library._read, 0

    def changing(real: Path, shown: str) -> Any:
        nonlocal count
        count += 1
        text = truly(real, shown)
        write(real, document("a", metadata={"name": "a", "description": "x" * count}))
        return text

    monkeypatch.setattr(library, "_read", changing)
    assert "change while they are read" in refused(tmp_path)[0]


def test_a_link_that_leads_back_up_ends(tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", document("a"))
    (tmp_path / "again").symlink_to(tmp_path)
    assert names(load(tmp_path)) == ["a"]


def test_the_fingerprint_follows_every_change(tmp_path: Path) -> None:
    seen = {fingerprint_of_directory(tmp_path)}
    write(tmp_path / "a.yaml", document("a"))
    seen.add(fingerprint_of_directory(tmp_path))
    write(tmp_path / "a.yaml", document("a", priority=10))
    seen.add(fingerprint_of_directory(tmp_path))
    (tmp_path / "a.yaml").rename(tmp_path / "b.yaml")
    seen.add(fingerprint_of_directory(tmp_path))
    config_map(tmp_path / "m", "1", c=document("c"))
    seen.add(fingerprint_of_directory(tmp_path))
    config_map(tmp_path / "m", "2", c=document("c"))
    seen.add(fingerprint_of_directory(tmp_path))
    assert len(seen) == 6
    assert fingerprint_of_directory(tmp_path) in seen


@pytest.fixture
def books(tmp_path: Path) -> Library:
    write(tmp_path / "a.yaml", document("a"))
    return Library(tmp_path, action_params={}, condition_params={})


def test_a_bad_reload_keeps_the_set_from_before(tmp_path: Path, books: Library) -> None:
    assert names(books.current) == []
    good = books.reload()
    (tmp_path / "b.yaml").write_text("kind: [")
    with pytest.raises(PlaybookErrors):
        books.reload()
    assert books.current is good
    write(tmp_path / "b.yaml", document("b", match=None))
    assert names(books.reload()) == ["a", "b"]


def test_a_change_is_noticed_once_also_when_it_is_refused(tmp_path: Path, books: Library) -> None:
    assert books.changed()
    books.reload()
    assert not books.changed()
    (tmp_path / "a.yaml").write_text("kind: [")
    assert books.changed()
    with pytest.raises(PlaybookErrors):
        books.reload()
    assert not books.changed()
