"""The `deploy` part of a matrix: on what terms hosts are rented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench.errors import InputError
from stacks import matrix, matrix_deploy
from stacks.terms import DEADLINE_S, LIFETIME_S, Terms
from tests.unit import renting

if TYPE_CHECKING:
    from pathlib import Path

MATRIX = """\
schema: 1
name: small
axes: {{cloud: rented, driver: overlay2, region: {regions}}}
{deploy}
load: {{workloads: {{op: put, object_size: 4KiB}}}}
"""


@pytest.fixture(autouse=True)
def rented(monkeypatch: pytest.MonkeyPatch) -> None:
    renting.register(monkeypatch)


def terms(folder: Path, deploy: str, regions: str = "north") -> Terms:
    path = folder / "matrix.yaml"
    path.write_text(MATRIX.format(deploy=deploy, regions=regions), encoding="utf-8")
    return matrix.read(path).terms


def test_every_key_is_read(tmp_path: Path) -> None:
    deploy = (
        "deploy: {owner: Ann Lee, expires: 3h, operator: 203.0.113.7/24, budget: 20.50 USD, spot: true, deadline: 30m,"
        " zones: {north: [north-a, north-b], rented/south: south-a}, instead_of: {large: [small]}}"
    )

    assert terms(tmp_path, deploy, regions="[north, south]") == Terms(
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
        ("203.0.0.0/16", "203.0.0.0/16"),
        ("127.0.0.0/8", "127.0.0.0/8"),
    ],
)
def test_an_operator_is_an_address_or_a_network_that_is_not_the_world(tmp_path: Path, written: str, network: str) -> None:
    assert terms(tmp_path, f'deploy: {{operator: "{written}"}}').operator == network


@pytest.mark.parametrize(
    ("written", "why"),
    [
        ("52.0.0.0/8", "a company's network is a /16 at most"),
        ("203.0.0.0/15", "would open SSH to a good part of the world"),
        ("126.0.0.0/7", "would open SSH to a good part of the world"),
        ("2001:db8::1", "hosts are reached by IPv4 alone"),
        ("::/0", "hosts are reached by IPv4 alone"),
        ("10.0.0.0/8", "hosts of rented are reached over the internet"),
        ("192.168.1.7", "nobody would get in"),
    ],
)
def test_an_operator_that_lets_in_the_world_or_nobody_is_refused(tmp_path: Path, written: str, why: str) -> None:
    with pytest.raises(InputError) as raised:
        terms(tmp_path, f'deploy: {{operator: "{written}"}}')
    assert why in raised.value.what
    assert raised.value.exit_code == 2


def test_where_hosts_may_lie_in_a_network_of_ones_own_so_may_the_operator(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    renting.register(monkeypatch, renting.cloud(public_addresses=False))

    assert terms(tmp_path, "deploy: {operator: 10.1.0.0/16}").operator == "10.1.0.0/16"


@pytest.mark.parametrize("key", ["nort", "rented/nort", "local/north", "rented"])
def test_zones_are_of_a_region_that_the_matrix_uses(tmp_path: Path, key: str) -> None:
    with pytest.raises(InputError, match="is no region of this matrix") as raised:
        terms(tmp_path, f"deploy: {{zones: {{{key}: [a]}}}}")
    assert raised.value.next_step == "write one of north, rented/north"


def test_zones_may_be_of_a_region_that_only_an_entry_of_include_has_or_that_is_usual(tmp_path: Path) -> None:
    path = tmp_path / "matrix.yaml"
    include = "include: [{region: south}]"
    path.write_text(MATRIX.format(deploy=f"{include}\ndeploy: {{zones: {{south: [a]}}}}", regions="north"), encoding="utf-8")
    assert matrix.read(path).terms.zones == {"south": ("a",)}

    usual = MATRIX.replace(", region: {regions}", "").format(deploy="deploy: {zones: {rented/north: [a]}}")
    path.write_text(usual, encoding="utf-8")
    assert matrix.read(path).terms.zones == {"rented/north": ("a",)}


@pytest.mark.parametrize(("written", "range_"), [("expires: 1s", "10m to 336h"), ("deadline: 1s", "1m to 6h")])
def test_a_range_of_durations_is_written_as_people_write_them(tmp_path: Path, written: str, range_: str) -> None:
    with pytest.raises(InputError) as raised:
        terms(tmp_path, f"deploy: {{{written}}}")
    assert raised.value.next_step == f"write a value from {range_}"


@pytest.mark.parametrize(("written", "budget"), [("5 USD", 5.0), ("0.5EUR", 0.5), ("1000000 JPY", 1e6)])
def test_a_budget_is_an_amount_and_its_currency(tmp_path: Path, written: str, budget: float) -> None:
    read = terms(tmp_path, f"deploy: {{budget: {written}}}")

    assert (read.budget, read.currency) == (budget, written[-3:])
