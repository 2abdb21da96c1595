"""What a VM says while it boots is what a person gets to read, above all when it does not come up."""

from __future__ import annotations

import json
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from stacks import image, machine_image

if TYPE_CHECKING:
    from pathlib import Path

    from tests.live.place import Place
    from tests.vms.standing import Stack

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]


def test_logs_show_what_the_console_the_set_up_the_engine_and_the_server_said(trixie: Stack) -> None:
    cell = trixie.target("seaweedfs").cell.name

    everything = trixie.place.cowbench("logs", cell, "--stack", trixie.name)
    console = trixie.place.cowbench("logs", cell, "--stack", trixie.name, "--part", "console", "--lines", "500")

    assert everything.code == 0, everything.said
    parts = [line.split()[1] for line in everything.said.splitlines() if line.startswith("==> ")]
    assert {"console", "engine", "server"} <= set(parts)
    assert console.code == 0
    assert "cloud-init" in console.said


def test_logs_of_what_is_not_there_names_what_is(trixie: Stack) -> None:
    ended = trixie.place.cowbench("logs", "nowhere", "--stack", trixie.name)

    assert ended.code == 2
    assert trixie.target("versitygw").cell.name in ended.said


def test_a_vm_whose_kernel_panics_is_told_with_the_consoles_words_and_soon(own_place: Place) -> None:
    cache = cache_with_an_image_that_has_no_root(own_place)
    matrix = own_place.matrix("panics", axes={"cloud": ["qemu"], "machine_image": ["debian-bullseye"]})
    began = time.monotonic()

    ended = own_place.cowbench("up", matrix, "--stack", "panics", COWBENCH_CACHE=str(cache))

    assert ended.code == 3, ended.said
    assert time.monotonic() - began < 240, "sooner than the limit of a boot"
    for words in ("the VM ended while it booted", "Kernel panic", "Unable to mount root fs", "means: ", "next: "):
        assert words in ended.said
    assert "Traceback" not in ended.said
    assert "timed out" not in ended.said


def cache_with_an_image_that_has_no_root(place: Place) -> Path:
    """The cache as it is, but for one machine image, whose disk is empty."""
    real, mine = image.cache_directory().absolute(), place.root / "cache"
    good = machine_image.ensure("debian-bullseye", print).root.parent
    (mine / "machines" / good.name).mkdir(parents=True)
    for each in real.iterdir():
        if each.name != "machines":
            (mine / each.name).symlink_to(each)
    bad = mine / "machines" / good.name
    (bad / "vmlinuz").symlink_to(good / "vmlinuz")
    disk = bad / "root.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", disk, "1G"], check=True, timeout=60)
    manifest = json.loads((good / "manifest.json").read_text())
    (bad / "manifest.json").write_text(json.dumps({**manifest, "root_bytes": disk.stat().st_size}))
    return mine
