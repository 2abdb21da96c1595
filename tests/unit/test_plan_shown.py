"""What `cowbench plan` says, to a person and to a program: kernels, images, money."""

from __future__ import annotations

import io
import json
from contextlib import redirect_stdout
from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from bench import display, terminal
from bench.errors import DeployError
from stacks import cost, plan, plan_document, prices, settle
from stacks.terms import Settled
from tests.unit import renting
from tests.unit.test_cost import TABLES, TODAY

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from stacks.matrix import Matrix


@pytest.fixture(autouse=True)
def rented(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    renting.register(monkeypatch)
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(prices, "FOLDER", tmp_path)
    (tmp_path / "rented.toml").write_text(TABLES, encoding="utf-8")


def shown(of: Matrix) -> str:
    """All that a person reads, without colour."""
    planned, tables = plan.plan(of, plan.facts_of), prices.read()
    with redirect_stdout(io.StringIO()) as out:
        screen = terminal.Screen()
        display.show_plan(screen, of, planned)
        display.show_images(screen, plan_document.images("shown", planned.cells, of.load.generators))
        over = [cost.over_budget(of, planned, tables, stays=stays) for stays in (False, True)]
        display.show_cost(screen, of, cost.estimate(of, planned, tables, TODAY), *over)
    return out.getvalue()


def document(of: Matrix) -> dict[str, object]:
    """What a program reads, through JSON."""
    planned = plan.plan(of, plan.facts_of)
    made = plan_document.document(
        of,
        planned,
        cost.estimate(of, planned, prices.read(), TODAY),
        plan_document.images("shown", planned.cells, of.load.generators),
    )
    read: dict[str, object] = json.loads(json.dumps(made))
    return read


WITH_KERNELS = {"kernel": ("6.1", ">=6.8", "2.6")}


def test_a_person_sees_what_each_wish_gave_and_the_kernel_of_every_cell() -> None:
    text = shown(renting.wanted(WITH_KERNELS))

    assert "kernel 6.1 on rented: debian-12 (6.1)\n" in text
    assert "kernel >=6.8 on rented: debian-13 (6.12)\n" in text
    assert "kernel 2.6 on rented: none has it, see below\n" in text
    assert "debian-13, kernel 6.12, seaweedfs" in text
    assert "left out: overlay2 on ext4, kernel 2.6: no machine image of rented" in text


def test_a_matrix_on_one_kernel_is_told_of_it_once_and_not_in_every_line() -> None:
    text = shown(renting.wanted({"driver": ("overlay2", "vfs")}))

    assert "  all on debian-12, kernel 6.1\n" in text
    assert text.count("kernel") == 1


def test_a_person_sees_what_it_costs_and_what_that_rests_on() -> None:
    text = shown(renting.wanted({}, budget=1.0, currency="USD"))

    assert "1 x large in north" in text
    assert (
        "cost on rented: 0.114 USD per hour, 0.0312 USD for the run of 16 min 24 s, 0.684 USD until they end after 6 h 0 min"
        in text
    )
    assert "prices: rented as of 2026-01-31: https://prices.example.org" in text
    assert "not counted: egress (load goes over the network to this machine)" in text
    assert "assumed: 10 min until the load begins" in text
    assert text.endswith("budget 1.00 USD: enough\n")


def test_a_person_sees_that_a_budget_is_enough_for_a_run_and_not_for_a_stack_that_is_left() -> None:
    text = shown(renting.wanted({}, budget=0.5, currency="USD"))

    assert "budget 0.500 USD: enough\n  but not for cowbench up, or bench --keep: the stack, left standing until" in text


def test_a_person_sees_what_has_no_price_and_that_the_budget_may_not_do() -> None:
    text = shown(renting.wanted({"region": ("north", "south")}, budget=1.0, currency="USD"))

    assert "cost on rented: at least 0.118 USD per hour" in text
    assert "no price is known on rented for 1 x large in south, 1 x ssd-100GiB in south\n  next: " in text
    assert "budget 1.00 USD: the planned run costs at least" in text


def test_a_run_that_its_hosts_would_not_outlive_is_told_before_it_begins() -> None:
    told = "warning: the run is planned for 16 min 24 s, and its hosts end after 10 min 0 s\n  next: raise deploy.expires"

    assert told in shown(renting.wanted({}, lifetime_s=600))
    assert "warning" not in shown(renting.wanted({}, lifetime_s=3600))


def test_clouds_without_an_account_are_told_no_price() -> None:
    text = shown(renting.wanted({"cloud": ("local",)}, budget=1.0, currency="USD"))

    assert not {"cost", "price", "budget", "image"} & set(text.split())


def _rented(monkeypatch: pytest.MonkeyPatch, *problems: str, image_id: Callable[[str, str], str]) -> None:
    account = SimpleNamespace(image_id=image_id)
    known = replace(renting.cloud(), problems=lambda: problems, room=lambda _: "", account=account)  # type: ignore[arg-type] # all that is asked of it
    renting.register(monkeypatch, known)


def test_an_image_is_shown_by_its_id_where_the_account_can_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    _rented(monkeypatch, image_id=lambda region, name: f"ami-{region}-{name}")
    of = renting.wanted(WITH_KERNELS)

    assert "image debian-12 on rented, north: ami-north-debian-12\n" in shown(of)
    images = document(of)["images"]
    assert isinstance(images, list)
    assert {"cloud": "rented", "region": "north", "name": "debian-13", "id": "ami-north-debian-13", "unknown": ""} in images


def test_it_says_why_the_id_of_an_image_is_not_known(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_region: str, name: str) -> str:
        raise DeployError(f"no {name} any more", next_step="write another one")

    _rented(monkeypatch, "no token: export TOKEN", image_id=refuse)
    text = shown(renting.wanted(WITH_KERNELS))
    assert "image debian-12, debian-13 on rented: its id is looked up by cowbench up; not now, since no token: export" in text

    _rented(monkeypatch, image_id=refuse)
    assert "since no debian-13 any more: write another one\n" in shown(renting.wanted(WITH_KERNELS))


def test_an_image_that_the_stack_has_settled_on_is_not_looked_up_again(monkeypatch: pytest.MonkeyPatch) -> None:
    _rented(monkeypatch, image_id=lambda _region, _name: "the-newest")
    kept = Settled(
        owner="ann", operator="203.0.113.7/32", expires_at=1.0, lifetime_s=1, spot=False,
        image_ids={"rented/north/debian-12": "ami-1"},
    )  # fmt: skip
    settle.keep({"shown": kept})

    text = shown(renting.wanted(WITH_KERNELS))

    assert "image debian-12 on rented, north: ami-1\n" in text
    assert "image debian-13 on rented, north: the-newest\n" in text


def test_a_program_reads_kernels_costs_and_what_is_left_out() -> None:
    read = document(renting.wanted(WITH_KERNELS, budget=20.0, currency="USD"))

    assert set(read) == {"matrix", "cells", "left_out", "warnings", "kernels", "images", "cost"}
    cells, kernels, money = read["cells"], read["kernels"], read["cost"]
    assert isinstance(cells, list)
    assert isinstance(kernels, list)
    assert isinstance(money, dict)
    assert [cell["kernel"] for cell in cells] == ["6.1", "6.12"]
    assert [(one["wish"], one["machine_image"], one["kernel"]) for one in kernels] == [
        ("6.1", "debian-12", "6.1"),
        (">=6.8", "debian-13", "6.12"),
        ("2.6", "", ""),
    ]
    assert (money["budget"], money["currency"], money["unknown"]) == (20.0, "USD", {})
    assert [total["per_hour"] for total in money["sums"]] == [pytest.approx(0.228)]
    assert {line["as_of"] for line in money["lines"]} == {"2026-01-31"}


def test_a_program_reads_no_cost_where_nothing_is_rented() -> None:
    assert document(renting.wanted({"cloud": ("local",)}))["cost"] is None
