"""Reading our own Markdown: sections, tables, and code blocks with what stands before them."""

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
README = ROOT / "README.md"
OPERATING = ROOT / "deploy" / "README.md"
DOCUMENTS = (
    README,
    OPERATING,
    ROOT / "deploy" / "alertmanager" / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "playbooks" / "README.md",
)

_BLOCK = re.compile(r"(?:<!-- (?P<walk>walk: [^>]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)


@dataclass(frozen=True)
class Block:
    """One fenced code block; ``walk`` is what the comment right before it says, if any."""

    language: str
    text: str
    walk: str


def section(path: Path, title: str) -> str:
    """Everything below a heading, up to the next one of its level."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", path.read_text(), re.M | re.S)
    assert found is not None, f"{path.name} has no section {title!r}"
    return found[1]


def rows(text: str) -> list[list[str]]:
    """The body rows of every table in the text, cell by cell."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
    rulers = {index for index, row in enumerate(cells) if set("".join(row)) <= {"-"}}
    return [row for index, row in enumerate(cells) if index not in rulers and index + 1 not in rulers]


def codes(text: str) -> list[str]:
    """Everything between backticks."""
    return re.findall(r"`([^`]+)`", text)


def first_column(path: Path, title: str) -> list[str]:
    """Everything between backticks in the first column of the tables of a section."""
    return [code for row in rows(section(path, title)) for code in codes(row[0])]


def blocks(path: Path) -> list[Block]:
    """Every fenced code block."""
    return [Block(found["language"], found["text"], found["walk"] or "") for found in _BLOCK.finditer(path.read_text())]
