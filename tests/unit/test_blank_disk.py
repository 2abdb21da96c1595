"""Which disk a rented VM takes: one that nothing is on, and never another. The script's own functions, on made-up disks."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from stacks import drivers, engines, host_setup

GIB = 1 << 30
SECTOR = 512


class Machine:
    """Made-up disks: what `/sys/block` says of them, and what `blkid` finds."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.blocks = root / "sys-block"
        self.blocks.mkdir()
        stubs = root / "bin"
        stubs.mkdir()
        blkid = stubs / "blkid"
        # Its word for nothing found is 2.
        blkid.write_text(f'#!/bin/sh\n[ -e "{root}/signed/$(basename "$2")" ] || exit 2\n')
        blkid.chmod(0o755)
        (root / "signed").mkdir()

    def disk(self, name: str, size_bytes: int, *, read_only: bool = False, signed: bool = False) -> Path:
        path = self.blocks / name
        (path / "holders").mkdir(parents=True)
        (path / "ro").write_text(f"{int(read_only)}\n")
        (path / "size").write_text(f"{size_bytes // SECTOR}\n")
        if signed:
            (self.root / "signed" / name).touch()
        return path

    def run(self, command: str, *, wanted_bytes: int = 8 * GIB, install: str = "yes") -> subprocess.CompletedProcess[str]:
        body = (Path(host_setup.__file__).parent / "scripts/host_up.sh").read_text()
        functions = body.split("# @variables@\n")[1].split("\n# One run at a time")[0]
        functions = functions.replace("/sys/block/", f"{self.blocks}/").replace("/dev/disk/", f"{self.root}/no-links/")
        head = f"set -eu\nROOT={self.root} OWNER=o DISK_BYTES={wanted_bytes} INSTALL={install} SNAPSHOTTER=\n"
        path = f'PATH="{self.root}/bin:$PATH"\nsleep() {{ :; }}\n'
        return subprocess.run(
            ["sh", "-s"], input=f"{head}{functions}\n{path}{command}\n", capture_output=True, text=True, timeout=60, check=False
        )

    def blank(self, *, wanted_bytes: int = 8 * GIB) -> list[str]:
        done = self.run("blank_disks", wanted_bytes=wanted_bytes)
        assert done.stderr == ""
        return done.stdout.split()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_disk_with_nothing_on_it_is_taken_the_smallest_that_fits(machine: Machine) -> None:
    machine.disk("nvme1n1", 100 * GIB)
    machine.disk("nvme2n1", 8 * GIB)

    assert machine.blank() == ["/dev/nvme2n1", "/dev/nvme1n1"]


def test_what_holds_anything_is_left_alone(machine: Machine) -> None:
    machine.disk("sda", 20 * GIB)
    (machine.blocks / "sda/sda1").mkdir()
    (machine.blocks / "sda/sda1/partition").write_text("1\n")
    machine.disk("sdb", 20 * GIB, signed=True)
    machine.disk("sdc", 20 * GIB)
    (machine.blocks / "sdc/holders/dm-0").mkdir()
    machine.disk("sdd", 20 * GIB, read_only=True)
    machine.disk("loop0", 20 * GIB)
    machine.disk("dm-0", 20 * GIB)

    assert machine.blank() == []


def test_a_disk_may_be_a_little_smaller_than_it_was_sold_for_and_no_more(machine: Machine) -> None:
    machine.disk("vdb", 75 * 10**8)
    machine.disk("vdc", 7 * GIB)

    assert machine.blank(wanted_bytes=8 * 10**9) == ["/dev/vdb", "/dev/vdc"]
    assert machine.blank(wanted_bytes=8 * GIB) == []


def test_the_choice_is_noted_since_a_disk_that_was_filled_is_blank_no_more(machine: Machine) -> None:
    machine.disk("vdb", 8 * GIB)
    note = machine.root / "data-disk"

    assert machine.run(f'find_blank_disk "{note}"').stdout == "/dev/vdb\n"
    (machine.root / "signed/vdb").touch()
    assert machine.run(f'find_blank_disk "{note}"').stdout == "/dev/vdb\n"


def test_the_second_disk_is_another_one(machine: Machine) -> None:
    machine.disk("vdb", 8 * GIB)
    machine.disk("vdc", 8 * GIB)

    assert machine.run(f'find_blank_disk "{machine.root}/pool-disk" /dev/vdb').stdout == "/dev/vdc\n"


def test_without_one_it_says_so_and_ends(machine: Machine) -> None:
    done = machine.run(f'DEVICE=$(find_blank_disk "{machine.root}/data-disk"); echo went on')

    assert done.returncode == 11
    assert "no blank disk of 8589934592 bytes" in done.stderr
    assert "went on" not in done.stdout


def test_nothing_is_looked_for_on_a_machine_that_is_not_ours_alone(machine: Machine) -> None:
    machine.disk("vdb", 8 * GIB)

    assert machine.run(f'find_blank_disk "{machine.root}/data-disk"', install="no").returncode == 11
    with pytest.raises(ValueError, match="not ours to take"):
        host_setup.render_up(
            host_setup.HostSetup(
                root="/x",
                owner="o.s.h",
                device=host_setup.BLANK,
                disk_bytes=GIB,
                filesystem="ext4",
                driver=drivers.load("overlay2"),
                engine=engines.load("distribution"),
                install=False,
            )
        )
