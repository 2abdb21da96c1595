"""Whose a stack is: busy, standing, abandoned."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest

from bench.errors import DeployError, InputError
from stacks import ownership, state

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))
    return tmp_path


def _edit(stack: str, **changes: object) -> None:
    path = state.stack_dir(stack) / "owner.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_a_claimed_stack_is_not_abandoned_while_its_process_lives() -> None:
    ownership.claim("mine")

    assert not ownership.is_abandoned("mine")


def test_a_stack_of_a_dead_process_is_abandoned() -> None:
    ownership.claim("mine")
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    _edit("mine", pid=child.pid)

    assert ownership.is_abandoned("mine")


def test_a_pid_that_was_given_to_another_process_does_not_count() -> None:
    ownership.claim("mine")
    _edit("mine", pid=os.getppid(), pid_started=1.0)

    assert ownership.is_abandoned("mine")


def test_a_standing_stack_is_abandoned_only_after_its_time() -> None:
    ownership.leave_standing("kept")
    assert not ownership.is_abandoned("kept")

    _edit("kept", expires_at=1.0)
    assert ownership.is_abandoned("kept")


def test_a_torn_record_is_no_record() -> None:
    ownership.claim("torn")
    path = state.stack_dir("torn") / "owner.json"
    path.write_text(path.read_text()[:-10])

    assert ownership.read("torn") is None
    assert ownership.is_abandoned("torn")


def test_another_live_process_keeps_its_stack() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        ownership.claim("theirs")
        _edit("theirs", pid=other.pid, pid_started=psutil.Process(other.pid).create_time())
        with pytest.raises(DeployError, match=f"process {other.pid}"):
            ownership.claim("theirs")
        other.communicate(b"\n")


@pytest.mark.parametrize("name", ["", "Upper", "has space", "-first", "a" * 21, "dot.ted", "sl/ash", "9lives", "last-"])
def test_a_name_that_cannot_be_a_path_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="cannot name a stack"):
        ownership.check_name(name)


def test_the_note_of_a_stack_that_pulumi_made_goes_with_its_last_host() -> None:
    ownership.note_if_unknown("byhand")
    ownership.forget_note("byhand")

    assert not state.stack_dir("byhand").exists()


def test_what_else_is_kept_of_a_stack_stays() -> None:
    ownership.leave_standing("mine")
    (state.stack_dir("mine") / "targets.json").touch()
    ownership.forget_note("mine")

    assert (state.stack_dir("mine") / "targets.json").exists()
