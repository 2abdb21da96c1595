"""Every command that a document shows exists; those that only read are run as they stand there."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer.main

from bench import cli
from bench import cli_steps as steps
from bench.errors import DeployError, InputError, Interrupted
from stacks import workspace
from stacks.clouds import CLOUDS
from tests.docs.documents import DOCUMENTS, ROOT, code, commands, rows, text

if TYPE_CHECKING:
    from collections.abc import Callable

SHOWN = [
    pytest.param(document, words, id=f"{document}: {' '.join(words)}") for document in DOCUMENTS for words in commands(document)
]
GROUP = typer.main.get_command(cli.app)
VERBS: dict[str, set[str]] = {
    name: {option for parameter in verb.params for option in parameter.opts}
    for name, verb in GROUP.commands.items()  # type: ignore[attr-defined] # a group, typed as any command
}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")


def unknown_to_cowbench(words: list[str]) -> list[str]:
    """The words that the command line would refuse: a verb or option that is not there, a file that does not exist."""
    if not words or words[0].startswith("--"):
        return [word for word in words if word not in {option for parameter in GROUP.params for option in parameter.opts}]
    if words[0] not in VERBS:
        return words[:1]
    rest = [word for word in words[1:] if word != "[RUN_FOLDER]"]
    options = [word for word in rest if word.startswith("-") and word not in VERBS[words[0]]]
    return options + [word for word in rest if "/" in word and not (ROOT / word).exists()]


def unknown_to_make(words: list[str]) -> list[str]:
    """The words without a target or variable in the Makefile, or with a file or a cloud that does not exist."""
    targets = set(re.findall(r"^([a-z-]+):", MAKEFILE, re.MULTILINE))
    wrong = []
    for word in words:
        variable, is_variable, value = word.partition("=")
        exists = set(value.split()) <= set(CLOUDS) if variable == "CLOUDS" else (ROOT / value).exists()
        known = f"$({variable})" in MAKEFILE and exists if is_variable else word in {"-s", *targets}
        wrong += [] if known else [word]
    return wrong


@cache
def pulumi_completion() -> str:
    """What Pulumi tells a shell about its commands. Asking for the help of a command that is not there would not fail."""
    pulumi = workspace.bundled_cli() or shutil.which("pulumi")
    if pulumi is None:
        pytest.skip("no Pulumi here to ask; make setup gets one")
    return subprocess.run([pulumi, "gen-completion", "bash"], capture_output=True, text=True, timeout=60, check=True).stdout


def unknown_to_pulumi(words: list[str]) -> list[str]:
    """The subcommand, if the Pulumi that is here has none of that name."""
    for depth in range(2 if words[0] in {"stack", "config"} else 1):
        above = "_".join(["_pulumi_root_command" if depth == 0 else "_pulumi", *words[:depth]])
        offered = re.search(rf"^{above}\(\)\n(.*?)^}}", pulumi_completion(), re.MULTILINE | re.DOTALL)
        if offered is None or f'"{words[depth]}"' not in offered[1]:
            return words[: depth + 1]
    return []


JUDGES: dict[str, Callable[[list[str]], list[str]]] = {
    "cowbench": unknown_to_cowbench,
    "tools/bench": unknown_to_cowbench,
    "make": unknown_to_make,
    "pulumi": unknown_to_pulumi,
    # How the README's picture is made: it needs a browser, which nothing else here does.
    "chromium": lambda words: [] if words[-1].endswith("report.html") else words,
}


@pytest.mark.parametrize(("document", "words"), SHOWN)
def test_every_command_shown_exists(document: str, words: list[str]) -> None:
    assert words[0] in JUDGES, f"{document} shows a command that nobody judges"
    assert JUDGES[words[0]](words[1:]) == []


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert unknown_to_cowbench(["plann", "stacks/matrices/default.yaml"]) == ["plann"]
    assert unknown_to_cowbench(["plan", "stacks/matrices/none.yaml", "--yes"]) == ["--yes", "stacks/matrices/none.yaml"]
    assert unknown_to_cowbench(["--version"]) == ["--version"]
    assert unknown_to_make(["bnechmark", "FILE=README.md", "MATRIX=none"]) == ["bnechmark", "FILE=README.md", "MATRIX=none"]
    assert unknown_to_make(["setup-clouds", "CLOUDS=aws gpc", "CLOUDS=aws gcp"]) == ["CLOUDS=aws gpc"]


def test_a_pulumi_command_that_does_not_exist_is_noticed() -> None:
    assert unknown_to_pulumi(["stack", "innit", "mine"]) == ["stack", "innit"]
    assert unknown_to_pulumi(["stack", "output", "targets"]) == []


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("make help", "make bench"),
        ("cowbench --help", "sweep"),
        ("cowbench plan stacks/matrices/default.yaml", "6 blocks, seed 20260101"),
        ("cowbench env", "export PULUMI_BACKEND_URL="),
        ("cowbench version", "boto3"),
    ],
)
def test_a_command_that_only_reads_runs(command: str, says: str, tmp_path: Path) -> None:
    assert says in run(command, tmp_path)


def test_doctor_tells_a_program_what_works_here(tmp_path: Path) -> None:
    abilities = json.loads(run("cowbench doctor --json", tmp_path))

    assert {ability["kind"] for ability in abilities} == {"tool", "cloud", "driver"}
    assert all(ability["works"] or ability["fix"] for ability in abilities)


def run(command: str, state: Path) -> str:
    """What the command prints, with a state directory of its own."""
    environment = {**os.environ, "COWBENCH_STATE": str(state), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command.split(), cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_verb_has_a_row_in_the_readme_and_every_row_a_verb() -> None:
    assert [row[0].split()[1].strip("`") for row in rows("README.md", "command")] == list(VERBS)


def test_every_option_is_in_the_readme() -> None:
    options = {option for opts in VERBS.values() for option in opts if option.startswith("--")}
    said = {word for span in code("README.md") for word in span.split()}

    assert options - said == set()


def test_every_target_that_make_help_lists_is_in_a_document() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*## ", MAKEFILE, re.MULTILINE))
    said = {word for document in DOCUMENTS for words in commands(document) if words[0] == "make" for word in words}

    assert targets - said == set()


def test_the_exit_codes_are_the_programs() -> None:
    errors = {error.exit_code for error in (InputError, DeployError, Interrupted)}
    every = {steps.EXIT_OK, steps.EXIT_GATE, steps.EXIT_UNSOUND, *errors}

    assert {int(row[0]) for row in rows("README.md", "exit code")} == every


def test_every_variable_of_ours_in_a_document_is_read_somewhere() -> None:
    said = {name for document in DOCUMENTS for name in re.findall(r"COWBENCH_[A-Z_]+", text(document))}
    sources = [
        path
        for folder in ("bench", "stacks", "tools", "tests/unit", "docs/workflows")
        for path in (ROOT / folder).rglob("*")
        if path.is_file()
    ]
    read = "".join(path.read_text(encoding="utf-8") for path in sources if path.suffix in {".py", ".sh", ".yml", ""})

    assert said >= {"COWBENCH_STATE", "COWBENCH_CACHE"}
    assert {name for name in said if name not in read} == set()
