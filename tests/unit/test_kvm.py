"""KVM is believed when a kernel came up under it, and not before."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from stacks import kvm

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(autouse=True)
def device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A device that can be opened, and a state directory of its own."""
    monkeypatch.setenv("COWBENCH_STATE", str(tmp_path / "state"))
    path = tmp_path / "kvm"
    path.touch()
    monkeypatch.setattr(kvm, "_DEVICE", path)
    return path


def booting(said: str | None, calls: list[Path]) -> Callable[[Path, Path], None]:
    def boot(kernel: Path, console: Path) -> None:
        calls.append(kernel)
        if said is not None:
            console.write_text(said)

    return boot


def test_a_kernel_that_came_up_proves_it_and_is_not_asked_again(tmp_path: Path) -> None:
    calls: list[Path] = []
    boot = booting("Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)", calls)

    first = kvm.probe(tmp_path / "vmlinuz", boot)
    again = kvm.probe(tmp_path / "vmlinuz", boot)

    assert first.works
    assert again == first
    assert len(calls) == 1


@pytest.mark.parametrize("said", [None, "", "SeaBIOS (version 1.16)"])
def test_a_device_under_which_nothing_comes_up_is_no_kvm(tmp_path: Path, said: str | None) -> None:
    verdict = kvm.probe(tmp_path / "vmlinuz", booting(said, []))

    assert not verdict.works
    assert "emulated" in verdict.reason


def test_without_the_device_nothing_is_booted(device: Path, tmp_path: Path) -> None:
    device.unlink()
    calls: list[Path] = []

    assert not kvm.probe(tmp_path / "vmlinuz", booting("", calls)).works
    assert calls == []


def test_a_verdict_of_an_earlier_start_of_the_machine_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "state" / "kvm.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"works": True, "reason": "then", "identity": "another boot 7.2"}))

    assert not kvm.probe(tmp_path / "vmlinuz", booting("", [])).works


def test_a_torn_record_is_no_verdict(tmp_path: Path) -> None:
    path = tmp_path / "state" / "kvm.json"
    path.parent.mkdir()
    path.write_text('{"works": tr')

    assert not kvm.probe(tmp_path / "vmlinuz", booting("", [])).works
