"""What killed processes left on this machine, found by name and in the kernel's own tables, also without any file of ours."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from bench.errors import DeployError
from stacks import host_setup, ownership, state, workspace

if TYPE_CHECKING:
    from collections.abc import Iterator

_DOWN_TIMEOUT_S = 120


@dataclass(frozen=True, order=True, kw_only=True)
class Leftover:
    """A host of a stack that is still here in some form."""

    stack: str
    host: str


def hosts(stack: str = "") -> tuple[Leftover, ...]:
    """Every host of this state directory that has left a trace: a directory, a mount, a loop device, a cgroup or a process."""
    found = {*_by_path(), *_by_mark()}
    return tuple(sorted(host for host in found if not stack or host.stack == stack))


def stacks() -> tuple[str, ...]:
    """Every stack with any trace on this machine."""
    return tuple(sorted({host.stack for host in hosts()} | {path.name for path in (state.root() / "stacks").glob("*")}))


def abandoned_stacks() -> tuple[str, ...]:
    """Stacks with any trace on this machine that nobody will come back for."""
    return tuple(stack for stack in stacks() if ownership.is_abandoned(stack))


def remove_orphans(*, dry_run: bool) -> tuple[int, ...]:
    """End provider hosts whose Pulumi was killed: they would wait for ever for their next call. Gives their pids."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.cmdline()[-3:-1] == ["-m", "pulumi.dynamic"] and _is_ours(process) and _is_orphan(process):
                found.append(process)
    for process in found:
        if not dry_run:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
    return tuple(process.pid for process in found)


def _is_ours(process: psutil.Process) -> bool:
    return str(workspace.CHECKOUT) in process.environ().get("PYTHONPATH", "").split(os.pathsep)


def _is_orphan(process: psutil.Process) -> bool:
    """An orphan's new parent is not always process 1: a session manager or a container's init may adopt it."""
    parent = process.parent()
    return parent is None or not parent.name().startswith("pulumi")


def remove_hosts(stack: str) -> None:
    """Run the reverse script for every trace of the stack's hosts, side by side. Raises DeployError naming what stays in use."""
    running = [(host, _reverse(host)) for host in hosts(stack)]
    stuck = []
    for host, process in running:
        try:
            _, said = process.communicate(timeout=_DOWN_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            said = f"{host.host} took more than {_DOWN_TIMEOUT_S} s to remove"
        if process.returncode != 0:
            stuck.append(said.strip() or f"what removes {host.host} ended with status {process.returncode}")
    if stuck:
        raise DeployError(
            "; ".join(stuck), where=f"stack {stack}", next_step=f"end what uses it, then: cowbench down --stack {stack}"
        )
    with contextlib.suppress(OSError):
        (state.hosts() / stack).rmdir()


def only_local(stack: str) -> bool:
    """Whether every resource of the stack lives on this machine, so that nothing can be left elsewhere."""
    path = state.backend() / f".pulumi/stacks/{workspace.PROJECT}/{stack}.json"
    if not path.exists():
        return workspace.has_own_backend()
    # Not parsed: a kill may have torn it. Types of resources have a colon, those of other things in the state do not.
    kinds = re.findall(r'"type":\s*"([^"]*:[^"]*)"', path.read_text())
    return all(kind.startswith(("pulumi:", "pulumi-python:dynamic/")) for kind in kinds)


def stop_processes(stack: str, *, grace_s: float) -> None:
    """Stop what still works for the stack: a Pulumi whose cowbench was killed, its provider hosts, a load generator.

    Pulumi is asked once (SIGINT: it ends its steps and frees its lock), and killed after `grace_s`.
    """
    asked = [process for process in _marked(stack) if _is(process, "pulumi")]
    for process in asked:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.send_signal(signal.SIGINT)
    _, alive = psutil.wait_procs(asked, timeout=grace_s)
    for process in {*alive, *_marked(stack)}:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(_marked(stack), timeout=5)


def _is(process: psutil.Process, name: str) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.name() == name
    return False


def _marked(stack: str) -> list[psutil.Process]:
    """Processes that carry the stack's mark, but not this one, its parents, nor the engines: those belong to their host."""
    mark = workspace.mark(stack)
    mine = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            environment = process.environ()
            if process.pid not in mine and environment.get(workspace.STACK_MARK) == mark and "COWBENCH_OWNER" not in environment:
                found.append(process)
    return found


def _reverse(host: Leftover) -> subprocess.Popen[str]:
    script = host_setup.render_down(root=str(state.host_dir(host.stack, host.host)), owner=state.owner(host.stack, host.host))
    process = subprocess.Popen(["sh", "-s"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdin is not None
    process.stdin.write(script)
    process.stdin.close()
    process.stdin = None  # communicate() would try to close it again
    return process


def _by_path() -> Iterator[Leftover]:
    """Directories, mounts and loop files of hosts; the kernel's tables name them even after the files are gone."""
    base = state.hosts()
    mounted = Path("/proc/self/mountinfo").read_text()
    loops = "\n".join(_read(path) for path in Path("/sys/block").glob("loop*/loop/backing_file"))
    for stack, host in re.findall(rf"{re.escape(str(base))}/([a-z0-9-]+)/([a-z0-9-]+)", f"{mounted}\n{loops}"):
        yield Leftover(stack=stack, host=host)
    for path in base.glob("*/*"):
        yield Leftover(stack=path.parent.name, host=path.name)


def _by_mark() -> Iterator[Leftover]:
    """Cgroups and processes that carry the mark of this state directory."""
    prefix = state.owner("", "").removesuffix(".").removesuffix(".")
    marks = [path.name.removeprefix("cowbench.") for path in Path("/sys/fs/cgroup").glob("cowbench.*")]
    marks += [path.name.removeprefix("cowbench.") for path in Path("/sys/fs/cgroup").glob("*/cowbench.*")]
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            marks.append(process.environ().get("COWBENCH_OWNER", ""))
    for mark in marks:
        if mark.startswith(f"{prefix}."):
            _, stack, host = mark.split(".", 2)
            yield Leftover(stack=stack, host=host)


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text()
    return ""
