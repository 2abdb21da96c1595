"""Loopback addresses of local cells: one each, free, given back."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from bench.errors import DeployError
from stacks import address

if TYPE_CHECKING:
    from pathlib import Path

PORT = 28333


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))


def reserve(cell: str) -> str:
    return address.reserve(stack="s", host="h", cell=cell, ports=[PORT])


def test_a_hundred_cells_get_a_hundred_loopback_addresses() -> None:
    given = [reserve(f"cell-{number}") for number in range(100)]

    assert len(set(given)) == 100
    assert all(each.startswith("127.77.") for each in given)


def test_a_taken_port_makes_it_choose_another_address() -> None:
    first = reserve("a")
    address.release(stack="s", host="h", cell="a")
    with socket.socket() as taken:
        taken.bind((first, PORT))
        assert reserve("a") != first


def test_the_same_cell_gets_the_same_address_again() -> None:
    first = reserve("a")
    address.release(stack="s", host="h", cell="a")

    assert reserve("a") == first


def test_a_port_taken_on_all_addresses_is_one_clear_error() -> None:
    with socket.socket() as everywhere:
        everywhere.bind(("0.0.0.0", PORT))
        everywhere.listen()
        with pytest.raises(DeployError, match=f"no free port.*{PORT}") as caught:
            reserve("a")
    assert "ss -ltnp" in caught.value.next_step


def test_releasing_what_was_never_reserved_is_fine() -> None:
    address.release(stack="s", host="h", cell="never")
