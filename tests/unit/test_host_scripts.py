"""The host scripts run for real, with stubs in the place of what touches disks: first boot, other boots, kills, failures."""

from __future__ import annotations

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from stacks import drivers, engines, host_setup

if TYPE_CHECKING:
    from collections.abc import Iterator

OWNER = "0a1b2c3d.demo.host"
ANOTHER_BOOT = "11111111-2222-3333-4444-555555555555\n"

CONTAINERD = """\
{python} -c "import socket; socket.socket(socket.AF_UNIX).bind('{root}/x/containerd.sock')"
/bin/sleep 60
"""

ENGINE = """\
echo $$ >{root}/dockerd.pid
{python} -c "import socket; socket.socket(socket.AF_UNIX).bind('{root}/docker.sock')"
echo 'level=info msg="API listen on {root}/docker.sock"'
/bin/sleep 60
"""


@dataclass(frozen=True)
class Place:
    """A host directory and a directory of stubs, which come first on PATH and note how they were called."""

    root: Path
    stubs: Path
    calls: Path
    disk: Path

    def stub(self, name: str, body: str = "") -> None:
        path = self.stubs / name
        path.write_text(f'#!/bin/sh\necho "{name} $*" >>{self.calls}\n{body}')
        path.chmod(0o755)

    def script(self, driver: str = "overlay2", *, missing: str = "") -> str:
        """The script; `missing` is a program that it is told to insist on and to install."""
        member, engine = drivers.load(driver), engines.load("distribution")
        return host_setup.render_up(
            host_setup.HostSetup(
                root=str(self.root),
                owner=OWNER,
                device=str(self.disk),
                disk_bytes=8 << 30,
                filesystem="ext4",
                driver=member,
                engine=replace(engine, binaries=(*engine.binaries, *missing.split())),
                install=bool(missing),
                pool_device=str(self.root / "by-id-pool") if member.wants_whole_disk else "",
            )
        )

    def environment(self) -> dict[str, str]:
        return {**os.environ, "PATH": f"{self.stubs}:{os.environ['PATH']}"}

    def up(self, driver: str = "overlay2", *, missing: str = "") -> subprocess.CompletedProcess[str]:
        """Run the script to its end."""
        self.calls.write_text("")
        return subprocess.run(
            ["sh", "-s"],
            input=self.script(driver, missing=missing),
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    def down(self) -> subprocess.CompletedProcess[str]:
        return run_down(self.root)

    def called(self, name: str) -> list[str]:
        return [line for line in self.calls.read_text().splitlines() if line.split()[0] == name]

    def engine(self) -> int:
        return int((self.root / "dockerd.pid").read_text())

    def containerd(self) -> int:
        return int((self.root / "containerd.pid").read_text())


def run_down(root: Path, owner: str = OWNER) -> subprocess.CompletedProcess[str]:
    script = host_setup.render_down(root=str(root), owner=owner)
    return subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def place() -> Iterator[Place]:
    # A short path: a unix socket lies in it.
    base = Path(tempfile.mkdtemp(prefix="cb-"))
    made = Place(root=base / "h", stubs=base / "stubs", calls=base / "calls", disk=base / "disk")
    made.stubs.mkdir()
    made.root.mkdir()
    made.calls.touch()
    try:
        # A device number that no driver has: nothing could be harmed if a stub were missing.
        os.mknod(made.disk, stat.S_IFBLK | 0o600, os.makedev(250, 250))
    except PermissionError:
        shutil.rmtree(base)
        pytest.skip("block device nodes cannot be made here; the script insists on one")
    (made.root / "by-id-pool").symlink_to(made.disk)
    for name in ("modprobe", "mkfs.ext4", "sync", "runc", "systemctl", "thin_check", "lvm", "vgchange"):
        made.stub(name)
    for name in ("pvs", "vgremove", "pvremove"):
        made.stub(name)
    made.stub("mount", f"touch {base}/mounted")
    made.stub("mountpoint", f"[ -e {base}/mounted ]")
    made.stub("containerd", CONTAINERD.format(root=made.root, python=sys.executable))
    made.stub("dockerd", ENGINE.format(root=made.root, python=sys.executable))
    yield made
    made.down()
    shutil.rmtree(base)


@pytest.fixture
def stranger() -> Iterator[subprocess.Popen[bytes]]:
    """A process that has nothing to do with the host."""
    process = subprocess.Popen(["sleep", "60"])
    yield process
    process.kill()
    process.wait()


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)
    deadline = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "Z" not in Path(f"/proc/{pid}/stat").read_text() and time.monotonic() < deadline:
        time.sleep(0.01)


def test_a_fresh_host_gets_its_filesystem_its_mount_its_containerd_and_its_engine(place: Place) -> None:
    done = place.up()

    assert (done.returncode, done.stderr) == (0, "")
    assert [len(place.called(name)) for name in ("mkfs.ext4", "mount", "containerd", "dockerd")] == [1, 1, 1, 1]
    assert (place.root / "formatted").read_text().startswith("mkfs.ext4 -q")
    assert place.called("containerd") == [f"containerd --config {place.root}/containerd.toml"]
    assert f'"containerd": "{place.root}/x/containerd.sock"' in (place.root / "daemon.json").read_text()


