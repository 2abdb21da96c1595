"""The rendered host scripts: golden files of what differs between drivers and filesystems, and what must hold for all of them."""

from __future__ import annotations

import itertools
import os
import re
import subprocess
import tomllib
from dataclasses import replace
from pathlib import Path
from typing import cast

import pytest

from bench import knowledge
from stacks import drivers, engines, host_setup

GOLDEN = Path(__file__).parent.parent / "golden/host_setup"
SCRIPTS = Path(host_setup.__file__).parent / "scripts"
PAIRS = [(name, fs) for name in drivers.DRIVERS for fs in drivers.load(name).backing_filesystems]


def setup(driver: str, filesystem: str, *, device: str = "", install: bool = False, pool: str = "") -> host_setup.HostSetup:
    return host_setup.HostSetup(
        root="/var/lib/cowbench/h/demo/host",
        owner="0a1b2c3d.demo.host",
        device=device,
        disk_bytes=8 << 30,
        filesystem=filesystem,
        driver=drivers.load(driver),
        engine=engines.load("distribution"),
        install=install,
        pool_device=pool or ("/dev/disk/by-id/virtio-pool0" if drivers.load(driver).wants_whole_disk else ""),
    )


@pytest.mark.parametrize(("driver", "filesystem"), PAIRS)
def test_the_script_is_what_was_reviewed(driver: str, filesystem: str) -> None:
    """Refresh with: COWBENCH_REFRESH_GOLDEN=1 make test, then read the difference."""
    path = GOLDEN / f"{driver}-{filesystem}.sh"
    before, after = (SCRIPTS / "host_up.sh").read_text().split("# @variables@\n")
    rendered = host_setup.render_up(setup(driver, filesystem))
    variables = rendered.removeprefix(before).removesuffix(after)
    if os.environ.get("COWBENCH_REFRESH_GOLDEN"):
        path.write_text(variables)

    assert rendered == f"{before}{variables}{after}"
    assert variables == path.read_text()


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
    paths = [str(config[key]) for key in ("data-root", "exec-root", "pidfile", "containerd")]

    assert [path for path in (*paths, *sockets) if not path.startswith("/var/lib/cowbench/h/demo/host/")] == []


@pytest.mark.parametrize(("driver", "filesystem"), PAIRS)
def test_the_engines_containerd_keeps_its_data_on_the_measured_filesystem_and_all_else_in_the_host(
    driver: str, filesystem: str
) -> None:
    of = setup(driver, filesystem)
    config = tomllib.loads(host_setup.containerd_toml(of))

    assert config["version"] == 2  # what 1.4 and 2.x both understand
    assert config["root"].startswith(f"{host_setup.daemon_json(of)['data-root']}/")
    assert config["state"].startswith(f"{of.root}/x/")
    assert config["grpc"]["address"] == host_setup.daemon_json(of)["containerd"]
    assert config.keys() == {"version", "root", "state", "oom_score", "disabled_plugins", "grpc"}  # nothing else listens


@pytest.mark.parametrize("snapshotter", ["overlayfs", "btrfs", "zfs"])
def test_the_snapshotter_that_is_measured_is_never_switched_off(snapshotter: str) -> None:
    of = setup("containerd-overlayfs", "ext4")
    with_it = replace(of, driver=replace(of.driver, storage_driver=snapshotter))
    skipped = tomllib.loads(host_setup.containerd_toml(with_it))["disabled_plugins"]

    assert f"io.containerd.snapshotter.v1.{snapshotter}" not in skipped
    # containerd before 2.0 refuses a short name in this version of its configuration.
    assert [name for name in skipped if not re.fullmatch(r"io\.containerd\.[a-z.]+\.v1\.[a-z]+", name)] == []


def test_a_hostile_directory_stays_one_word_of_the_configuration() -> None:
    hostile = replace(setup("overlay2", "ext4"), root='/x"\nversion = 3 # \\ é')

    assert tomllib.loads(host_setup.containerd_toml(hostile))["state"] == f"{hostile.root}/x/containerd/daemon"


@pytest.mark.parametrize(("driver", "filesystem"), PAIRS)
def test_the_driver_is_set_explicitly_so_that_the_engine_cannot_choose(driver: str, filesystem: str) -> None:
    config = host_setup.daemon_json(setup(driver, filesystem))

    assert config["storage-driver"] == drivers.load(driver).storage_driver
    assert ("features" in config) == (drivers.load(driver).image_store == "containerd")


def test_a_driver_that_wants_a_disk_of_its_own_is_not_set_up_without() -> None:
    with pytest.raises(ValueError, match="disk of its own"):
        host_setup.render_up(replace(setup("devicemapper-direct", "ext4"), pool_device=""))


@pytest.mark.parametrize(("driver", "filesystem"), PAIRS)
def test_what_is_known_of_a_host_is_in_the_words_of_the_rules(driver: str, filesystem: str) -> None:
    known = host_setup.facts(drivers.load(driver), filesystem)

    assert knowledge.judge(known)  # raises for a word that no rule knows
    assert known["d_type"] is host_setup.d_type(filesystem) is (filesystem != "xfs-ftype0")


@pytest.mark.parametrize(
    ("driver", "filesystem", "engine", "rules"),
    [
        ("overlay2", "xfs-ftype0", "20.10.5", {"FS02"}),
        ("overlay2", "xfs-ftype0", "26.1.5", {"FS01"}),
        ("containerd-overlayfs", "xfs-ftype0", "26.1.5", {"FS06"}),
        ("containerd-overlayfs", "ext4", "20.10.24", {"SEL20"}),
        ("containerd-overlayfs", "ext4", "26.1.5", set()),
        ("fuse-overlayfs", "xfs-ftype0", "20.10.5", set()),
        ("vfs", "xfs-ftype0", "20.10.5", set()),
        ("devicemapper", "xfs-ftype0", "20.10.5", set()),
        ("devicemapper", "ext4", "26.1.5", {"SEL02"}),
        ("devicemapper-direct", "ext4", "20.10.5", set()),
        ("overlay", "ext4", "20.10.5", set()),
        ("overlay", "ext4", "26.1.5", {"SEL01"}),
        ("aufs", "ext4", "26.1.5", {"SEL01"}),
        ("zfs", "zfs", "20.10.24", set()),
    ],
)
def test_the_rules_stop_what_cannot_work_on_a_debian_and_nothing_else(
    driver: str, filesystem: str, engine: str, rules: set[str]
) -> None:
    debian = {"docker": engine, "cgroup": "v2", "kernel": "6.12.0" if engine.startswith("26") else "5.10.0", "el7_build": None}

    judged = knowledge.judge({**host_setup.facts(drivers.load(driver), filesystem), **debian})

    assert {each.rule for each in judged if each.outcome == "matched" and each.level == "error"} == rules


def test_only_loop_lvm_is_warned_of_for_its_loop_files() -> None:
    warned = {
        name: [each.rule for each in knowledge.judge(host_setup.facts(drivers.load(name), "ext4")) if each.outcome == "matched"]
        for name in ("devicemapper", "devicemapper-direct", "overlay2")
    }

    assert {name: "DM01" in rules for name, rules in warned.items()} == {
        "devicemapper": True,
        "devicemapper-direct": False,
        "overlay2": False,
    }


def test_taking_away_a_host_that_never_was_is_fine(tmp_path: Path) -> None:
    script = host_setup.render_down(root=str(tmp_path / "never"), owner="00000000.never.never")

    assert subprocess.run(["sh", "-s"], input=script, text=True, check=False).returncode == 0
