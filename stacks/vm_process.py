"""A VM's life on this machine: made, booted, waited for, looked at when it does not come up. Ended with its host directory."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from typing import TYPE_CHECKING

import psutil

from bench import knowledge
from bench.errors import DeployError
from stacks import setup_failure, setup_wait, ssh, user_data, vm

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_START_LIMIT_S = 60
_BOOT_LIMIT_S = 300
"""From power on to a host key and an SSH greeting: about 20 s emulated on an idle machine, several times that on a busy one."""
_SETUP_LIMIT_S = 600
"""From there to a ready engine: seconds where the image brings it, minutes where packages are installed first."""
_POLL_S = 0.2
_KILL_LIMIT_S = 30
_CONSOLE_LINES = 15
_OWNER_MARK = "COWBENCH_OWNER"


def create_disks(machine: vm.Vm, *, user_data_text: str, incarnation: str, network_config: str = "") -> None:
    """Make the disks and the seed in the VM's directory. Sparse: they take room as the VM writes.

    `network_config` is cloud-init's, for a VM with another network than `vm.command` gives.
    """
    root = machine.root
    _tool("qemu-img", "create", "-q", "-f", "qcow2", "-b", str(machine.image), "-F", "qcow2", str(root / "root.qcow2"))
    for name, size_bytes in (("data0", machine.data_bytes), ("pool0", machine.pool_bytes)):
        if size_bytes:
            create_blank_disk(root, name, size_bytes)
    seed = root / "seed"
    seed.mkdir(exist_ok=True)
    texts = {
        "user-data": user_data_text,
        "meta-data": vm.meta_data(machine, incarnation),
        "network-config": network_config or vm.network_config(machine),
    }
    for name, text in texts.items():
        (seed / name).write_text(text)
    files = [str(seed / name) for name in texts]
    _tool("genisoimage", "-quiet", "-output", str(root / "seed.iso"), "-volid", "cidata", "-joliet", "-rock", *files)


def create_blank_disk(root: Path, name: str, size_bytes: int) -> None:
    """Make one more disk in the VM's directory, `NAME.raw`; it is for whoever called to attach it."""
    _tool("qemu-img", "create", "-q", "-f", "raw", str(root / f"{name}.raw"), str(size_bytes))


def power_on(root: Path, command: Sequence[str], owner: str, environment: Mapping[str, str] = os.environ) -> None:
    """Start QEMU; a VM that runs already stays as it is. The command is kept, so that the VM can be started again as it was."""
    if running(root):
        return
    (root / "qemu.json").write_text(json.dumps({"command": list(command), "owner": owner}))
    console = root / "console.log"
    if console.exists():
        # QEMU would begin the file anew, and what a VM said before it lost its power is worth reading.
        with (root / "console.old.log").open("a") as old:
            old.write(console.read_text(errors="replace"))
    # The mark in its environment is how a VM is found again when every file of it is gone.
    try:
        done = subprocess.run(
            command, env={**environment, _OWNER_MARK: owner}, capture_output=True, text=True, timeout=_START_LIMIT_S, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise setup_failure.explained(f"QEMU did not start within {_START_LIMIT_S} s", host=root.name) from error
    if done.returncode != 0:
        raise setup_failure.explained(f"QEMU did not start\n{done.stderr.strip()}", host=root.name)


def power_on_again(root: Path) -> None:
    """Start a VM that was made here before, with its disks as they are."""
    try:
        kept = json.loads((root / "qemu.json").read_text())
    except (OSError, ValueError) as error:
        raise DeployError(
            f"no VM was made in {root} ({error})", where=f"host {root.name}", next_step="cowbench up MATRIX"
        ) from error
    power_on(root, kept["command"], kept["owner"])


def pull_the_plug(root: Path) -> None:
    """End the VM as a power loss would: what its kernel had not yet written to its disks is gone.

    Raises DeployError when it does not run: whatever is found afterwards would not be of this moment.
    """
    process = _process(root)
    if process is None:
        raise DeployError("the VM does not run", where=f"host {root.name}", next_step="cowbench logs CELL shows its console")
    try:
        process.kill()
        process.wait(_KILL_LIMIT_S)
    except psutil.NoSuchProcess:
        return
    except psutil.TimeoutExpired as error:
        raise DeployError(
            f"QEMU (process {process.pid}) did not end within {_KILL_LIMIT_S} s of being killed",
            where=f"host {root.name}",
            next_step="it hangs in this machine's kernel: see dmesg",
        ) from error


def running(root: Path) -> bool:
    """Whether the VM of this directory runs."""
    return _process(root) is not None


def untouched_bytes(overhead_bytes: int) -> int:
    """Memory that VMs of this machine were promised and have not taken yet: it looks free, and it is not."""
    promised = 0
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, ValueError, IndexError):
            words = process.cmdline()
            if words and words[0].startswith("qemu-system"):
                given = int(words[words.index("-m") + 1]) << 20
                promised += max(0, given + overhead_bytes - process.memory_info().rss)
    return promised


