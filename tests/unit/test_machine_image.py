from __future__ import annotations

import contextlib
import hashlib
import http.server
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from bench.errors import CowbenchError, DeployError, InputError
from stacks import machine_bootstrap, machine_build, machine_contents, machine_definition, machine_image, machine_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PROJECT = Path(__file__).resolve().parents[2]

BOOTSTRAP = r"""
echo call >>"$HOME/calls"
for argument; do case $argument in /*) tree=$argument ;; esac; done
echo "I: running apt-get update..."
echo "I: extracting archives..."
mkdir -p "$tree/boot" "$tree/etc" "$tree/usr/sbin" "$tree/var/lib/dpkg" "$tree/lib/modules/6.1.0-9-cloud-amd64"
echo kernel >"$tree/boot/vmlinuz-6.1.0-9-cloud-amd64"
printf 'ID=debian\nVERSION_ID="12"\n' >"$tree/etc/os-release"
printf '%s\n' "Package: docker.io" "Status: install ok installed" "Version: 20.10.24+dfsg1-1+b3" "" \
  "Package: gone" "Status: deinstall ok config-files" "Version: 1" "" >"$tree/var/lib/dpkg/status"
cd "$tree/lib/modules/"*
echo kernel/fs/ext4/ext4.ko >modules.builtin
printf '%s: \n' kernel/fs/overlayfs/overlay.ko kernel/drivers/md/dm-thin-pool.ko.xz >modules.dep
touch "$tree/usr/sbin/mkfs.ext4"
echo "I: success in 1.0 seconds"
"""
TOOLS = {
    "mmdebstrap": BOOTSTRAP,
    "setpriv": 'shift 2; exec "$@"',
    "unshare": 'while case $1 in --*) ;; *) false ;; esac; do shift; done; exec "$@"',
    "mke2fs": 'for last; do before=${file:-}; file=$last; done; echo filesystem >"$before"',
    "qemu-img": 'for last; do :; done; echo qcow2 >"$last"',
}
FACTS = {"module_ext4": True, "module_overlay": True, "module_dm_thin_pool": True, "module_zfs": False, "tool_mkfs_ext4": True}


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with one machine image, and tools of the builder that are scripts: mmdebstrap counts its calls."""
    shared = tmp_path / "machines" / "shared"
    shared.mkdir(parents=True)
    (shared / "packages.txt").write_text("linux-image-cloud-amd64 # the kernel\ndocker.io\n")
    (shared / "facts.toml").write_text("".join(f"{fact} = {str(value).lower()}\n" for fact, value in FACTS.items()))
    (shared / "customize.sh").write_text("true\n")
    definition(tmp_path, 'suite = "bookworm"\n[facts]\nkernel = "6.1"\ndocker = "20.10.24"\n')
    (tmp_path / "memory").mkdir()
    tool_folder = tmp_path / "bin"
    tool_folder.mkdir()
    for name, script in TOOLS.items():
        tool(tmp_path, name, script)
    monkeypatch.setattr(machine_definition, "FOLDER", tmp_path / "machines")
    monkeypatch.setattr(machine_build, "_MEMORY_DISK", tmp_path / "memory")
    monkeypatch.setattr(machine_build, "_free_memory_bytes", lambda: 8 << 30)
    monkeypatch.setattr(machine_image, "problems", tuple)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tool_folder}:{os.environ['PATH']}")
    monkeypatch.setenv("COWBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COWBENCH_DEBIAN_MIRROR", raising=False)
    return tmp_path


def definition(workshop: Path, text: str) -> None:
    (workshop / "machines" / "small.toml").write_text(text)


def tool(workshop: Path, name: str, script: str) -> None:
    (workshop / "bin" / name).write_text(f"#!/bin/sh\nset -e\n{script}\n")
    (workshop / "bin" / name).chmod(0o755)


def calls(workshop: Path) -> int:
    return len((workshop / "calls").read_text().split())


def silent(_line: str) -> None:
    """Nobody looks at the progress."""


def ensure() -> machine_image.MachineImage:
    return machine_image.ensure("small", silent)


def machines(workshop: Path) -> list[str]:
    return sorted(path.name for path in (workshop / "cache" / "machines").iterdir() if path.suffix not in {".lock", ".log"})


def test_the_folder_is_the_registry(workshop: Path) -> None:
    assert machine_image.names() == ("small",)
    shutil.copy(workshop / "machines" / "small.toml", workshop / "machines" / "another.toml")
    assert machine_image.names() == ("another", "small")


def test_a_definition_adds_to_what_is_shared_and_may_name_the_suite_of_a_package(workshop: Path) -> None:
    definition(workshop, 'suite = "bookworm"\nmore_suites = ["new"]\npackages = ["linux-image-cloud-amd64/new", "zfs-dkms"]\n')
    read = machine_image.definition("small")
    assert read.suites == ("bookworm", "new")
    assert read.packages == ("linux-image-cloud-amd64/new", "docker.io", "zfs-dkms")
    assert read.facts == FACTS


def test_facts_of_the_file_go_before_shared_ones(workshop: Path) -> None:
    definition(workshop, 'suite = "bookworm"\n[facts]\nmodule_zfs = true\nkernel = "6.1"\n')
    facts = machine_image.facts("small")
    assert facts["module_zfs"] is True
    assert facts["module_overlay"] is True
    assert facts["el7_build"] is None


@pytest.mark.parametrize(
    "text", ["", 'suite = "x"\ncolour = "red"\n', "suite = 12\n", "suite = [\n", 'suite = "x"\npackages = "y"\n']
)
def test_a_definition_that_is_not_understood_is_refused_with_its_file(workshop: Path, text: str) -> None:
    definition(workshop, text)
    with pytest.raises(InputError) as refused:
        ensure()
    assert refused.value.where == str(workshop / "machines" / "small.toml")
    assert refused.value.next_step


@pytest.mark.usefixtures("workshop")
@pytest.mark.parametrize("name", ["other", "", "shared"])
def test_an_unknown_image_is_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InputError) as refused:
        machine_image.ensure(name, silent)
    assert "small" in refused.value.next_step


def test_an_image_says_what_is_in_it(workshop: Path) -> None:
    lines: list[str] = []
    made = machine_image.ensure("small", lines.append)
    assert (made.name, made.kernel_release) == ("small", "6.1.0-9-cloud-amd64")
    assert made.packages == {"docker.io": "20.10.24+dfsg1-1+b3"}
    assert made.root.read_text() == "qcow2\n"
    assert made.kernel
    assert made.kernel.read_text() == "kernel\n"
    assert made.digest.startswith("sha256:")
    steps = [line.removeprefix("small: ").rpartition(" ")[0].rpartition(" ")[0] for line in lines[1:]]
    assert steps == ["start", "package lists", "unpack", "filesystem", "qcow2"]
    assert list((workshop / "memory").iterdir()) == []


def test_the_second_call_takes_the_first_ones_image(workshop: Path) -> None:
    assert ensure() == ensure()
    assert calls(workshop) == 1


def test_many_callers_at_once_make_it_once_and_those_who_wait_say_so(workshop: Path) -> None:
    lines: list[str] = []
    tool(workshop, "mmdebstrap", f"sleep 0.5; {BOOTSTRAP}")
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(machine_image.ensure, ["small"] * 4, [lines.append] * 4))
    assert made == [made[0]] * 4
    assert calls(workshop) == 1
    assert [line for line in lines if line.startswith("waiting for another process")]


@pytest.mark.parametrize("file", ["small.toml", "shared/customize.sh", "shared/packages.txt"])
def test_another_definition_is_another_image(workshop: Path, file: str) -> None:
    first = ensure()
    changed = (workshop / "machines" / file).read_text().replace("bookworm", "trixie").replace("docker.io", "runc")
    (workshop / "machines" / file).write_text(f"# changed\n{changed}")
    assert ensure().root != first.root


def test_another_fact_or_comment_is_the_same_image(workshop: Path) -> None:
    first = ensure()
    definition(workshop, '# better known now\nsuite = "bookworm"\n[facts]\nkernel = "6.1.0"\n')
    assert ensure() == first
    assert calls(workshop) == 1


def test_the_same_packages_give_the_same_digest_whenever_they_were_installed(workshop: Path) -> None:
    first = ensure()
    shutil.rmtree(first.root.parent)
    assert ensure().digest == first.digest
    tool(workshop, "mmdebstrap", BOOTSTRAP.replace("20.10.24+dfsg1-1+b3", "20.10.24+dfsg1-1+b4"))
    shutil.rmtree(first.root.parent)
    assert ensure().digest != first.digest


def test_an_image_that_was_cut_short_is_made_anew(workshop: Path) -> None:
    made = ensure()
    made.root.write_bytes(b"")
    assert ensure() == made
    (made.root.parent / "manifest.json").write_text("{")
    assert ensure() == made
    assert calls(workshop) == 3


@pytest.mark.parametrize(("free_gib", "place"), [(8, "memory"), (3, "cache")])
def test_the_tree_lies_in_memory_where_there_is_room(
    workshop: Path, monkeypatch: pytest.MonkeyPatch, free_gib: int, place: str
) -> None:
    monkeypatch.setattr(machine_build, "_free_memory_bytes", lambda: free_gib << 30)
    tool(workshop, "mke2fs", f'printf "%s\\n" "$@" >"$HOME/arguments"\n{TOOLS["mke2fs"]}')
    made = ensure()
    assert f"{workshop}/{place}/" in (workshop / "arguments").read_text()
    assert [path.name for path in sorted(made.root.parent.iterdir())] == ["manifest.json", "root.qcow2", "vmlinuz"]


def test_a_version_other_than_stated_is_noted_and_the_image_serves(workshop: Path) -> None:
    definition(workshop, 'suite = "bookworm"\n[facts]\nkernel = "6.1"\ndocker = "20.10.2"\n')
    lines: list[str] = []
    machine_image.ensure("small", lines.append)
    (note,) = [line for line in lines if "note" in line]
    assert "docker is 20.10.24, stated was 20.10.2" in note
    assert "small.toml" in note


def test_an_image_without_a_promised_module_is_refused(workshop: Path) -> None:
    definition(workshop, 'suite = "bookworm"\n[facts]\nmodule_zfs = true\n')
    with pytest.raises(DeployError, match="module_zfs is False") as failed:
        ensure()
    assert failed.value.where.endswith("small.toml")
    assert machines(workshop) == []
    assert list((workshop / "memory").iterdir()) == []


@pytest.mark.parametrize(
    ("said", "what", "cure"),
    [
        ("W: Temporary failure resolving 'deb.debian.org'", "cannot be reached", "COWBENCH_DEBIAN_MIRROR"),
        ("E: Could not connect to 10.0.0.1:80", "cannot be reached", "COWBENCH_DEBIAN_MIRROR"),
        ("dpkg: cannot copy: No space left on device", "disk is full", "COWBENCH_CACHE"),
        ("W: GPG error: NO_PUBKEY 0E98404D386FA1D9", "signature is not known", "debian-archive-keyring"),
        ("E: Unable to locate package zfs-dkms", "lacks something", "another mirror"),
        ("E: something new", "something new", "run it again"),
    ],
)
def test_a_failed_build_shows_its_last_words_and_what_they_mean(workshop: Path, said: str, what: str, cure: str) -> None:
    tool(workshop, "mmdebstrap", f'echo "{said}" >&2; exit 25')
    with pytest.raises(DeployError, match=what) as failed:
        ensure()
    assert said in str(failed.value)
    assert cure in failed.value.next_step
    assert machines(workshop) == []
    assert said in (workshop / "cache" / "machines" / "small.log").read_text()


def test_a_tool_that_fails_later_leaves_nothing_either(workshop: Path) -> None:
    tool(workshop, "qemu-img", 'echo "No space left on device" >&2; exit 1')
    with pytest.raises(DeployError, match=r"qemu-img failed: the disk is full"):
        ensure()
    assert machines(workshop) == []
    assert list((workshop / "memory").iterdir()) == []


def test_what_a_killed_builder_left_is_removed_by_the_next_one_but_not_another_caches(workshop: Path) -> None:
    made = ensure()
    cache, memory = made.root.parent.parent, workshop / "memory"
    shutil.rmtree(made.root.parent)
    for left_behind in (cache / ".build-small-0123456789abcdef", memory / f"{machine_build._prefix(cache)}killed"):
        (left_behind / "tree").mkdir(parents=True)
    (cache / ".own-0123456789abcdef").mkdir()
    (elsewhere := memory / f"{machine_build._prefix(Path('/another/cache'))}at-work").mkdir()
    assert ensure() == made
    assert machines(workshop) == [".own-0123456789abcdef", made.root.parent.name], "a download goes on another time"
    assert list(memory.iterdir()) == [elsewhere]


def test_clearing_the_cache_finds_the_builders_tree_by_the_same_name(tmp_path: Path) -> None:
    (cache := tmp_path / "cache").mkdir()
    tree = Path("/dev/shm") / f"{machine_build._prefix(cache / 'machines')}test"
    tree.mkdir()
    env = {"HOME": "/nonexistent", "PATH": os.environ["PATH"], "COWBENCH_CACHE": str(cache)}
    subprocess.run([PROJECT / "tools/clean-cache"], env=env, capture_output=True, timeout=60, check=True)
    assert not tree.exists()


def test_a_machine_that_cannot_build_says_so_with_every_cure(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_image, "problems", machine_build.problems)
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(machine_build, "_TOOLS", ("mmdebstrap", "no-such-tool"))
    with pytest.raises(DeployError, match="cannot be here") as failed:
        ensure()
    assert "run as root" in failed.value.next_step
    assert "no-such-tool" in failed.value.next_step
    assert "make setup-vms" in failed.value.next_step
    assert not (workshop / "calls").exists()


@pytest.mark.usefixtures("workshop")
def test_an_image_in_the_cache_needs_neither_root_nor_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    made = ensure()
    monkeypatch.setattr(machine_image, "problems", lambda: ("nothing works here",))
    assert ensure() == made


def test_the_archive_is_the_one_that_the_user_chose(workshop: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool(workshop, "mmdebstrap", f'printf "%s\\n" "$@" >"$HOME/arguments"\n{BOOTSTRAP}')
    monkeypatch.setenv("COWBENCH_DEBIAN_MIRROR", "http://mirror.example/debian/")
    ensure()
    arguments = (workshop / "arguments").read_text().splitlines()
    assert arguments[-1] == "deb http://mirror.example/debian bookworm main contrib"
    assert "--include=linux-image-cloud-amd64,docker.io" in arguments


@pytest.mark.parametrize("address", ["ftp://mirror.example/debian", "http://user:secret@mirror.example/debian", "/mnt/debian"])
def test_an_archive_that_is_no_address_or_has_a_password_is_refused(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setenv("COWBENCH_DEBIAN_MIRROR", address)
    with pytest.raises(InputError) as refused:
        machine_bootstrap.mirror()
    assert refused.value.where == "COWBENCH_DEBIAN_MIRROR"
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("debian", "upstream"),
    [
        ("20.10.5+dfsg1-1+deb11u4", "20.10.5"),
        ("1.0.0~rc93+ds1-5+deb11u5", "1.0.0-rc93"),
        ("1.4.13~ds1-1~deb11u4", "1.4.13"),
        ("1:9.2p1-2", "9.2"),
        ("252.39-1~deb12u1", "252.39"),
    ],
)
def test_a_debian_version_tells_the_programs_own(debian: str, upstream: str) -> None:
    assert machine_contents.upstream(debian) == upstream


@pytest.mark.parametrize("releases", [(), ("6.1.0-9-cloud-amd64", "6.12.1-cloud-amd64")])
def test_a_tree_without_exactly_one_kernel_is_refused(tmp_path: Path, releases: tuple[str, ...]) -> None:
    (tmp_path / "lib/modules").mkdir(parents=True)
    for release in releases:
        (tmp_path / "lib/modules" / release).mkdir()
    with pytest.raises(DeployError, match="one kernel"):
        machine_contents.kernel_release(tmp_path)


def test_the_program_names_what_it_made_and_returns_the_errors_code(workshop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert machine_image._main(["small"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith(f"small: {workshop}/cache/machines/small-")
    assert machine_image._main(["other"]) == 2
    assert "next: use one of small" in capsys.readouterr().out


@pytest.mark.live
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mount and process namespaces")
def test_whatever_kills_the_builder_nothing_of_it_stays(workshop: Path) -> None:
    for contained in ("setpriv", "unshare"):
        (workshop / "bin" / contained).unlink()
    hanging = (
        'for a; do case $a in /*) tree=$a ;; esac; done; mkdir "$tree"; mount -t tmpfs none "$tree"; touch "$HOME/mounted"; '
    )
    tool(workshop, "mmdebstrap", f"{hanging} exec sleep 987.25")
    program = (
        "from pathlib import Path; from stacks import machine_build as b, machine_definition as d, machine_image as i;"
        f"d.FOLDER = Path({str(workshop / 'machines')!r}); b._MEMORY_DISK = Path({str(workshop / 'memory')!r});"
        "i.problems = tuple; i.ensure('small', print)"
    )
    builder = subprocess.Popen([sys.executable, "-c", program], cwd=PROJECT)
    until((workshop / "mounted").exists)
    builder.send_signal(signal.SIGKILL)
    builder.wait()
    until(lambda: not running("sleep\x00987.25"))
    assert str(workshop) not in Path("/proc/self/mounts").read_text()
    tool(workshop, "mmdebstrap", BOOTSTRAP)
    assert ensure().root.exists()
    assert list((workshop / "memory").iterdir()) == []


def until(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def running(command: str) -> bool:
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if process.read_text().startswith(command):
                return True
    return False


def qcow2(*, version: int = 3, backing_file: int = 0, encryption: int = 0, features: int = 0) -> bytes:
    return struct.pack(">4sIQ16xI36xQ", b"QFI\xfb", version, backing_file, encryption, features).ljust(4096, b"\0")


def reference(place: object, content: bytes) -> str:
    return f"{place}#sha256={hashlib.sha256(content).hexdigest()}"


class Images(http.server.BaseHTTPRequestHandler):
    """Serves `content` at every path; goes on at a range, and breaks off after `break_after` bytes."""

    content = b""
    ranges = True
    break_after: int | None = None
    asked: tuple[str, ...] = ()

    def do_GET(self) -> None:
        wanted = self.headers.get("Range", "")
        Images.asked += (wanted,)
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and Images.ranges else 0
        if "missing" in self.path or begin > len(Images.content):
            self.send_error(404 if "missing" in self.path else 416)
            return
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(Images.content) - begin))
        self.end_headers()
        self.wfile.write(Images.content[begin:][: Images.break_after])

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Stay silent."""


