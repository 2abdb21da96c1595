"""Builds a machine image: Debian in a directory, a filesystem made of that, packed as qcow2. No loop mount, no partitions."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from bench.errors import DeployError
from stacks import machine_bootstrap, machine_contents, machine_definition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from stacks.machine_definition import Definition

METHOD = "1"
"""Part of an image's name in the cache: raise it when a change of the builder makes other images of the same definition."""

LOCK = "build"
"""The name of the lock that a builder holds, and the beginning of its drafts' names."""

_ROOT_SIZE = "6G"
"""Of the root filesystem; sparse, and never grown: what the bench measures lies on disks of its own."""

_MKE2FS = (
    # Named one by one: a newer mke2fs would add features that an old kernel does not mount.
    *("-O", "none,has_journal,ext_attr,resize_inode,dir_index,filetype,extent,64bit,flex_bg,sparse_super,large_file,huge_file"),
    # Tables made lazily are written by the kernel during the first minutes of every VM, while we measure.
    *("-E", "lazy_itable_init=0,lazy_journal_init=0"),
)
_TOOLS = ("mmdebstrap", "mke2fs", "qemu-img", "setpriv", "unshare")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_MEMORY_DISK = Path("/dev/shm")  # noqa: S108 - what we make in it no other user can enter
_NEEDED_MEMORY_BYTES = 4 << 30
"""A tree takes below 2 GiB, the one with OpenZFS and its compiler included, and its filesystem as much again."""


def problems() -> tuple[str, ...]:
    """Say what keeps this machine from building images, each with its cure; empty when it can."""
    found = []
    if sys.platform != "linux" or platform.machine() != "x86_64":
        found.append(
            f"machine images are built on x86-64 Linux, and this is {platform.system()} {platform.machine()}: use such a machine"
        )
    if os.geteuid() != 0:
        found.append("building a machine image needs root (Debian's files have many owners): run as root")
    path = machine_bootstrap.environment()["PATH"]
    if missing := [tool for tool in _TOOLS if shutil.which(tool, path=path) is None]:
        found.append(f"not on PATH: {', '.join(missing)}: run make setup-vms")
    elif not _KEYRING.exists():
        found.append(f"there is no {_KEYRING}, by which Debian's packages are verified: run make setup-vms")
    return tuple(found)


def build(definition: Definition, folder: Path, progress: Callable[[str], None]) -> None:
    """Write `root.qcow2`, `vmlinuz` and, last, `manifest.json` into `folder`, made anew. The caller holds the lock.

    What killed builders left is removed: the lock says that none is at work. A failed build leaves its log, beside `folder`.
    Raises DeployError: a step failed, or the result is not what the definition promises.
    """
    with _workshop(folder) as workshop:
        tree, raw = workshop / "tree", workshop / "root.raw"
        machine_bootstrap.bootstrap(definition, tree, folder.parent / f"{definition.name}.log", progress)
        manifest = _manifest(definition, tree, progress)
        (kernel,) = (tree / "boot").glob("vmlinuz-*")
        shutil.copyfile(kernel, folder / "vmlinuz")
        with _timed(f"{definition.name}: filesystem", progress):
            label = ("-q", "-F", "-t", "ext4", "-L", "root")
            machine_bootstrap.run(["mke2fs", *label, *_MKE2FS, "-d", str(tree), str(raw), _ROOT_SIZE])
        with _timed(f"{definition.name}: qcow2", progress):
            machine_bootstrap.run(["qemu-img", "convert", "-f", "raw", "-O", "qcow2", str(raw), str(folder / "root.qcow2")])
        manifest["root_bytes"] = (folder / "root.qcow2").stat().st_size
        (folder / "manifest.json").write_text(json.dumps(manifest, indent=2))


def _manifest(definition: Definition, tree: Path, progress: Callable[[str], None]) -> dict[str, Any]:
    """Describe the tree, and compare it with what the definition promises.

    The digest covers packages and definition and leaves out the time, so that two builders can see that they have the same.
    """
    packages = machine_contents.packages(tree)
    facts = machine_contents.facts(tree, definition.facts)
    differs = machine_contents.differences(definition.facts, facts)
    if broken := [line for line in differs if line.startswith(("module_", "tool_"))]:
        raise DeployError(
            f"{definition.name} is not what its definition promises: {'; '.join(broken)}",
            where=str(definition.file),
            next_step="correct its packages or its [facts]",
        )
    for line in differs:
        progress(f"{definition.name}: note: {line}; predictions may be off until [facts] of {definition.file} is corrected")
    content = json.dumps([machine_definition.fingerprint(definition, METHOD), packages])
    return {
        "name": definition.name,
        "built_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "archive": machine_bootstrap.mirror(),
        "kernel_release": machine_contents.kernel_release(tree),
        "digest": f"sha256:{hashlib.sha256(content.encode()).hexdigest()}",
        "facts": facts,
        "packages": packages,
    }


@contextmanager
def _workshop(folder: Path) -> Iterator[Path]:
    """A directory in memory if there is room, where a package's hundred fsyncs cost nothing; else beside the result."""
    prefix = _prefix(folder.parent)
    for left_behind in (*folder.parent.glob(f".{LOCK}-*"), *_MEMORY_DISK.glob(f"{prefix}*")):
        _remove(left_behind)
    folder.mkdir()
    roomy = _MEMORY_DISK.is_dir() and _free_memory_bytes() > _NEEDED_MEMORY_BYTES
    workshop = Path(tempfile.mkdtemp(dir=_MEMORY_DISK if roomy else folder, prefix=prefix))
    # mkdtemp keeps others out, but apt's own user must get in to read what it downloaded.
    workshop.chmod(0o711)
    try:
        yield workshop
    except BaseException:
        _remove(folder)
        raise
    finally:
        _remove(workshop)


def _free_memory_bytes() -> int:
    """What the memory disk could take; its own limit says nothing of the VMs that run already."""
    return min(shutil.disk_usage(_MEMORY_DISK).free, psutil.virtual_memory().available)


def _prefix(machines: Path) -> str:
    """Tell our workshops from another cache's: the memory disk is everybody's. tools/clean-cache knows these names, too."""
    return f"cowbench-machine-{hashlib.sha256(os.path.abspath(machines).encode()).hexdigest()[:12]}-"  # noqa: PTH100 - as the shell does


def _remove(directory: Path) -> None:
    # It never walks into another filesystem: should anything be mounted there after all, the host's files are safe.
    subprocess.run(["rm", "-rf", "--one-file-system", str(directory)], check=False, timeout=300, capture_output=True)


@contextmanager
def _timed(what: str, progress: Callable[[str], None]) -> Iterator[None]:
    begun = time.monotonic()
    yield
    progress(f"{what} {time.monotonic() - begun:.1f} s")