def _process(root: Path) -> psutil.Process | None:
    """The very QEMU of this directory: after a kill its pid file stays, and the number may belong to another process."""
    try:
        process = psutil.Process(int((root / "qemu.pid").read_text()))
        if f"{root}/qemu.pid" in process.cmdline() and process.status() != psutil.STATUS_ZOMBIE:
            return process
    except (OSError, ValueError, psutil.Error):
        pass
    return None


def wait_for_host_key(root: Path, address: str) -> str:
    """Wait until the VM has told its host key on the console and greets by SSH; the key. Raises DeployError with the console."""
    deadline = time.monotonic() + _BOOT_LIMIT_S
    while time.monotonic() < deadline:
        key = user_data.host_key(console(root))
        if key and ssh.answers(address, vm.SSH_PORT):
            return key
        if not running(root):
            raise _came_to_nothing(root, "the VM ended while it booted")
        time.sleep(_POLL_S)
    raise _came_to_nothing(root, f"no SSH within {_BOOT_LIMIT_S} s")


def wait_until_set_up(root: Path, reach: Sequence[str]) -> None:
    """Wait until cloud-init is done and the engine answers. Raises DeployError with the words of whoever failed."""
    setup_wait.wait(
        reach,
        root.name,
        limit_s=_SETUP_LIMIT_S,
        is_gone=lambda: not running(root),
        give_up=lambda what, log: _came_to_nothing(root, what, log),
    )


def emulator_broke(root: Path) -> bool:
    """Whether a VM that ended did so by a fault of the emulator: it never said a word, or its kernel met what no processor does.

    QEMU 7.2 now and then crashes in the first second of an emulated boot, or lets a processor run what another has rewritten.
    """
    said = console(root)
    return not said or any(each.kind == "emulator_fault" for each in knowledge.explain(said))


def console(root: Path) -> str:
    """What the VM said on its console since it was last powered on."""
    try:
        return (root / "console.log").read_text(errors="replace")
    except OSError:
        return ""


def _came_to_nothing(root: Path, what: str, log: str = "") -> DeployError:
    lines = [line.rstrip() for line in console(root).splitlines() if line.strip()][-_CONSOLE_LINES:]
    said = [*lines, *(["cloud-init's log:", *log.strip().splitlines()] if log.strip() else [])]
    return setup_failure.explained("\n".join([*(said or ["(the console is empty)"]), what]), host=root.name)


def _tool(*command: str) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_START_LIMIT_S)
    except FileNotFoundError as error:
        raise DeployError(f"{command[0]} is not installed", next_step="make setup-vms") from error
    except subprocess.SubprocessError as error:
        said = str(getattr(error, "stderr", "") or error).strip()
        raise DeployError(
            f"{command[0]} failed: {said}", next_step="free some space if the disk is full, then try again"
        ) from error