def test_a_second_run_leaves_everything_as_it_is(place: Place) -> None:
    place.up()
    before = (place.containerd(), place.engine())

    assert place.up().returncode == 0
    assert [place.called(name) for name in ("mkfs.ext4", "mount", "containerd", "dockerd")] == [[], [], [], []]
    assert (place.containerd(), place.engine()) == before


@pytest.mark.parametrize("dead", [("containerd",), ("dockerd",), ("containerd", "dockerd")], ids=" and ".join)
def test_what_was_killed_is_started_again_and_what_lives_is_kept(place: Place, dead: tuple[str, ...]) -> None:
    place.up()
    pids = {"containerd": place.containerd(), "dockerd": place.engine()}
    for name in dead:
        kill(pids[name])

    assert place.up().returncode == 0
    now = {"containerd": place.containerd(), "dockerd": place.engine()}
    assert {name for name in pids if place.called(name)} == {name for name in pids if now[name] != pids[name]} == set(dead)


def test_after_a_reboot_the_engine_is_started_anew_and_the_data_is_kept(place: Place, stranger: subprocess.Popen[bytes]) -> None:
    place.up()
    kill(place.engine())
    kill(place.containerd())
    (place.root / "boot").write_text(ANOTHER_BOOT)
    # The numbers of the boot before belong to somebody else now.
    for name in ("dockerd.pid", "containerd.pid"):
        (place.root / name).write_text(str(stranger.pid))
    (place.root / "x/of-that-boot").touch()

    assert place.up().returncode == 0
    assert [len(place.called(name)) for name in ("mkfs.ext4", "containerd", "dockerd")] == [0, 1, 1]
    assert not (place.root / "x/of-that-boot").exists()
    assert stranger.poll() is None


@pytest.mark.parametrize("name", ["containerd", "dockerd"])
def test_one_whose_number_another_process_has_now_counts_as_dead(
    place: Place, stranger: subprocess.Popen[bytes], name: str
) -> None:
    place.up()
    kill({"containerd": place.containerd, "dockerd": place.engine}[name]())
    (place.root / f"{name}.pid").write_text(str(stranger.pid))

    assert place.up().returncode == 0
    assert len(place.called(name)) == 1
    assert stranger.poll() is None


def test_a_containerd_that_a_killed_run_had_just_started_is_waited_for(place: Place) -> None:
    """A second one would wait for the database that the first one holds."""
    slowly = f"until [ -e {place.root}/go ]; do sleep 0.05; done\n"
    place.stub("containerd", slowly + CONTAINERD.format(root=place.root, python=sys.executable))
    with subprocess.Popen(["sh"], stdin=subprocess.PIPE, env=place.environment(), text=True) as cut_short:
        assert cut_short.stdin is not None
        cut_short.stdin.write(place.script())
        cut_short.stdin.close()
        deadline = time.monotonic() + 20
        while not place.called("containerd") and time.monotonic() < deadline:
            time.sleep(0.02)
        cut_short.kill()
    first = place.containerd()
    (place.root / "go").touch()

    assert place.up().returncode == 0
    assert place.called("containerd") == []
    assert place.containerd() == first


@pytest.mark.parametrize("left", ["", None], ids=["an empty mark", "no mark"])
def test_a_filesystem_whose_making_was_cut_short_is_made_again(place: Place, left: str | None) -> None:
    place.up()
    kill(place.engine())
    mark = place.root / "formatted"
    if left is None:
        mark.unlink()
    else:
        mark.write_text(left)

    assert place.up().returncode == 0
    assert len(place.called("mkfs.ext4")) == 1


def test_an_engine_that_ends_says_why_without_its_small_talk(place: Place) -> None:
    place.stub(
        "dockerd",
        "echo 'level=info msg=hello'\n"
        'echo \'level=warning msg="failed to load plugin io.containerd.snapshotter.v1.overlayfs" error="no d_type"\'\n'
        "echo 'failed to start daemon: error initializing graphdriver: driver not supported'\nexit 1\n",
    )

    done = place.up()

    assert done.returncode == 14
    assert done.stderr.splitlines() == [
        "failed to start daemon: error initializing graphdriver: driver not supported",
        "cowbench: the engine ended while it started",
    ]


def test_a_containerd_that_ends_says_why_in_words_of_its_own_log(place: Place) -> None:
    place.stub(
        "containerd",
        "echo 'level=info msg=hello'\n"
        "echo 'level=warning msg=\"failed to load plugin io.containerd.snapshotter.v1.overlayfs\"'\n"
        "echo 'containerd: failed to load TOML: expected containerd config version'\nexit 1\n",
    )

    done = place.up()

    assert done.returncode == 14
    assert done.stderr.splitlines() == [
        "containerd: failed to load TOML: expected containerd config version",
        "cowbench: the engine's containerd ended while it started",
    ]
    assert place.called("dockerd") == []