@pytest.fixture
def images() -> Iterator[str]:
    """The address of a server of machine images on loopback."""
    Images.content, Images.ranges, Images.break_after, Images.asked = qcow2(), True, None, ()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Images) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def test_a_users_image_is_told_from_a_name() -> None:
    digits = "0123456789ABCdef" * 4
    for own in (f"/images/noble.img#sha256={digits}", "./noble.img", f"https://example.org/noble.img#sha256={digits}"):
        assert machine_image.is_own(own)
    assert not any(machine_image.is_own(name) for name in machine_image.names())
    read = machine_image.parse(f"https://example.org/a%20b/noble%20server.img?x=1#sha256={digits}")
    assert (read.label, read.sha256) == ("noble server.img", digits.lower())
    assert machine_image.label(f"/images/noble.img#sha256={digits}") == "noble.img"
    assert machine_image.label("debian-trixie") == "debian-trixie"
    assert machine_image.facts(f"/images/noble.img#sha256={digits}") == {}


@pytest.mark.parametrize(
    "place",
    [
        "noble.img",
        "./noble.img",
        "ftp://example.org/x",
        "https:///x",
        "http://[::1/x",
        "https://example.org/",
        "file://elsewhere/x",
        "/images/",
        "/a\nb",
        "",
    ],
)
def test_a_place_that_is_no_absolute_path_or_address_is_refused(place: str) -> None:
    with pytest.raises(InputError, match="machine image of your own") as refused:
        machine_image.parse(reference(place, b""))
    assert "sha256sum" in refused.value.next_step


