"""Plain Pulumi on the project: what is noted and checked before the program makes anything."""

from __future__ import annotations

import runpy
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import psutil
import pulumi
import pytest

from stacks import account_sweep, labels, matrix, ownership, prices, program, settle, state, workspace
from stacks.terms import Settled
from tests.unit import renting
from tests.unit.test_cost import TABLES

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LIFETIME_S = 48 * 3600

Began = list[tuple[ownership.Ownership | None, account_sweep.Mine]]


@pytest.fixture
def began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Began:
    """What a sweep beside it sees each time the program begins to make things. Prices and a cloud's answers are made up."""
    renting.register(monkeypatch)
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "s"))
    monkeypatch.setattr(prices, "FOLDER", tmp_path / "prices")
    prices.FOLDER.mkdir()
    (prices.FOLDER / "rented.toml").write_text(TABLES, encoding="utf-8")
    monkeypatch.setattr(settle, "settle", _settled)
    seen: Began = []
    monkeypatch.setattr(program, "run", lambda *_: seen.append((ownership.read(pulumi.get_stack()), account_sweep.mine())))
    return seen


def _settled(split: Any, _generators: object, terms: Any) -> dict[str, Settled]:
    expires_at = time.time() + terms.lifetime_s
    settled = Settled(owner="ann", operator="::/0", expires_at=expires_at, lifetime_s=terms.lifetime_s, spot=False)
    return {part.name: settled for part in split if any(cell.cloud == "rented" for cell in part.cells)}


@pytest.fixture
def by_hand(monkeypatch: pytest.MonkeyPatch, began: Began) -> Callable[..., None]:
    """`pulumi up`, or `pulumi preview`, on a matrix of the rented cloud with these terms."""
    del began

    def go(stack: str = "byhand", *, preview: bool = False, cloud: str = "rented", own: Path | None = None, **terms: Any) -> None:
        config = {"matrix": "matrix.yaml", **({"prices": str(own)} if own else {})}
        asked = renting.wanted({"cloud": (cloud,)}, **{"lifetime_s": LIFETIME_S, **terms})
        monkeypatch.setattr(matrix, "read", lambda _path: asked)
        monkeypatch.setattr(pulumi, "get_stack", lambda: stack)
        monkeypatch.setattr(pulumi, "Config", lambda: _Config(config))
        monkeypatch.setattr(pulumi.runtime, "is_dry_run", lambda: preview)
        runpy.run_path(str(workspace.CHECKOUT / "__main__.py"))

    return go


class _Config:
    def __init__(self, values: dict[str, str]) -> None:
        self.get = values.get
        self.require = values.__getitem__


@pytest.mark.parametrize("stack", ["byhand", "byhand.rented"])
def test_no_sweep_takes_a_stack_while_it_comes_up(by_hand: Callable[..., None], began: Began, stack: str) -> None:
    by_hand(stack)

    ((held, mine),) = began
    assert held is not None
    assert held.status == "standing"
    assert labels.run(stack) in mine.alive


def test_it_may_stand_as_long_as_the_matrix_says(by_hand: Callable[..., None]) -> None:
    by_hand()

    held = ownership.read("byhand")
    assert held is not None
    assert held.expires_at == pytest.approx(time.time() + LIFETIME_S, abs=60)
    assert held.expires_at == settle.expires_at("byhand")


def test_what_is_noted_of_a_process_that_died_does_not_make_it_abandoned(by_hand: Callable[..., None]) -> None:
    ownership.leave_standing("byhand", expires_at=1.0)
    by_hand()

    assert not ownership.is_abandoned("byhand")


def test_a_stack_that_another_process_works_on_is_left_alone(
    by_hand: Callable[..., None], began: Began, monkeypatch: pytest.MonkeyPatch
) -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        with monkeypatch.context() as patch:
            patch.setattr(psutil, "Process", lambda _pid=None, real=psutil.Process: real(other.pid))
            ownership.claim("byhand")
        with pytest.raises(pulumi.RunError, match=f"process {other.pid} is working on it"):
            by_hand()
        other.communicate(b"\n")
    assert began == []


def test_a_preview_notes_nothing(by_hand: Callable[..., None], began: Began) -> None:
    by_hand(preview=True)

    assert len(began) == 1
    assert not (state.root() / "stacks").exists()


def test_a_stack_on_this_machine_alone_is_noted_with_its_first_host(by_hand: Callable[..., None], began: Began) -> None:
    by_hand(cloud="local")

    assert len(began) == 1
    assert not (state.root() / "stacks").exists()


@pytest.mark.parametrize("preview", [True, False])
def test_a_budget_stops_it_before_anything_is_made_or_noted(
    by_hand: Callable[..., None], began: Began, tmp_path: Path, *, preview: bool
) -> None:
    with pytest.raises(pulumi.RunError, match=r"(?s)its budget is.*pulumi config set prices FILE"):
        by_hand(preview=preview, budget=0.02, currency="USD")
    assert began == []
    assert not (state.root() / "stacks").exists()

    own = tmp_path / "own.toml"
    own.write_text('[rented.instance_hour.north]\nlarge = 0.0\n[rented.address_hour]\n"" = 0.0\n', encoding="utf-8")
    by_hand(preview=preview, budget=0.6, currency="USD", own=own)
    assert len(began) == 1


def test_a_name_that_labels_could_not_tell_from_another_is_refused(by_hand: Callable[..., None], began: Began) -> None:
    for name in ("By_Hand", "byhand-.rented"):
        with pytest.raises(pulumi.RunError, match="cannot name a stack"):
            by_hand(name)
    assert began == []
