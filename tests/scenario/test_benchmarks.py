"""``python -m benchmarks --quick`` runs every benchmark and writes down every figure; what they say on this machine is not judged."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FIGURES = {
    "matching": {"us_per_alert"},
    "intake": {"requests_per_s", "alerts_per_s", "p50_ms", "p99_ms", "cpu_us_per_request"},
    "decisions": {"decisions_per_s", "cpu_us_per_alert"},
    "first call": {"p50_ms", "p99_ms"},
    "runs": {"runs_per_s", "cpu_ms_per_run", "api_requests_per_run", "peak_mib"},
    "idle": {"start_s", "memory_mib", "cpu_percent"},
    "actions": set[str](),
}


@pytest.mark.slow
@pytest.mark.serial
def test_a_quick_run_is_whole(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    command = [sys.executable, "-m", "benchmarks", "--quick", "--json", str(report)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    written = json.loads(report.read_text())
    assert written["scale"] == "quick"
    assert written["machine"]["cores"] >= 1
    measured = [row for row in written["results"] if not row["note"]]
    for row in measured:
        assert set(row["figures"]) == FIGURES[row["benchmark"]], row
        assert all(value >= 0 for value in row["figures"].values()), row
        assert (row["ratio"] is None) == (not row["floor"]), row
        assert row["benchmark"] in done.stdout
    assert {row["benchmark"] for row in written["results"]} == set(FIGURES)
    assert {row["benchmark"] for row in measured} == set(FIGURES) - {"actions"}
