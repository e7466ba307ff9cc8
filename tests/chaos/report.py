"""What a soak found, for people: SOAK.md beside this file is always the last one's."""

import os
import platform
import subprocess
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

_FILE = Path(__file__).with_name("SOAK.md")
_COLUMNS = (
    "plays",
    "processes killed",
    "processes frozen",
    "webhooks taken",
    "webhooks answered 503",
    "webhooks not answered",
    "runs",
    "runs verified",
    "changes of workloads",
    "claims lost",
    "duties lost",
)


@dataclass
class Report:
    """Of one soak."""

    seed: int
    minutes: float
    findings: list[str] = field(default_factory=list)
    _kinds: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, kind: str, counted: Counter[str]) -> None:
        """A play in which all was right."""
        self._kinds.setdefault(kind, Counter()).update(counted)
        self._kinds[kind]["plays"] += 1

    def add_finding(self, kind: str, wrong: str, again: str) -> None:
        """A play in which something was not."""
        self._kinds.setdefault(kind, Counter())["plays"] += 1
        self.findings.append(f"**{kind}**: `{again}`\n\n```\n{wrong[:1500]}\n```")

    def write(self) -> None:
        """Replace the last report."""
        total = sum(self._kinds.values(), Counter[str]())
        rows = [(kind, counted) for kind, counted in sorted(self._kinds.items())]
        table = [
            f"| kind | {' | '.join(_COLUMNS)} |",
            f"|---|{'---:|' * len(_COLUMNS)}",
            *(_row(kind, counted) for kind, counted in rows),
            _row("**all**", total),
        ]
        lines = [
            "# The last soak",
            "",
            "Written by `make soak` itself. What is played and what is asked of every play: this folder and `tests/crash/`.",
            "",
            f"- Date: {datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
            f"- Commit: {_commit()}",
            f"- Seed of the first round: {self.seed}",
            f"- Length: {self.minutes:g} minutes, on {os.cpu_count()} cores, Python {platform.python_version()}",
            f"- Findings: {len(self.findings) or 'none'}",
            "",
            *table,
            "",
            *(f"{finding}\n" for finding in self.findings),
        ]
        _FILE.write_text("\n".join(lines).rstrip() + "\n")


def _row(kind: str, counted: Counter[str]) -> str:
    return f"| {kind} | {' | '.join(str(counted[column]) for column in _COLUMNS)} |"


def _commit() -> str:
    """With a word about what was not committed: then the report is of no commit."""
    commit = _git("rev-parse", "HEAD")
    changed = [line for line in _git("status", "--porcelain").splitlines() if not line.endswith(_FILE.name)]
    return f"{commit} with {len(changed)} files changed since" if changed else commit


def _git(*words: str) -> str:
    return subprocess.run(["git", *words], cwd=_FILE.parent, capture_output=True, text=True, check=False).stdout.strip()