@pytest.mark.parametrize(
    "checksum", ["", "#", "#sha256=", "#sha256=12", "#md5=" + "0" * 32, "#sha256=" + "g" * 64, "#sha256=" + "0" * 65]
)
def test_a_reference_without_a_whole_checksum_is_refused(checksum: str) -> None:
    with pytest.raises(InputError, match="machine image of your own"):
        machine_image.parse(f"/images/noble.img{checksum}")


def test_a_password_in_an_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError) as refused:
        machine_image.parse(reference("https://me:hunter2@example.org/noble.img", b""))
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("as_url", [False, True])
def test_an_image_on_a_path_is_copied_and_the_users_file_stays(workshop: Path, *, as_url: bool) -> None:
    mine = workshop / "my image.img"
    mine.write_bytes(qcow2())
    made = machine_image.ensure(reference(mine.as_uri() if as_url else mine, qcow2()), silent)
    assert made.root.read_bytes() == qcow2() == mine.read_bytes()
    assert (made.name, made.kernel, made.packages) == ("my image.img", None, {})
    assert made.digest == f"sha256:{hashlib.sha256(qcow2()).hexdigest()}"
    mine.unlink()
    assert machine_image.ensure(reference(mine, qcow2()), silent) == made


def test_an_image_is_downloaded_once_with_progress(workshop: Path, images: str) -> None:
    lines: list[str] = []
    made = machine_image.ensure(reference(f"{images}/noble.img", qcow2()), lines.append)
    assert made.root.read_bytes() == qcow2()
    assert lines[-1].startswith("noble.img: fetched 0 MiB in ")
    assert machine_image.ensure(reference(f"{images}/noble.img", qcow2()), silent) == made
    assert Images.asked == ("",)
    assert machines(workshop) == [made.root.parent.name]


