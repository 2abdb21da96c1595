"""Whether VMs can run on the processor itself: found out by booting a kernel, since a `/dev/kvm` that is there may not work."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from stacks import state

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_LIMIT_S = 10
"""A working KVM gets a kernel that far in about one second; a broken one hangs."""

_PROOF = "Unable to mount root fs"
"""The last words of a kernel without a disk: it came through its whole start."""

_DEVICE = Path("/dev/kvm")


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether KVM works here, and what says so."""

    works: bool
    reason: str


def probe(kernel: Path | None, boot: Callable[[Path, Path], None] | None = None) -> Verdict:
    """Boot `kernel` (a bzImage with a serial console) under KVM, once per start of this machine; later calls read the verdict.

    Without one (a machine image with a bootloader of its own) this machine's kernel serves, where its file can be read.
    """
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return Verdict(works=False, reason=f"no {_DEVICE} that can be opened: VMs are emulated")
    with _one_at_a_time():
        return _kept() or _found_out(kernel, boot or _boot)


def _found_out(kernel: Path | None, boot: Callable[[Path, Path], None]) -> Verdict:
    own = Path("/boot") / f"vmlinuz-{os.uname().release}"
    chosen = kernel or (own if os.access(own, os.R_OK) else None)
    if chosen is None:
        return Verdict(works=False, reason="no kernel to try KVM with: VMs are emulated; boot one of the built images first")
    verdict = _try(chosen, boot)
    if not verdict.works:
        # Once more: a busy machine may be late, and what is found out holds until the next start of the machine.
        verdict = _try(chosen, boot)
    path = _file()
    draft = path.with_suffix(f".{os.getpid()}")
    draft.write_text(json.dumps({**asdict(verdict), "identity": _identity()}))
    draft.replace(path)
    return verdict


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    """VMs of a stack are made side by side: half of them emulated would be no stack."""
    state.root().mkdir(parents=True, exist_ok=True)
    with (state.root() / "kvm.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def known() -> str:
    """What is known without booting anything, in a few words."""
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return f"VMs are emulated: no {_DEVICE} that can be opened"
    verdict = _kept()
    return verdict.reason if verdict else "the first VM shows whether KVM works"


def _kept() -> Verdict | None:
    try:
        record = json.loads(_file().read_text())
        identity = record.pop("identity")
        return Verdict(**record) if identity == _identity() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _file() -> Path:
    return state.root() / "kvm.json"


def version() -> str:
    """QEMU's version, such as `7.2.22`, or empty when there is no QEMU."""
    try:
        said = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, timeout=20, check=False).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
    found = re.search(r"version (\d+\.\d+(?:\.\d+)?)", said)
    return found[1] if found else ""


def _try(kernel: Path, boot: Callable[[Path, Path], None]) -> Verdict:
    with tempfile.TemporaryDirectory(prefix="cowbench-") as directory:
        console = Path(directory) / "console.log"
        boot(kernel, console)
        if console.exists() and _PROOF in console.read_text(errors="replace"):
            return Verdict(works=True, reason="a kernel came up under KVM")
        what = f"{_DEVICE} is there, but no kernel came up under it within {_LIMIT_S} s"
        return Verdict(works=False, reason=f"{what}: VMs are emulated (to try again: rm {_file()})")


def _boot(kernel: Path, console: Path) -> None:
    command = ["qemu-system-x86_64", "-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256"]
    command += ["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-serial", f"file:{console}"]
    command += ["-kernel", str(kernel), "-append", "console=ttyS0 panic=-1"]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        process.wait(_LIMIT_S)
    except subprocess.TimeoutExpired:
        pass
    finally:
        # One that hangs in the kernel does not hear a polite signal.
        process.kill()
        process.wait()


def _identity() -> str:
    """What the verdict holds for: this start of this machine, and this QEMU."""
    try:
        boot_id = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        boot_id = ""
    return f"{boot_id} {version()}"