@pytest.mark.parametrize(
    "said",
    [
        'level=warning msg="failed to load plugin io.containerd.snapshotter.v1.overlayfs" error="does not support d_type"',
        'level=warning msg="failed to load plugin" error="no d_type" id=io.containerd.snapshotter.v1.overlayfs type=x',
    ],
    ids=["containerd 1", "containerd 2"],
)
def test_without_the_snapshotter_that_was_asked_for_no_engine_is_started(place: Place, said: str) -> None:
    place.stub("containerd", f"echo '{said}'\n{CONTAINERD.format(root=place.root, python=sys.executable)}")

    done = place.up("containerd-overlayfs")

    assert done.returncode == 14
    assert done.stderr.splitlines() == [said, "cowbench: the engine's containerd has no snapshotter overlayfs on this host"]
    assert place.called("dockerd") == []


def test_a_missing_package_is_installed_as_soon_as_the_lock_is_free(place: Place) -> None:
    place.stub("sleep")  # the waits between two tries
    place.stub(
        "apt-get",
        f'[ "$(grep -c update {place.calls})" -ge 3 ] || {{ echo "E: Could not get lock /var/lib/apt/lists/lock"; exit 100; }}\n'
        f'case "$*" in *install*) cp {place.stubs}/runc {place.stubs}/no-such-program ;; esac\n',
    )

    done = place.up(missing="no-such-program")

    assert (done.returncode, done.stderr) == (0, "")
    assert [len([call for call in place.called("apt-get") if word in call]) for word in ("update", "install")] == [3, 1]


def test_what_cannot_be_installed_is_named_with_the_package_managers_words(place: Place) -> None:
    place.stub("apt-get", "echo \"E: Failed to fetch http://x  Temporary failure resolving 'x'\"; exit 100\n")

    done = place.up(missing="no-such-program")

    assert done.returncode == 10
    assert "Temporary failure resolving" in done.stderr
    assert "no-such-program" in done.stderr.splitlines()[-1]


def test_the_engine_is_told_its_disk_as_the_kernel_names_it(place: Place) -> None:
    assert place.up("devicemapper-direct").returncode == 0
    assert f"dm.directlvm_device={place.disk.resolve()}" in (place.root / "daemon.json").read_text()


@pytest.mark.parametrize(("finished", "called"), [(True, "vgchange"), (False, "vgremove")])
def test_a_pool_is_switched_on_again_where_it_is_whole_and_else_made_anew(place: Place, called: str, *, finished: bool) -> None:
    place.stub("pvs", "echo '  docker'\n")
    if finished:
        (place.root / "m/docker/devicemapper").mkdir(parents=True)
        (place.root / "m/docker/devicemapper/setup-config.json").touch()

    assert place.up("devicemapper-direct").returncode == 0
    assert [name for name in ("vgchange", "vgremove") if place.called(name)] == [called]


def test_a_disk_that_never_comes_would_be_named(place: Place) -> None:
    place.disk.unlink()
    place.stub("sleep")

    done = place.up()

    assert done.returncode == 11
    assert done.stderr.startswith(f"cowbench: {place.disk} is not a block device")


@pytest.mark.parametrize("program", ["qemu-system-x86_64", "ssh"])
def test_a_host_that_is_a_vm_ends_with_the_reverse_script(tmp_path: Path, program: str) -> None:
    """The mark finds it also when every file of it is gone; another host's VM goes on."""
    copy = tmp_path / program
    shutil.copy(shutil.which("sleep") or "/bin/sleep", copy)
    environments = ({**os.environ, "COWBENCH_OWNER": OWNER}, {**os.environ, "COWBENCH_OWNER": f"{OWNER}-2"})
    ours, other = (subprocess.Popen([copy, "60"], env=environment) for environment in environments)
    try:
        done = run_down(tmp_path / "never")

        assert (done.returncode, done.stderr) == (0, "")
        assert ours.wait(timeout=10) == -signal.SIGKILL
        assert other.poll() is None
    finally:
        for process in (ours, other):
            process.kill()
            process.wait()


def test_somebody_who_reads_the_hosts_log_is_left_alone(tmp_path: Path) -> None:
    root = tmp_path / "h"
    root.mkdir()
    log = root / "dockerd.log"
    log.touch()
    reader = subprocess.Popen(["tail", "-f", log], stdout=subprocess.DEVNULL)
    try:
        assert run_down(root).returncode == 0
        assert reader.poll() is None
        assert not root.exists()
    finally:
        reader.kill()
        reader.wait()


def test_a_data_root_that_is_not_mounted_has_no_facts(tmp_path: Path) -> None:
    script = host_setup.render_facts(root=str(tmp_path))
    done = subprocess.run(["sh", "-s"], input=script, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (30, "")
    assert done.stderr == f"cowbench: {tmp_path}/m is not mounted\n"
