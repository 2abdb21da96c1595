"""A preview in a process of its own: what it says arrives here, it ends when it is told to, and its death is no riddle."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.errors import DeployError
from stacks import lifecycle, part_process
from stacks.deploy import Wanted
from stacks.lifecycle import Step
from stacks.parts import Part

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection

WANTED = Wanted(images={})
STEP = Step(name="vm", kind="Server", operation="create", done=True)
REAL = part_process._work

# Each of these is what a process does in place of Pulumi's part; the process finds it by its name.


def looks(name: str, _cells: object, _wanted: Wanted, observe: Callable[[Step], None]) -> dict[str, int]:
    observe(STEP)
    return {"create": 3, name: os.getpid()}


def fails(name: str, _cells: object, _wanted: Wanted, _observe: Callable[[Step], None]) -> dict[str, int]:
    raise DeployError("no such zone", where=f"stack {name}", next_step="write another one")


def dies(_name: str, _cells: object, _wanted: Wanted, _observe: Callable[[Step], None]) -> dict[str, int]:
    os._exit(9)


def waits(name: str, _cells: object, _wanted: Wanted, observe: Callable[[Step], None]) -> dict[str, int]:
    try:
        observe(STEP)
        time.sleep(60)
    except KeyboardInterrupt:
        # As `lifecycle.preview` removes what it noted of a new stack.
        Path(name).write_text("cleaned up")
        raise
    return {}


def as_looks(there: Connection, part: Part, wanted: Wanted) -> None:
    lifecycle.preview = looks  # type: ignore[assignment] # only in the process that this is the work of
    REAL(there, part, wanted)


def as_fails(there: Connection, part: Part, wanted: Wanted) -> None:
    lifecycle.preview = fails  # type: ignore[assignment] # as above
    REAL(there, part, wanted)


def as_dies(there: Connection, part: Part, wanted: Wanted) -> None:
    lifecycle.preview = dies  # type: ignore[assignment] # as above
    REAL(there, part, wanted)


def as_waits(there: Connection, part: Part, wanted: Wanted) -> None:
    lifecycle.preview = waits  # type: ignore[assignment] # as above
    REAL(there, part, wanted)


def preview(name: str, stop: threading.Event, observe: Callable[[Step], None] = lambda _: None) -> dict[str, int]:
    return part_process.preview(Part(name=name, cloud="aws", cells=()), WANTED, observe, stop)


def test_steps_and_result_come_from_another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_process, "_work", as_looks)
    seen: list[Step] = []

    found = preview("s.aws", threading.Event(), seen.append)

    assert seen == [STEP]
    assert found["create"] == 3
    assert found["s.aws"] != os.getpid()


def test_an_error_arrives_with_its_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_process, "_work", as_fails)

    with pytest.raises(DeployError) as raised:
        preview("s.aws", threading.Event())

    assert str(raised.value) == "stack s.aws: no such zone\n  next: write another one"


def test_a_process_that_dies_is_an_error_that_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part_process, "_work", as_dies)

    with pytest.raises(DeployError, match="ended without a result") as raised:
        preview("s.aws", threading.Event())

    assert raised.value.where == "stack s.aws"
    assert "preview it again" in raised.value.next_step


def test_when_told_to_stop_it_cleans_up_and_ends(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(part_process, "_work", as_waits)
    stop = threading.Event()

    with pytest.raises(DeployError, match="was stopped"):
        preview(str(tmp_path / "left"), stop, lambda _: stop.set())

    assert (tmp_path / "left").read_text() == "cleaned up"
