"""What may not be in the repository, and what must be."""

import re
import subprocess

import yaml

from tests.docs.markdown import DOCUMENTS, README, ROOT, blocks

# Put together here, so that this file does not hold what it looks for.
WORKSHOP = tuple(f"/{place}/" for place in ("work", "root"))
REGISTRIES = tuple(
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("proxy", "golang", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
        ("quay", "io"),
        ("gcr", "io"),
    )
)


def tracked() -> list[str]:
    found = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return [name for name in found.split("\0") if name and (ROOT / name).is_file()]


def test_no_file_names_a_place_on_a_developers_machine_or_a_package_registry() -> None:
    found = [
        f"{name}: {word}"
        for name in tracked()
        for text in [(ROOT / name).read_bytes().decode("utf-8", "replace")]
        for word in (*WORKSHOP, *REGISTRIES)
        if re.search(rf"(?<![\w.-]){re.escape(word)}" if word in WORKSHOP else re.escape(word), text)
    ]
    assert found == []


def test_the_changelog_tells_operators_about_behaviour_first() -> None:
    text = (ROOT / "CHANGELOG.md").read_text()
    unreleased = text.partition("\n## Unreleased\n")[2].partition("\n## ")[0]
    assert re.findall(r"^### (\w+)", unreleased, re.M)[0] == "Behaviour"


def test_decisions_are_dated_and_whole() -> None:
    decisions = (ROOT / "CONTRIBUTING.md").read_text().partition("\n## Decisions\n")[2].split("\n### ")[1:]
    assert len(decisions) > 5
    for decision in decisions:
        assert re.match(r"\d{4}-\d\d-\d\d: ", decision), decision.splitlines()[0]
        assert re.findall(r"^- \*\*(\w+)\.\*\*", decision, re.M) == ["Context", "Options", "Choice", "Cost"], decision


def test_every_make_target_that_is_documented_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.M))
    told = {name for path in DOCUMENTS for name in re.findall(r"(?:`|^ {4})make ([a-z-]+)", path.read_text(), re.M)}
    assert {"demo", "test"} <= told <= targets


def test_every_yaml_block_parses() -> None:
    found = [block for path in DOCUMENTS for block in blocks(path) if block.language == "yaml"]
    assert len(found) > 2
    for block in found:
        assert yaml.safe_load(block.text)


def test_every_file_that_readme_names_exists() -> None:
    named = re.findall(r"`((?:deploy|playbooks|tests|remediator)/[\w./-]+)`", README.read_text())
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
