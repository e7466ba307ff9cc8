"""Commands that need no service: check, schema, explain --offline, help."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

from tests.support.playbooks import document, remedy, write

Invoke = Callable[..., Result]
ROOT = Path(__file__).parents[3]
COMMANDS = (
    *("serve", "check", "permissions", "schema", "explain", "demo", "incidents", "decisions"),
    *("runs", "store", "approve", "reject", "cancel", "pause", "resume"),
)


def test_help_names_every_command_and_each_has_an_example(invoke: Invoke) -> None:
    shown = invoke("--help").stdout
    for command in COMMANDS:
        assert f"\n  {command}" in shown
        assert "Example" in invoke(command, "--help").stdout, command
    assert "Example" in invoke("runs", "answer", "--help").stdout
    assert "Example" in invoke("store", "check", "--help").stdout


def test_the_shipped_playbooks_and_their_drafts_are_good(invoke: Invoke) -> None:
    done = invoke("check", str(ROOT / "playbooks"))
    assert (done.exit_code, "playbooks good" in done.stdout) == (0, True)
    assert "backstop" in done.stdout
    assert invoke("check", str(ROOT / "playbooks"), "--drafts").exit_code == 0


def test_drafts_are_not_asked_of_clusters(invoke: Invoke) -> None:
    done = invoke("check", str(ROOT / "playbooks"), "--drafts", "--cluster")
    assert done.exit_code == 2 and "--drafts" in done.stderr


def test_no_cluster_to_ask_is_no_good_answer(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "remediator.yaml").unlink(missing_ok=True)
    done = invoke("check", str(ROOT / "playbooks"), "--cluster")
    assert done.exit_code == 1
    assert "no cluster to ask" in done.stdout + done.stderr


def test_every_problem_is_printed_with_file_and_line(invoke: Invoke, tmp_path: Path) -> None:
    folder = tmp_path / "playbooks"
    folder.mkdir()
    wrong = write(folder / "wrong.yaml", document("a", priority="high"))
    worse = write(folder / "worse.yaml", document("b", target=None))
    done = invoke("check")
    assert done.exit_code == 1
    for file in (wrong, worse):
        assert f"error: {file.relative_to(tmp_path)}:" in done.stdout
    found = json.loads(invoke("check", "--output", "json").stdout)
    assert found["ok"] is False
    assert all(problem["line"] and problem["file"] for problem in found["problems"])


def test_one_file_can_be_checked(invoke: Invoke, tmp_path: Path) -> None:
    assert invoke("check", str(write(tmp_path / "good.yaml", document("a")))).exit_code == 0
    assert invoke("check", str(write(tmp_path / "bad.yaml", document("a", kind="Playbok")))).exit_code == 1
    (tmp_path / "binary.yaml").write_bytes(b"\xff")
    assert invoke("check", str(tmp_path / "binary.yaml")).exit_code == 1
    assert invoke("check", str(tmp_path / "missing")).exit_code == 1


def test_equal_priorities_are_a_warning_not_a_problem(invoke: Invoke, tmp_path: Path) -> None:
    write(tmp_path / "two.yaml", document("one"), document("two"))
    done = invoke("check", str(tmp_path))
    assert done.exit_code == 0
    assert "warning: " in done.stdout and "(S6)" in done.stdout


@pytest.mark.parametrize(
    ("target", "step"),
    [
        ({"rds_instance": {"name": "orders"}}, "kubernetes.rollout_restart"),
        ({"node": {"name": "worker-1"}}, "kubernetes.rollout_restart"),
        ({"workload": {"kind": "any", "namespace": "shop", "name": "a"}}, "aws.rds_failover"),
    ],
)
def test_a_step_that_can_never_be_done_is_a_warning(
    invoke: Invoke, tmp_path: Path, target: dict[str, object], step: str
) -> None:
    write(tmp_path / "one.yaml", document("one", target=target, remedies=[remedy(steps=[{step: {}}])]))
    done = invoke("check", "one.yaml")
    assert done.exit_code == 0
    said = " ".join(done.stdout.split())
    assert f"{step} does not act on a {next(iter(target))}, so it is never done (accepted: " in said


def test_a_level_that_is_given_to_nothing_is_a_warning(invoke: Invoke, tmp_path: Path) -> None:
    write(tmp_path / "one.yaml", document("one"))
    trusted = "{level: act, content: 0123456789abcdef}"
    (tmp_path / "remediator.yaml").write_text(f"autonomy: {{playbooks: {{gone: act, one: {trusted}}}}}\n")
    done = invoke("check", "one.yaml")
    assert done.exit_code == 0
    assert "autonomy.playbooks.gone: there is no playbook of this name" in done.stdout
    assert "autonomy.playbooks.one: trusts content 0123456789abcdef" in done.stdout


def test_wrong_settings_are_a_problem_that_names_the_line_and_no_secret(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "remediator.yaml").write_text(
        "mode: dry-run\napi_tokens:\n  - {name: ann, token: s3cret, tokn: s3cret}\n"
    )
    done = invoke("check")
    assert done.exit_code == 1
    assert "remediator.yaml:3" in done.stderr and "s3cret" not in done.stderr + done.stdout


def test_one_credential_for_two_is_refused_before_the_service_does(invoke: Invoke, tmp_path: Path) -> None:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "remediator.yaml").write_text(
        "sources: {a: {credential: {token: s3cret}}, b: {credential: {token: s3cret}}}\n"
    )
    done = invoke("check")
    assert done.exit_code == 1
    assert "sources.b: has the same credential as sources.a" in done.stderr and "s3cret" not in done.stderr


def test_a_hostile_file_cannot_move_the_terminal(invoke: Invoke, tmp_path: Path) -> None:
    write(tmp_path / "a.yaml", document("a") | {"\x1b[2J\u202e": 1})
    done = invoke("check", str(tmp_path))
    assert done.exit_code == 1
    assert all(char == "\n" or char.isprintable() for char in done.stdout + done.stderr)


def test_the_schema_is_json_schema_of_a_playbook(invoke: Invoke) -> None:
    schema = json.loads(invoke("schema").stdout)
    assert schema["$schema"].startswith("https://json-schema.org/") and "remedies" in schema["properties"]


@pytest.fixture
def offline(tmp_path: Path) -> Path:
    folder = tmp_path / "playbooks"
    folder.mkdir()
    write(folder / "restart.yaml", document("restart-it"), document("other", match=[['alertname="Other"']]))
    (tmp_path / "remediator.yaml").write_text(
        "sources: {prod: {cluster: prod}}\nclusters: {prod: {namespaces: [shop]}}\nplaybooks: playbooks\n"
    )
    return tmp_path


def test_offline_says_what_can_be_said_and_what_was_not_asked(invoke: Invoke, offline: Path) -> None:
    labels = {"alertname": "ServiceDown", "namespace": "shop", "deployment": "web", "severity": "critical"}
    (offline / "alert.json").write_text(json.dumps({"labels": labels}))
    found = json.loads(invoke("explain", "alert.json", "--offline", "-o", "json").stdout)
    [alert] = found["alerts"]
    matching, other = alert["playbooks"]
    assert matching["target"] == "kubernetes/prod/shop/deployment/web"
    assert (matching["autonomy"]["level"], matching["verdict"], len(matching["not_asked"])) == ("propose", None, 2)
    assert all(guard["passes"] for guard in matching["guards"])
    assert (other["matches"], other["match"][0]["said_no"]) == (
        False,
        ['alertname="Other": the alert has "ServiceDown"'],
    )
    text = invoke("explain", "alert.json", "--offline").stdout
    assert "not asked  the cluster" in text


@pytest.mark.parametrize(
    ("labels", "told"),
    [
        ({"namespace": "kube-system", "deployment": "dns"}, "namespace kube-system is not in settings"),
        ({"namespace": "shop"}, "deployment"),
        ({"namespace": "shop", "deployment": "../x"}, "target  none: "),
    ],
)
def test_offline_names_the_guard_that_says_no(invoke: Invoke, offline: Path, labels: dict[str, str], told: str) -> None:
    alert = json.dumps({"labels": {"alertname": "ServiceDown", **labels}})
    done = invoke("explain", "-", "--offline", input=alert)
    assert done.exit_code == 0 and told in done.stdout


def test_offline_takes_a_whole_webhook_body_and_says_what_it_cannot_read(invoke: Invoke, offline: Path) -> None:
    alerts = [
        {"labels": {"alertname": "ServiceDown"}, "status": "firing"},
        {"labels": {"alertname": "\ud800\x00"}},
        {"labels": {}},
    ]
    found = json.loads(invoke("explain", "-", "--offline", "-o", "json", input=json.dumps({"alerts": alerts})).stdout)
    assert [alert["alertname"] for alert in found["alerts"]] == ["ServiceDown", "\\ud800\x00"]
    assert len(found["rejected"]) == 1


@pytest.mark.serial
def test_the_installed_program_starts_checks_and_ends_with_the_right_code(tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("remediator")
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [program, *arguments],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    write(tmp_path / "good.yaml", document("a"))
    good = run("check", "good.yaml")
    assert (good.returncode, good.stderr) == (0, ""), good.stderr
    assert "1 playbook good" in good.stdout and "\x1b" not in good.stdout
    write(tmp_path / "bad.yaml", document("a", target=None))
    assert run("check", "bad.yaml").returncode == 1
    assert run("nonsense").returncode == 2
    refused = run("serve", "--port", "0")
    assert refused.returncode == 1 and "sources" in refused.stderr


def test_check_and_schema_do_not_load_what_only_the_service_needs(tmp_path: Path) -> None:
    write(tmp_path / "good.yaml", document("a"))
    code = (
        "import sys; from remediator.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "heavy = {'aiohttp', 'sqlalchemy', 'alembic', 'kubernetes_asyncio', 'rich.markdown'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    for arguments in (["check", "good.yaml"], ["schema"], ["--help"]):
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), (arguments, done.stderr)
