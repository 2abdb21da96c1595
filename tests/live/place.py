"""A corner of this machine for one live test: a state directory of its own, `cowbench` run in it, and what of it is left."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import yaml

from stacks import image, workspace

if TYPE_CHECKING:
    from collections.abc import Callable

COWBENCH = str(Path(sys.executable).with_name("cowbench"))

FAULTS = str(Path(__file__).parent / "faults")
"""As PYTHONPATH, with COWBENCH_TEST_FAULT naming one: see `faults/sitecustomize.py`."""

LIMIT_S = 100
"""No single command of a live test takes this long, also on two busy cores; with VMs it may."""

_KEPT = re.compile(r"passphrase|id|kvm\.json|(boots/)?[a-z0-9]+\.lock|pulumi/\.pulumi/meta\.yaml(\.attrs)?")
"""Files of the state directory that belong to no stack."""

_SHIM_SOCKETS = Path("/run/containerd/s")


@dataclass(frozen=True, kw_only=True)
class Place:
    """Directories of one test below a short root: unix sockets lie below `state`. `dead_sockets` were there before it."""

    root: Path
    dead_sockets: frozenset[str]
    limit_s: float = LIMIT_S
    """How long one command may take."""

    @property
    def state(self) -> Path:
        """`COWBENCH_STATE` of everything that runs here."""
        return self.root / "s"

    @property
    def runs(self) -> Path:
        """Where run folders are made."""
        return self.root / "runs"

    @property
    def run_folder(self) -> Path:
        """The one run folder that was made."""
        (folder,) = self.runs.glob("[!.]*")
        return folder

    def environment(self, **more: str) -> dict[str, str]:
        """The environment of every command here: nothing of the user's own Pulumi, a home and temporary files of its own."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PULUMI_", "COWBENCH_"))}
        own = {
            "COWBENCH_STATE": str(self.state),
            "COWBENCH_CACHE": str(image.cache_directory().absolute()),
            "HOME": str(self.root / "home"),
            "PULUMI_HOME": str(self.root / "pulumi"),
            "TMPDIR": str(self.root / "tmp"),
        }
        return {**kept, **own, **more}

    def cowbench(self, *arguments: str | Path, **more: str) -> Ended:
        """Run `cowbench` to its end."""
        return self.start(*arguments, **more).end()

    def start(self, *arguments: str | Path, **more: str) -> Started:
        """Start `cowbench` as a terminal would: the leader of a process group of its own."""
        return self.launch([COWBENCH, *map(str, arguments)], **more)

    def launch(self, command: list[str], **more: str) -> Started:
        """Start any command here. Its output goes to a file: a pipe would stay open in whatever survives it."""
        output = self.root / f"{len(list(self.root.glob('*.out'))):03d}.out"
        with output.open("w") as file:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=workspace.CHECKOUT,
                env=self.environment(**more),
                process_group=0,
            )
        return Started(process=process, output=output, limit_s=self.limit_s)

    def matrix(self, name: str = "live", *, axes: dict[str, Any] | None = None, load: dict[str, Any] | None = None) -> Path:
        """A matrix file: one cell, the server that starts fastest, short trials; `axes` and `load` replace keys of theirs."""
        short = {"op": "put", "object_size": "4KiB", "concurrency": 2, "duration": "300ms", "warm_up": "50ms"}
        document = {
            "schema": 1,
            "name": name,
            "axes": {"driver": ["overlay2"], "server": ["versitygw"], "data_placement": ["writable_layer"], **(axes or {})},
            "disk_size": "1GiB",
            "load": {"blocks": 1, "seed": 1, "workloads": [short], **(load or {})},
        }
        path = self.root / f"{name}.yaml"
        path.write_text(yaml.safe_dump(document, sort_keys=False))
        return path

    def host(self, stack: str, host: str = "overlay2-ext4") -> Path:
        """The directory of a local host."""
        return self.state / "h" / stack / host

    def processes(self, name: str = "") -> list[psutil.Process]:
        """Live processes that were started here: by environment, by path; those of containers by their cgroup."""
        found = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error, OSError):
                ours = self._is_ours(process) and process.status() != psutil.STATUS_ZOMBIE
                if ours and name in f"{process.name()} {' '.join(process.cmdline())}":
                    found.append(process)
        return found

    def _is_ours(self, process: psutil.Process) -> bool:
        return process.pid != os.getpid() and (
            process.environ().get("COWBENCH_STATE") == str(self.state)
            or any(f"{self.state}/" in argument for argument in process.cmdline())
            or f"/cowbench.{self._mark}." in Path(f"/proc/{process.pid}/cgroup").read_text()
        )

    @property
    def _mark(self) -> str:
        """As in `stacks.state.owner`; that this finds what stands is tested, since else it would find nothing ever left."""
        return hashlib.sha256(os.fsencode(self.state)).hexdigest()[:8]

    def traces(self) -> list[str]:
        """Whatever of this place's stacks is still on the machine, one line each."""
        mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines() if f"{self.state}/" in line]
        loops = [path for path in Path("/sys/block").glob("loop*/loop/backing_file") if f"{self.state}/" in path.read_text()]
        cgroups = [path for depth in ("", "*/") for path in Path("/sys/fs/cgroup").glob(f"{depth}cowbench.{self._mark}.*")]
        return [
            *(f"mount {point}" for point in mounts),
            *(f"loop device {path}" for path in loops),
            *(f"cgroup {path}" for path in cgroups),
            *(f"process {process.pid} {_command_line(process)}" for process in self.processes()),
            *(f"file {path}" for path in self._files()),
            *(f"socket {path}" for path in dead_shim_sockets() - self.dead_sockets),
        ]

    def _files(self) -> list[str]:
        inside = [str(path.relative_to(self.state)) for path in self.state.rglob("*") if not path.is_dir()]
        outside = [
            str(path) for place in ("tmp", "pulumi/workspaces") for path in (self.root / place).rglob("*") if not path.is_dir()
        ]
        return [path for path in inside if not _KEPT.fullmatch(path)] + outside

    def assert_nothing_left(self) -> None:
        """Fails with a list of what is left. A killed process may take a moment to be gone."""
        if not happens(lambda: not self.traces(), within_s=5):
            raise AssertionError("left behind:\n" + "\n".join(self.traces()))

    def remove(self) -> None:
        """The end of the test, however it went: what a failed one left must not disturb the next."""
        if self.state.exists() and self.traces():
            self.cowbench("sweep", "--all")
        for process in self.processes():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        shutil.rmtree(self.root, ignore_errors=True)


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a command ended, and everything it said."""

    code: int
    said: str


@dataclass(frozen=True, kw_only=True)
class Started:
    """A command under way."""

    process: subprocess.Popen[bytes]
    output: Path
    limit_s: float = LIMIT_S

    @property
    def said(self) -> str:
        """Its output so far."""
        return self.output.read_text(errors="replace")

    def until(self, text: str) -> None:
        """Wait until it has said something. Fails when it ends without."""
        if (
            not happens(lambda: text in self.said or self.process.poll() is not None, within_s=self.limit_s)
            or text not in self.said
        ):
            raise AssertionError(f"never said {text!r}, but:\n{self.said}")

    def interrupt(self) -> None:
        """Ctrl-C: the terminal sends SIGINT to the whole foreground group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def end(self) -> Ended:
        """Wait for the end. One that hangs fails the test, with what it said."""
        try:
            return Ended(code=self.process.wait(self.limit_s), said=self.said)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"did not end within {self.limit_s:.0f} s:\n{self.said}") from None


def make(limit_s: float = LIMIT_S) -> Place:
    """A new place, empty."""
    root = Path(tempfile.mkdtemp(prefix="cb", dir="/tmp"))
    for directory in ("home", "tmp"):
        (root / directory).mkdir()
    return Place(root=root, dead_sockets=dead_shim_sockets(), limit_s=limit_s)


def happens(condition: Callable[[], object], *, within_s: float) -> bool:
    """Whether something becomes true in time; looked at twenty times a second."""
    deadline = time.monotonic() + within_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def dead_shim_sockets() -> frozenset[str]:
    """Sockets of containerd's shims that nobody listens on any more."""
    listening = {line.split()[-1] for line in Path("/proc/net/unix").read_text().splitlines()[1:]}
    return frozenset(str(path) for path in _SHIM_SOCKETS.glob("*") if str(path) not in listening)


def _command_line(process: psutil.Process) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(process.cmdline())[:120] or process.name()
    return "(gone)"
