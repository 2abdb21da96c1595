"""The `deploy` part of a matrix: on what terms hosts are rented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from stacks import matrix, matrix_deploy
from stacks.terms import DEADLINE_S, LIFETIME_S, Terms
from tests.unit import renting

if TYPE_CHECKING:
    from pathlib import Path

MATRIX = """\
schema: 1
name: small
axes: {{cloud: rented, driver: overlay2}}
{deploy}
load: {{workloads: {{op: put, object_size: 4KiB}}}}
"""


@pytest.fixture(autouse=True)
def rented(monkeypatch: pytest.MonkeyPatch) -> None:
    renting.register(monkeypatch)


def terms(folder: Path, deploy: str) -> Terms:
    path = folder / "matrix.yaml"
    path.write_text(MATRIX.format(deploy=deploy), encoding="utf-8")
    return matrix.read(path).terms


def test_every_key_is_read(tmp_path: Path) -> None:
    deploy = (
        "deploy: {owner: Ann Lee, expires: 3h, operator: 203.0.113.7/24, budget: 20.50 USD, spot: true, deadline: 30m,"
        " zones: {north: [north-a, north-b], rented/south: south-a}, instead_of: {large: [small]}}"
    )

    assert terms(tmp_path, deploy) == Terms(
        owner="Ann Lee",
        lifetime_s=3 * 3600,
        operator="203.0.113.0/24",
        budget=20.5,
        currency="USD",
        spot=True,
        zones={"north": ("north-a", "north-b"), "rented/south": ("south-a",)},
        instead_of={"large": ("small",)},
        deadline_s=1800,
    )
    assert [key for key in matrix_deploy.KEYS if f"{key}: " not in deploy] == []


@pytest.mark.parametrize("deploy", ["", "deploy: {}"])
def test_what_is_left_out_is_usual(tmp_path: Path, deploy: str) -> None:
    assert terms(tmp_path, deploy) == Terms()
    assert (Terms().lifetime_s, Terms().deadline_s, Terms().budget) == (LIFETIME_S, DEADLINE_S, None)


@pytest.mark.parametrize(
    ("written", "network"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("2001:db8::1", "2001:db8::1/128"),
        ("2001:db8::/32", "2001:db8::/32"),
    ],
)
def test_an_operator_is_an_address_or_a_network_that_is_not_the_world(tmp_path: Path, written: str, network: str) -> None:
    assert terms(tmp_path, f'deploy: {{operator: "{written}"}}').operator == network


@pytest.mark.parametrize(("written", "budget"), [("5 USD", 5.0), ("0.5EUR", 0.5), ("1000000 JPY", 1e6)])
def test_a_budget_is_an_amount_and_its_currency(tmp_path: Path, written: str, budget: float) -> None:
    read = terms(tmp_path, f"deploy: {{budget: {written}}}")

    assert (read.budget, read.currency) == (budget, written[-3:])
