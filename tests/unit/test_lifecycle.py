"""A Pulumi that was stopped is never taken for one that is done, whatever its exit code says."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from stacks import lifecycle, settle, sweep, workspace
from stacks.deploy import Wanted
from stacks.deploy_failures import Failed

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

WANTED = Wanted(images={})
TOLD = {"credential": {"access_key": "a", "secret_key": "s"}, "targets": {"targets": []}}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)


def engine(monkeypatch: pytest.MonkeyPatch, outputs: Mapping[str, Any], work: Callable[[], object] = lambda: None) -> None:
    """A Pulumi that calls it a success, whatever happened to it."""

    def act(**_: object) -> Any:
        work()
        told = {name: SimpleNamespace(value=value) for name, value in outputs.items()}
        return SimpleNamespace(outputs=told, summary=SimpleNamespace(resource_changes={}))

    monkeypatch.setattr(workspace, "select", lambda *_: SimpleNamespace(up=act, destroy=act))


def stopped(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when its processes were asked to end."""
    asked = threading.Event()
    monkeypatch.setattr(sweep, "stop_processes", lambda *_, **__: asked.set())
    return asked


def test_one_that_was_stopped_before_its_program_had_begun_is_late_though_it_calls_that_a_success(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = stopped(monkeypatch)
    engine(monkeypatch, {}, lambda: asked.wait(10))

    with pytest.raises(Failed, match="stopped before it was done") as raised:
        lifecycle.up("s", (), WANTED, lambda _: None, limit_s=0.05)

    assert raised.value.late
    assert not lifecycle.has_targets("s")


def test_one_that_somebody_else_stopped_as_early_is_a_failure_with_a_next_step(monkeypatch: pytest.MonkeyPatch) -> None:
    engine(monkeypatch, {})

    with pytest.raises(Failed, match="stopped before it was done") as raised:
        lifecycle.up("s", (), WANTED, lambda _: None)

    assert not raised.value.late
    assert "once more" in raised.value.next_step


def test_one_that_ends_in_time_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = stopped(monkeypatch)
    engine(monkeypatch, TOLD)

    made = lifecycle.up("s", (), WANTED, lambda _: None, limit_s=60)

    assert made.credentials == {"s": ("a", "s")}
    assert lifecycle.has_targets("s")
    assert not asked.is_set()


def test_a_destroy_that_was_stopped_keeps_what_is_known_of_the_stack(monkeypatch: pytest.MonkeyPatch) -> None:
    engine(monkeypatch, TOLD)
    lifecycle.up("s", (), WANTED, lambda _: None)
    asked = stopped(monkeypatch)

    def hang() -> None:
        # `down` itself asks what is left of an earlier command to end first.
        asked.clear()
        asked.wait(10)

    engine(monkeypatch, {}, hang)
    monkeypatch.setattr(sweep, "only_local", lambda _stack: False)
    monkeypatch.setattr(settle, "rented", lambda _stack: {})

    with pytest.raises(Failed, match="stopped before it was done"):
        lifecycle.down("s", lambda _: None, limit_s=0.05)

    assert lifecycle.has_targets("s")