@pytest.mark.usefixtures("workshop")
@pytest.mark.parametrize("server_can_resume", [True, False])
def test_a_download_that_broke_off_goes_on_or_begins_anew(images: str, *, server_can_resume: bool) -> None:
    Images.break_after, Images.ranges = 1000, server_can_resume
    with pytest.raises(DeployError, match="1000 of 4096 bytes") as failed:
        machine_image.ensure(reference(f"{images}/noble.img", qcow2()), silent)
    assert "goes on where it stopped" in failed.value.next_step
    Images.break_after = None
    made = machine_image.ensure(reference(f"{images}/noble.img", qcow2()), silent)
    assert made.root.read_bytes() == qcow2()
    assert Images.asked == ("", "bytes=1000-")


@pytest.mark.usefixtures("workshop")
def test_a_part_of_another_version_is_thrown_away(images: str) -> None:
    Images.content, Images.break_after = b"an older version".ljust(4096), 1000
    with pytest.raises(DeployError):
        machine_image.ensure(reference(f"{images}/noble.img", qcow2()), silent)
    Images.content, Images.break_after = qcow2(), None
    assert machine_image.ensure(reference(f"{images}/noble.img", qcow2()), silent).root.read_bytes() == qcow2()
    assert Images.asked == ("", "bytes=1000-", "")


