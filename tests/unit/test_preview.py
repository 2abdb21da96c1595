"""What a preview leaves: nothing of a stack that was not there before, and everything of one that was."""

from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from bench.errors import DeployError
from stacks import deploy, lifecycle, ownership, state, workspace

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

WANTED = deploy.Wanted(images={})


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("PULUMI_HOME", str(tmp_path / "pulumi"))
    monkeypatch.delenv("PULUMI_BACKEND_URL", raising=False)


def engine(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Pulumi notes a stack as soon as it is selected, as the real one does."""

    def select(stack: str, _program: object) -> Any:
        (state.stack_dir(stack) / "work").mkdir(parents=True, exist_ok=True)
        records = state.backend() / f".pulumi/stacks/{workspace.PROJECT}"
        records.mkdir(parents=True, exist_ok=True)
        (records / f"{stack}.json").write_text("{}")

        def preview(**_: object) -> Any:
            meanwhile()
            return SimpleNamespace(change_summary={"create": 3})

        return SimpleNamespace(preview=preview)

    monkeypatch.setattr(workspace, "select", select)


def preview() -> dict[str, int]:
    return lifecycle.preview("s", (), WANTED, lambda _: None)


def left() -> list[str]:
    return sorted(path.name for path in state.root().rglob("*") if path.name in {"s", "s.json", "work", "owner.json"})


def test_of_a_new_stack_nothing_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    engine(monkeypatch)

    assert preview() == {"create": 3}
    assert left() == []


def test_nor_when_it_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise DeployError("no", where="s", next_step="mend it")

    engine(monkeypatch, fail)
    with pytest.raises(DeployError):
        preview()
    assert left() == []


def test_a_stack_that_was_there_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    engine(monkeypatch)
    state.stack_dir("s").mkdir(parents=True)

    preview()
    assert left() == ["s", "s.json", "work"]


def test_a_stack_that_goes_up_meanwhile_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    engine(monkeypatch, lambda: ownership.claim("s"))

    preview()
    assert left() == ["owner.json", "s", "s.json", "work"]


def test_a_backend_of_the_users_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    engine(monkeypatch)
    monkeypatch.setenv("PULUMI_BACKEND_URL", "s3://theirs")

    preview()
    assert "s.json" in left()


def test_a_stream_of_events_that_ends_with_its_engine_is_no_warning() -> None:
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        workspace._hush()
        warnings.warn("Error in event stream: cancelled", stacklevel=1)
        warnings.warn("something else", stacklevel=1)
    assert [str(each.message) for each in told] == ["something else"]
