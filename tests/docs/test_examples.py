"""The README's new members, put where it says into a copy of the sources: each passes its family's contract suite unchanged."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import pytest

from tests.docs.documents import ROOT, fences, prose

if TYPE_CHECKING:
    from pathlib import Path


class Example(NamedTuple):
    """A member as the README adds it: a file, a line in a registry, and the suite that it must pass."""

    file: str
    source: str
    line: str
    registry: str
    registry_file: str
    suite: str

    @property
    def name(self) -> str:
        """As it is registered."""
        return self.line.strip('",')


_ADDING = re.compile(
    r"`((?:stacks|bench)/\w+/\w+\.py)`:\s+"
    r"The line is `(\"[\w-]+\",)` in `([A-Z]+)` of\s+`([\w/]+\.py)`.*?`make test ARGS=([\w/]+\.py)`",
    re.DOTALL,
)
EXAMPLES = [
    Example(file, source, line, registry, registry_file, suite)
    for (file, line, registry, registry_file, suite), source in zip(
        _ADDING.findall(prose("README.md")), fences("README.md", "python"), strict=True
    )
]


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources with the three members added. One that is there already is taken out first."""
    folder = tmp_path_factory.mktemp("copy")
    for part in ("bench", "stacks", "images", "tests"):
        shutil.copytree(ROOT / part, folder / part, ignore=shutil.ignore_patterns("__pycache__", "live", "docs"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    for example in EXAMPLES:
        registry = folder / example.registry_file
        names = registry.read_text(encoding="utf-8").replace(f"    {example.line}\n", "")
        added = names.replace(f"{example.registry} = (\n", f"{example.registry} = (\n    {example.line}\n")
        assert added != names
        registry.write_text(added, encoding="utf-8")
        (folder / example.file).write_text(example.source, encoding="utf-8")
    return folder


def test_there_is_an_example_of_a_driver_a_server_and_a_workload() -> None:
    assert [example.registry for example in EXAMPLES] == ["DRIVERS", "SERVERS", "WORKLOADS"]


def test_the_driver_that_is_shown_whole_is_the_one_in_use() -> None:
    assert EXAMPLES[0].source == (ROOT / EXAMPLES[0].file).read_text(encoding="utf-8")


def test_the_new_members_pass_their_contract_suites(copy: Path) -> None:
    suites = [example.suite for example in EXAMPLES]
    # One process for all three: starting up costs more than the suites.
    pytest_command = [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider"]
    done = subprocess.run([*pytest_command, *suites], cwd=copy, capture_output=True, text=True, timeout=90, check=False)

    assert done.returncode == 0, done.stdout
    for example in EXAMPLES:
        assert re.search(rf"^PASSED {example.suite}::\w+\[{re.escape(example.name)}\]$", done.stdout, re.MULTILINE), example.name


@pytest.mark.parametrize("rules", ["check", "format --check"])
def test_the_new_members_keep_the_projects_style(copy: Path, rules: str) -> None:
    files = [example.file for example in EXAMPLES]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *rules.split(), "--no-cache", *files],
        cwd=copy,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stdout