@pytest.mark.usefixtures("workshop")
def test_a_part_that_is_longer_than_the_image_is_thrown_away(images: str) -> None:
    Images.content, Images.break_after = b"a longer version".ljust(9000), 8000
    with pytest.raises(DeployError):
        machine_image.ensure(reference(f"{images}/noble.img", qcow2()), silent)
    Images.content, Images.break_after = qcow2(), None
    assert machine_image.ensure(reference(f"{images}/noble.img", qcow2()), silent).root.read_bytes() == qcow2()
    assert Images.asked == ("", "bytes=8000-", "")


def test_another_checksum_names_both_and_removes_nothing_of_the_users(workshop: Path) -> None:
    mine = workshop / "mine.img"
    mine.write_bytes(qcow2())
    with pytest.raises(DeployError) as failed:
        machine_image.ensure(reference(mine, b"what I expected"), silent)
    for content in (qcow2(), b"what I expected"):
        assert hashlib.sha256(content).hexdigest() in str(failed.value)
    assert mine.read_bytes() == qcow2()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (qcow2(backing_file=104), "another file of this machine"),
        (qcow2(features=1 << 2), "another file of this machine"),
        (qcow2(version=2, backing_file=72), "another file of this machine"),
        (qcow2(encryption=1), "encrypted"),
        (qcow2(version=9), "unknown version 9"),
        (b"QFI\xfb", "cut short"),
        (b"<html>Not here</html>".ljust(4096), "neither qcow2 nor a disk"),
        (b"", "neither qcow2 nor a disk"),
    ],
)
def test_an_image_that_may_not_boot_is_refused_before_any_tool_opens_it(workshop: Path, content: bytes, reason: str) -> None:
    tool(workshop, "qemu-img", 'touch "$HOME/opened"; exit 1')
    (workshop / "mine.img").write_bytes(content)
    with pytest.raises(InputError, match=reason):
        machine_image.ensure(reference(workshop / "mine.img", content), silent)
    assert not (workshop / "opened").exists()


