"""The command line without any engine: what it prints, how it refuses, and its exit codes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench import cli_steps, run, store
from bench.records import Finding
from tests.unit import small_run
from tests.unit.small_run import KEYS, FakeGenerator

if TYPE_CHECKING:
    from bench.records import Summary

PROJECT = Path(__file__).parents[2]
SMOKE = "stacks/matrices/smoke.yaml"


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {**os.environ, "COWBENCH_STATE": str(tmp_path / "state"), "PYTHONPATH": str(PROJECT)}


def cowbench(home: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "bench.cli", *arguments]
    return subprocess.run(command, cwd=PROJECT, env=home, capture_output=True, text=True, timeout=100, check=False)


def test_a_plan_as_json_has_cells_and_reasons(home: dict[str, str]) -> None:
    done = cowbench(home, "plan", SMOKE, "--json")
    told = json.loads(done.stdout)

    assert done.returncode == 0
    assert {cell["driver"] for cell in told["cells"]} <= {"overlay2", "vfs"}
    assert set(told) == {"matrix", "cells", "left_out", "warnings", "kernels", "images", "cost"}
    assert all(cell["kernel"] for cell in told["cells"])
    assert (told["images"], told["cost"]) == ([], None)


def test_doctor_tells_each_driver_and_why_not(home: dict[str, str]) -> None:
    told = json.loads(cowbench(home, "doctor", "--json").stdout)
    drivers = [ability for ability in told if ability["kind"] == "driver"]

    assert {name["name"].split(" on ")[0] for name in drivers} >= {"overlay2", "aufs", "zfs", "vfs"}
    assert [ability for ability in drivers if not ability["works"] and not (ability["reason"] and ability["fix"])] == []


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        pytest.param(("plan", "no-such.yaml"), "no-such.yaml", id="no such matrix"),
        pytest.param(("run",), "no matrix given", id="run without a matrix"),
        pytest.param(("report", "no-such-run"), "no-such-run", id="no such run"),
        pytest.param(("report", "--runs", "no-such-folder"), "no run folder", id="no runs at all"),
        pytest.param(("down",), "which stack?", id="no stack to take"),
        pytest.param(("up", SMOKE, "--stack", "Not A Name"), "cannot name a stack", id="no name for a stack"),
        pytest.param(("run", "--resume", "no-such-run"), "no-such-run", id="nothing to resume"),
    ],
)
def test_bad_input_is_one_error_with_a_next_step_and_exit_code_2(
    home: dict[str, str], arguments: tuple[str, ...], told: str
) -> None:
    done = cowbench(home, *arguments)

    assert done.returncode == 2
    assert done.stderr.count("error: ") == 1
    assert told in done.stderr
    assert "next: " in done.stderr
    assert "Traceback" not in done.stderr


def test_an_unknown_option_is_exit_code_2(home: dict[str, str]) -> None:
    assert cowbench(home, "plan", SMOKE, "--jsno").returncode == 2


def test_a_stack_that_does_not_stand_is_exit_code_3(home: dict[str, str]) -> None:
    done = cowbench(home, "check", "--stack", "nothing")

    assert done.returncode == 3
    assert "does not stand" in done.stderr


def test_sweeping_where_nothing_is_left_says_so(home: dict[str, str]) -> None:
    done = cowbench(home, "sweep", "--dry-run")

    assert (done.returncode, done.stdout.strip()) == (0, "nothing to sweep")


def test_the_environment_for_plain_pulumi_is_shell_text_without_the_passphrase(home: dict[str, str]) -> None:
    done = cowbench(home, "env")
    passphrase = Path(home["COWBENCH_STATE"], "passphrase")

    assert passphrase.stat().st_mode & 0o777 == 0o600
    assert passphrase.read_text() not in done.stdout
    assert "export PULUMI_BACKEND_URL=file://" in done.stdout


def test_the_users_own_backend_and_passphrase_win(home: dict[str, str]) -> None:
    own = {**home, "PULUMI_BACKEND_URL": "s3://mine", "PULUMI_CONFIG_PASSPHRASE": "secret"}
    done = cowbench(own, "env")

    assert "PULUMI_BACKEND_URL" not in done.stdout
    assert "PASSPHRASE" not in done.stdout
    assert not Path(home["COWBENCH_STATE"], "passphrase").exists()


def _summary(*, sound: bool) -> Summary:
    from bench.records import Reference, Summary  # noqa: PLC0415 - a type elsewhere in this file

    return Summary(
        schema=1, run_id="r", assumption="", reference=Reference(axes={}), cells=(), comparisons=(), measured_s=1.0, sound=sound
    )


@pytest.mark.parametrize(
    ("check", "level", "sound", "code"),
    [
        ("steady", "warning", True, 0),
        ("integrity", "error", True, 1),
        ("failures", "error", False, 1),
        ("failures", "warning", True, 0),
        ("client_bound", "error", False, 4),
    ],
)
def test_the_exit_code_of_a_run(check: str, level: str, *, sound: bool, code: int) -> None:
    finding = Finding(check=check, level=level, cell="", text="", fix="")  # type: ignore[arg-type] # one of the levels
    done = replace(small_run.run(), findings=(finding,))

    assert cli_steps.exit_code_of(done, _summary(sound=sound)) == code


def test_a_run_folder_is_reported_again_without_any_stack(home: dict[str, str], tmp_path: Path) -> None:
    folder = store.create(tmp_path, small_run.run())
    run.perform(folder, KEYS, lambda _: None, partial(FakeGenerator))
    done = cowbench(home, "report", str(folder), "--json")

    assert json.loads(done.stdout)["run_id"] == folder.name
    assert {"report.html", "report.md", "junit.xml", "summary.csv", "summary.json"} <= {path.name for path in folder.iterdir()}
