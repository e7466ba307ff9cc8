"""``kubernetes.exec``: what may be run is written in the playbook, word for word."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from remediator.actions import ACTIONS
from remediator.actions.kubernetes.exec import Params
from remediator.clients.kubernetes.commands import Said
from remediator.conditions import CONDITIONS
from remediator.errors import ConfigError
from remediator.playbooks.loading import Loading, PlaybookErrors

PLAYBOOK = """
apiVersion: remediator.dev/v1beta1
kind: Playbook
metadata: {{name: ask}}
match: [['alertname="X"']]
target: {{workload: {{namespace: "{{{{ labels.namespace }}}}", name: "{{{{ labels.deployment }}}}"}}}}
remedies:
  - name: look
    steps: [{{kubernetes.exec: {{command: {command}}}}}]
"""


def load(command: str) -> tuple[str, ...]:
    """The command of a playbook as it would be planned."""
    loading = Loading(
        {action.name: action.params for action in ACTIONS},
        {condition.name: condition.params for condition in CONDITIONS},
        drafts=False,
        overrides={},
        previous=None,
        running="99.0",
    )
    texts: dict[str, str | ConfigError] = {"ask.yaml": PLAYBOOK.format(command=command)}
    step = loading.load(texts, "playbooks", "").playbooks[0].remedies[0].steps[0]
    return Params.model_validate(step.params).command


@pytest.mark.parametrize(
    ("given_", "says"),
    [
        ({"command": []}, "at least 1"),
        ({"command": ["ls"] * 65}, "at most 64"),
        ({"command": "ls -l"}, "tuple"),
        ({"command": ["echo", 5]}, "string"),
        ({"command": ["-c", "ls"]}, "begin with '-'"),
        ({"command": ["", "ls"]}, "empty"),
        ({"command": ["echo", "{{ labels.pod }}"]}, "no templates"),
        ({"command": ["echo", "{% if x %}"]}, "no templates"),
        ({"command": ["echo", "a\x00b"]}, "cannot be printed"),
        ({"command": ["echo", "a" * 5000]}, "at most 4096"),
        ({"command": ["sh", "-c", "ls"]}, "is a shell"),
        ({"command": ["/bin/bash", "-c", "ls"]}, "is a shell"),
        ({"command": ["/usr/local/bin/BASH-5.2"]}, "is a shell"),
        ({"command": ["busybox", "ls"]}, "is a shell"),
        ({"command": ["env", "A=b", "sh", "-c", "ls"]}, "is a shell"),
        ({"command": ["/usr/bin/env", "-i", "/bin/dash"]}, "is a shell"),
        ({"command": ["timeout", "5", "zsh"]}, "is a shell"),
        ({"command": ["nice", "env", "ash"]}, "is a shell"),
        ({"command": ["ls"], "timeout": "61s"}, "1s to 60s"),
        ({"command": ["ls"], "timeout": "0s"}, "1s to 60s"),
        ({"command": ["ls"], "max_bytes": 65537}, "less than or equal to 65536"),
        ({"command": ["ls"], "container": "--all"}, "pattern"),
        ({"command": ["ls"], "pod": "x"}, "Extra inputs"),
    ],
)
def test_what_is_refused_and_why(given_: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        Params.model_validate(given_)


@pytest.mark.parametrize("command", [["jcmd", "1", "GC.heap_info"], ["/usr/bin/env"], ["ssh-keygen", "-l"], ["finish"]])
def test_a_program_that_is_no_shell_is_taken_as_it_is(command: list[str]) -> None:
    assert Params.model_validate({"command": command}).command == tuple(command)


@given(st.sampled_from(["labels.pod", 'labels["x y"]', 'label("a", "b")', "labels.pod | lower", "vars.x ~ labels.pod"]))
def test_no_text_of_an_alert_can_reach_the_command(expression: str) -> None:
    """Whatever fills in labels reads double braces, and a playbook with them in a command is never loaded."""
    for text in (f"{{{{ {expression} }}}}", f"--pod={{{{ {expression} }}}}", f"{{{{{expression}}}}}"):
        with pytest.raises(PlaybookErrors, match=r"takes no templates|vars has no"):
            load(f"[ls, '{text}']")


@given(st.lists(st.from_regex(r"[a-z][ -z|~]{0,20}", fullmatch=True), min_size=1, max_size=8))
def test_the_command_is_run_as_it_is_written(command: list[str]) -> None:
    import json

    try:
        wanted = Params.model_validate({"command": command}).command
    except ValidationError:
        return
    assert load(json.dumps(command)) == wanted == tuple(command)


@given(st.lists(st.tuples(st.sampled_from([1, 2, 3, 4]), st.binary(max_size=40)), max_size=20), st.integers(1, 64))
def test_no_more_is_kept_than_was_allowed(messages: list[tuple[int, bytes]], most: int) -> None:
    said = Said(most)
    for channel, data in messages:
        if not said.take(channel, data):
            break
    assert len(said.stdout) + len(said.stderr) <= most
    everything = sum(len(data) for channel, data in messages if channel in (1, 2))
    assert not said.cut or everything > most


@pytest.mark.parametrize(
    ("status", "code", "failure"),
    [
        (b'{"status": "Success"}', 0, ""),
        (b'{"status":"Failure","details":{"causes":[{"reason":"ExitCode","message":"3"}]}}', 3, ""),
        (b'{"status":"Failure","message":"no such file"}', None, "no such file"),
        (b"nonsense", None, "how it ended cannot be understood"),
        (b"[]", None, "how it ended cannot be understood"),
    ],
)
def test_how_a_command_ended_is_read_from_the_status(status: bytes, code: int | None, failure: str) -> None:
    said = Said(10)
    assert not said.take(3, status)
    assert (said.exit_code, said.failure) == (code, failure)