def test_features_of_version_2_are_other_bytes_and_no_reason_to_refuse() -> None:
    assert machine_source._refusal(qcow2(version=2, features=0xFFFF)) == ""


def test_a_raw_disk_becomes_a_qcow2(workshop: Path) -> None:
    disk = bytes(510) + b"\x55\xaa" + bytes(3584)
    (workshop / "mine.raw").write_bytes(disk)
    made = machine_image.ensure(reference(workshop / "mine.raw", disk), silent)
    assert made.root.read_text() == "qcow2\n"
    assert [path.name for path in sorted(made.root.parent.iterdir())] == ["manifest.json", "root.qcow2"]


@pytest.mark.usefixtures("workshop")
@pytest.mark.parametrize("place", ["/no/such/image.img", "http://127.0.0.1:9/image.img"])
def test_an_image_that_is_not_there_is_named_with_its_place(place: str) -> None:
    with pytest.raises(CowbenchError, match="cannot be fetched") as failed:
        machine_image.ensure(reference(place, b""), silent)
    assert place in failed.value.where


@pytest.mark.usefixtures("workshop")
def test_a_servers_refusal_is_shown(images: str) -> None:
    with pytest.raises(DeployError, match="404"):
        machine_image.ensure(reference(f"{images}/missing.img", b""), silent)


@pytest.mark.usefixtures("workshop")
def test_a_manifest_can_be_read_by_others() -> None:
    manifest = json.loads((ensure().root.parent / "manifest.json").read_text())
    assert {"name", "built_at", "archive", "kernel_release", "digest", "facts", "packages", "root_bytes"} == manifest.keys()
    assert manifest["facts"] == {**FACTS, "kernel": "6.1.0", "docker": "20.10.24", "el7_build": None}
