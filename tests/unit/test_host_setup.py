"""The rendered host scripts: golden files for every driver and filesystem, and what must hold for all of them."""

from __future__ import annotations

import itertools
import os
import subprocess
from pathlib import Path
from typing import cast

import pytest

from stacks import drivers, engines, host_setup

GOLDEN = Path(__file__).parent.parent / "golden/host_setup"
PAIRS = [(name, fs) for name in drivers.DRIVERS for fs in drivers.load(name).backing_filesystems if fs in host_setup.FILESYSTEMS]


def setup(driver: str, filesystem: str, *, device: str = "", install: bool = False) -> host_setup.HostSetup:
    return host_setup.HostSetup(
        root="/var/lib/cowbench/h/demo/host",
        owner="0a1b2c3d.demo.host",
        device=device,
        disk_bytes=8 << 30,
        filesystem=filesystem,
        driver=drivers.load(driver),
        engine=engines.load("distribution"),
        install=install,
    )


@pytest.mark.parametrize(("driver", "filesystem"), PAIRS)
def test_the_script_is_what_was_reviewed(driver: str, filesystem: str) -> None:
    """Refresh with: COWBENCH_REFRESH_GOLDEN=1 make test, then read the difference."""
    path = GOLDEN / f"{driver}-{filesystem}.sh"
    rendered = host_setup.render_up(setup(driver, filesystem))
    if os.environ.get("COWBENCH_REFRESH_GOLDEN"):
        path.write_text(rendered)

    assert rendered == path.read_text()


def test_a_vm_gets_the_same_body_with_other_variables() -> None:
    local = host_setup.render_up(setup("overlay2", "xfs")).splitlines()
    vm = host_setup.render_up(setup("overlay2", "xfs", device="/dev/disk/by-id/virtio-data0", install=True)).splitlines()

    differing = [pair for pair in itertools.zip_longest(local, vm) if pair[0] != pair[1]]

    assert [new for _, new in differing] == ["DEVICE=/dev/disk/by-id/virtio-data0", "INSTALL=yes"]


@pytest.mark.parametrize(("driver", "filesystem"), PAIRS)
def test_both_scripts_are_sound_posix_shell(driver: str, filesystem: str) -> None:
    for script in (host_setup.render_up(setup(driver, filesystem)), host_setup.render_down(root="/x", owner="m.s.h")):
        assert subprocess.run(["sh", "-n"], input=script, text=True, check=False).returncode == 0


def test_a_hostile_name_stays_one_word_of_the_script() -> None:
    script = host_setup.render_down(root="/x'; touch /tmp/pwned; '", owner="m.s.h")
    echoed = subprocess.run(
        ["sh", "-c", script.split("PATH=")[0] + '\nprintf %s "$ROOT"'], capture_output=True, text=True, check=False
    )

    assert echoed.stdout == "/x'; touch /tmp/pwned; '"


def test_nothing_of_the_engine_lies_outside_its_root() -> None:
    config = host_setup.daemon_json(setup("overlay2", "ext4"))
    sockets = [str(host).removeprefix("unix://") for host in cast("list[str]", config["hosts"])]
    paths = [str(config["data-root"]), str(config["exec-root"]), str(config["pidfile"]), *sockets]

    assert [path for path in paths if not path.startswith("/var/lib/cowbench/h/demo/host/")] == []


def test_the_driver_is_set_explicitly_so_that_the_engine_cannot_choose() -> None:
    for driver, filesystem in PAIRS:
        assert host_setup.daemon_json(setup(driver, filesystem))["storage-driver"] == driver


def test_taking_away_a_host_that_never_was_is_fine(tmp_path: Path) -> None:
    script = host_setup.render_down(root=str(tmp_path / "never"), owner="00000000.never.never")

    assert subprocess.run(["sh", "-s"], input=script, text=True, check=False).returncode == 0
