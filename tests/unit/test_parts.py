"""Which parts a stack has: one for each account, one for this machine, or only itself."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stacks import ownership, parts, state
from tests.cells import cell
from tests.unit import made_up_clouds

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))
    made_up_clouds.register(monkeypatch, "far", "near")


def _names(*clouds: str) -> list[str]:
    return [part.name for part in parts.split("s", [cell(cloud=cloud) for cloud in clouds])]


def _note(name: str, file: str = "pulumi.log") -> None:
    path = state.stack_dir(name) / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


@pytest.mark.parametrize(
    ("clouds", "names"),
    [
        (["local"], ["s"]),
        (["local", "qemu"], ["s"]),
        (["far"], ["s"]),
        (["far", "near"], ["s.far", "s.near"]),
        (["far", "local", "qemu"], ["s", "s.far"]),
    ],
)
def test_every_account_is_a_part_of_its_own_and_this_machine_is_one(clouds: list[str], names: list[str]) -> None:
    assert _names(*clouds) == names


def test_every_cell_is_in_one_part() -> None:
    cells = [cell(cloud=cloud) for cloud in ("far", "local", "near", "qemu", "far")]

    assert sorted(each.cloud for part in parts.split("s", cells) for each in part.cells) == sorted(c.cloud for c in cells)


def test_a_stack_of_parts_keeps_its_form_when_only_one_cloud_is_left() -> None:
    _note("s.far")

    assert _names("near") == ["s.near"]


def test_a_stack_that_was_made_whole_stays_whole_when_a_cloud_is_added() -> None:
    _note("s", parts.SETTLED_FILE)

    assert _names("far", "near") == ["s"]


def test_parts_are_known_by_what_is_kept_of_them() -> None:
    ownership.claim("s")
    _note("s.far")
    (state.hosts() / "s.near").mkdir(parents=True)
    _note("other.far")

    # The stack's own directory holds nothing but its owner.
    assert parts.names("s") == ("s.far", "s.near")
    assert parts.name_for("s", "far") == "s.far"
    assert parts.name_for("s", "qemu") == "s"


def test_a_part_belongs_to_whom_its_stack_belongs() -> None:
    ownership.claim("s")
    _note("s.far")

    assert not ownership.is_abandoned("s.far")
    assert ownership.is_abandoned("other.far")


def test_a_part_that_is_deployed_by_hand_has_the_cells_of_its_cloud() -> None:
    cells = (cell(cloud="far"), cell(cloud="near"))

    assert parts.cells_of("s.far", cells) == (cells[0],)
    assert parts.cells_of("s", cells) == cells
