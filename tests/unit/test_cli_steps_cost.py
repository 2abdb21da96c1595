"""What the commands hold a budget against, and what a run is told that its hosts cost."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from bench import cli, run, store
from bench import cli_steps as steps
from bench.errors import DeployError, InputError
from bench.targets import Deployment, render
from bench.terminal import Screen
from stacks import plan, prices, readback
from stacks.fleet import Outcome
from stacks.lifecycle import Standing
from stacks.parts import Part
from tests.unit import renting
from tests.unit.test_cost import TABLES, target

if TYPE_CHECKING:
    from bench.records import Target
    from stacks.matrix import Matrix


@pytest.fixture(autouse=True)
def rented(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    renting.register(monkeypatch, renting.cloud("other"))
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(prices, "FOLDER", tmp_path)
    (tmp_path / "rented.toml").write_text(TABLES, encoding="utf-8")


def planned(of: Matrix) -> plan.Plan:
    return plan.plan(of, plan.facts_of)


# --- the budget


@pytest.mark.parametrize("stays", [True, False])
def test_a_stack_that_stays_is_held_to_its_budget_until_its_hosts_end(monkeypatch: pytest.MonkeyPatch, *, stays: bool) -> None:
    of = renting.wanted({}, budget=0.1, currency="USD")
    unbound = replace(renting.cloud(), problems=lambda: (), room=lambda _requests: "")
    renting.register(monkeypatch, unbound)
    monkeypatch.setattr("stacks.settle.settle", lambda *_: pytest.fail("within its budget"))

    with pytest.raises(InputError if stays else pytest.fail.Exception, match="left standing" if stays else "within its budget"):
        steps.take(Screen(quiet=True), "s", of, planned(of), None, stays=stays)


@pytest.mark.parametrize(
    ("command", "stays"),
    [
        (lambda: cli.up(Path("m.yaml"), "s"), True),
        (lambda: cli.bench(Path("m.yaml"), "s", keep=True), True),
        (lambda: cli.bench(Path("m.yaml"), "s"), False),
    ],
)
def test_a_command_says_whether_its_stack_stays(monkeypatch: pytest.MonkeyPatch, command: Any, *, stays: bool) -> None:
    of, told = renting.wanted({}), list[bool]()

    def take(*_: object, stays: bool) -> None:
        told.append(stays)
        raise DeployError("that will do", where="", next_step="")

    monkeypatch.setattr(steps, "read_plan", lambda _: (of, planned(of)))
    monkeypatch.setattr(steps, "take", take)

    with pytest.raises(DeployError, match="that will do"):
        command()
    assert told == [stays]


# --- what a run is told


def started(
    monkeypatch: pytest.MonkeyPatch, of: Matrix, targets: tuple[Target, ...], failed: tuple[tuple[Part, DeployError], ...] = ()
) -> dict[str, Any]:
    """What a run of the matrix is begun with where these targets stand."""
    told: dict[str, Any] = {}

    def start(**given: Any) -> Path:
        told.update(given)
        return Path("run")

    monkeypatch.setattr(readback, "refresh", lambda one: one)
    monkeypatch.setattr(run, "start", start)
    monkeypatch.setattr(store, "note", lambda *_, **__: None)
    deployed = render(Deployment(stack="s", targets=targets))
    standing = Standing(stack="s", targets_json=deployed, credentials={}, changes={})
    steps.start_run(of, planned(of), Outcome(standing=standing, failed=failed), Path("runs"), None)
    return told


def test_a_run_costs_what_stands_and_not_what_its_matrix_says_now(monkeypatch: pytest.MonkeyPatch) -> None:
    deployed = replace(renting.wanted({}, spot=True), disk_size="200GiB")
    targets = tuple(target(cell, "rented large spot, kvm") for cell in planned(deployed).cells)

    now = replace(renting.wanted({}), disk_size="50GiB")
    (host,) = started(monkeypatch, now, targets)["costs"]

    assert {price.what: round(price.per_hour, 6) for price in host.prices} == {
        "large spot": 0.03,
        "public address": 0.004,
        "ssd-200GiB": 0.02,
    }


def test_a_cloud_that_failed_is_not_counted_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    of = renting.wanted({"cloud": ("rented", "other", "local")})
    cells = {cell.cloud: cell for cell in planned(of).cells}
    gone = tuple(
        (Part(name=f"s.{cloud}", cloud=cloud, cells=(cells[cloud],)), DeployError("it failed", where="", next_step="again"))
        for cloud in ("other", "local")
    )

    told = started(monkeypatch, of, (target(cells["rented"]),), gone)

    assert told["not_counted"] == ("hosts of other whose cells are missing",)
    assert [host.cloud for host in told["costs"]] == ["rented"]


def test_where_all_stands_nothing_else_was_paid_for(monkeypatch: pytest.MonkeyPatch) -> None:
    of = renting.wanted({})

    assert started(monkeypatch, of, tuple(target(cell) for cell in planned(of).cells))["not_counted"] == ()
