"""A VM whose emulator breaks is made anew; one that fails for a reason of its own is not."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench.errors import DeployError
from stacks import vm, vm_process
from stacks.resources import virtual_machine

INT3 = "[    1.26] Oops: int3: 0000 [#1] PREEMPT SMP NOPTI\n[    1.27] Kernel panic - not syncing: Fatal exception in interrupt\n"
NO_ROOT = "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\n"
PROPS = {"stack": "s", "host": "h", "public_key": "ssh-ed25519 AAAA", "private_key": "PRIVATE", "setup": "true\n"}


class Qemu:
    """In place of the real one: what its console says at each boot, None for one that comes up. `made` are the disks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *boots: str | None) -> None:
        self.boots, self.made = list(boots), list[str]()
        self.said: str | None = None
        monkeypatch.setattr(vm_process, "create_disks", lambda _machine, *, user_data_text, **_: self.made.append(user_data_text))
        monkeypatch.setattr(vm_process, "power_on", lambda *_: self._on())
        monkeypatch.setattr(vm_process, "running", lambda _root: self.said is None)
        monkeypatch.setattr(vm_process, "console", lambda _root: self._console())
        monkeypatch.setattr(vm_process, "wait_until_set_up", lambda *_: None)
        monkeypatch.setattr(virtual_machine, "_introduce", lambda *_: self._greet())

    def _console(self) -> str:
        return self.said or ""

    def _on(self) -> None:
        self.said = self.boots.pop(0)

    def _greet(self) -> None:
        if self.said is not None:
            raise DeployError("the VM ended while it booted")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path))


def boot(*, accelerated: bool = False) -> tuple[str, ...]:
    return virtual_machine._boot(PROPS, replace(MACHINE, accelerated=accelerated), "incarnation")


_PLAIN: dict[str, Any] = {"name": "h", "image": Path("/i"), "kernel": None, "cpus": 2, "memory_bytes": 1 << 30, "data_bytes": 0}
_PLAIN |= {"pool_bytes": 0, "images": {}, "address": "127.77.3.4", "listeners": {}, "open_ports": False, "group": "230.77.1.1:1"}
MACHINE = vm.Vm(root=Path("/nowhere"), accelerated=False, **_PLAIN)


@pytest.mark.parametrize("fault", [INT3, "PANIC: double fault, error_code: 0x0\n", ""])
def test_a_vm_whose_emulator_broke_is_made_anew(monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    qemu = Qemu(monkeypatch, fault, fault, None)

    assert boot()[0] == "ssh"
    assert len(qemu.made) == 3, "with disks of its own each time: the first boot may have got anywhere"
    assert len(set(qemu.made)) == 1, "told the same"


def test_a_third_time_in_a_row_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    qemu = Qemu(monkeypatch, INT3, INT3, INT3, None)

    with pytest.raises(DeployError, match="ended while it booted"):
        boot()
    assert qemu.boots == [None]


def test_a_kernel_that_cannot_boot_is_booted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    qemu = Qemu(monkeypatch, NO_ROOT, None)

    with pytest.raises(DeployError):
        boot()
    assert qemu.boots == [None]


def test_on_a_real_processor_a_dead_kernel_is_what_was_found(monkeypatch: pytest.MonkeyPatch) -> None:
    qemu = Qemu(monkeypatch, INT3, None)

    with pytest.raises(DeployError):
        boot(accelerated=True)
    assert qemu.boots == [None]


def test_a_set_up_that_fails_in_a_vm_that_runs_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    qemu = Qemu(monkeypatch, None, None)

    def fails(*_: object) -> None:
        raise DeployError("no such package")

    monkeypatch.setattr(vm_process, "wait_until_set_up", fails)
    with pytest.raises(DeployError, match="no such package"):
        boot()
    assert qemu.boots == [None]
