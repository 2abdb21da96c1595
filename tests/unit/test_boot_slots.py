"""No more VMs boot at once than there are slots, and a slot comes back however its holder ends."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest

from stacks import boot_slots

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))


def test_a_third_boot_waits_for_one_of_two() -> None:
    inside, most, guard = 0, 0, threading.Lock()
    here = threading.Barrier(2, timeout=30)

    def boot() -> None:
        nonlocal inside, most
        with boot_slots.slot(2):
            with guard:
                inside += 1
                most = max(most, inside)
            # Passes only when two are inside at once; with four boots and two slots, twice.
            here.wait()
            with guard:
                inside -= 1

    threads = [threading.Thread(target=boot) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert most == 2
    assert inside == 0


def test_a_boot_that_fails_gives_its_slot_back() -> None:
    with pytest.raises(RuntimeError), boot_slots.slot(1):
        raise RuntimeError

    with boot_slots.slot(1):
        pass


def test_there_is_always_a_slot() -> None:
    assert boot_slots.count(accelerated=False) >= 1
    assert boot_slots.count(accelerated=True) >= boot_slots.count(accelerated=False)
