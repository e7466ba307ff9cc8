"""Commands: those in README are those of the program, and every example is one that it would take."""

import re
import shlex
from typing import Any

import pytest
import typer

from remediator.cli.program import app
from tests.docs.markdown import DOCUMENTS, README, blocks, codes, first_column

PROGRAM: Any = typer.main.get_command(app)


def commands(group: Any, prefix: str = "") -> set[str]:
    """Every command by its words; of ``runs`` also the bare word, which shows. A bare word that only gives help is none."""
    found = set()
    for name, command in group.commands.items():
        words = f"{prefix}{name}"
        if not command.no_args_is_help:
            found.add(words)
        if hasattr(command, "commands"):
            found |= commands(command, f"{words} ")
    return found


def examples() -> list[str]:
    """Every line in a document that calls the program, save a command by its bare name in a sentence."""
    found = set()
    for path in DOCUMENTS:
        prose = re.sub(r"^```.*?^```$", "", path.read_text(), flags=re.M | re.S)
        fenced = "\n".join(block.text for block in blocks(path) if block.language == "sh")
        found |= {line.strip() for line in fenced.splitlines() if line.strip().startswith("remediator ")}
        found |= {code.replace("\\|", "|") for code in codes(prose) if re.match(r"remediator [a-z]", code)}
    return sorted(found - {f"remediator {name}" for name in commands(PROGRAM)})


def parse(line: str) -> None:
    """Parse as the program would, down to the last command. Raises as the program would when it refuses."""
    words = shlex.split(line)[1:]
    name, command, context = "remediator", PROGRAM, None
    while hasattr(command, "commands"):
        with command.make_context(name, list(words), parent=context) as context:
            name, command, words = command.resolve_command(context, [*context._protected_args, *context.args])
    with command.make_context(name, list(words), parent=context):
        pass


def test_the_documented_commands_are_those_of_the_program() -> None:
    assert set(first_column(README, "Commands")) == commands(PROGRAM) - {"runs show"}


def test_there_are_examples() -> None:
    assert len(examples()) > 20


@pytest.mark.parametrize("line", examples())
def test_every_documented_command_line_is_one_that_the_program_takes(line: str) -> None:
    parse(line)


@pytest.mark.parametrize("line", ["remediator serve --life", "remediator approve run_01", "remediator fly"])
def test_a_command_line_that_the_program_does_not_take_is_noticed(line: str) -> None:
    with pytest.raises(Exception, match=r"No such|Missing parameter"):
        parse(line)


@pytest.mark.parametrize("name", sorted(commands(PROGRAM) - {"runs"}))
def test_the_example_in_a_help_text_is_one_that_the_program_takes(name: str) -> None:
    command = PROGRAM
    for word in name.split():
        command = command.commands[word]
    found = re.search(r"Example: (.*)", command.help)
    assert found is not None, f"{name} has no example"
    example = found[1].split(" > ")[0]
    parse(example[example.index("remediator ") :])
