"""The power of a host that we hold the plug of: flushed, cut at once, restored until its servers answer again."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import docker.errors
import requests.exceptions

from bench.errors import DeployError, InputError
from stacks import clouds, connection, servers, setup_failure, ssh, state, vm_process
from stacks import reach as reaching

if TYPE_CHECKING:
    from collections.abc import Sequence

    from docker.models.containers import Container

    from bench.records import Target

_FLUSH_LIMIT_S = 300
_BOOT_LIMIT_S = 300
_ASK_S = 30
_READY_LIMIT_S = 180
_POLL_S = 0.2
_LOG_LINES = 12


@dataclass(frozen=True, kw_only=True)
class Plug:
    """The plug of the host that the server of a cell runs on. `beside` are all targets of that host, the cell's own too."""

    stack: str
    target: Target
    beside: tuple[Target, ...]

    def flush(self) -> None:
        """As the function of that name, and so below."""
        flush(self.stack, self.target.cell.host)

    def cut(self) -> None:  # noqa: D102 - as above
        cut(self.stack, self.target.cell.host)

    def restore(self) -> None:  # noqa: D102 - as above
        restore(self.stack, self.target.cell.host, self.beside)


def plug(stack: str, cell: str, targets: Sequence[Target]) -> Plug:
    """The plug of a cell of the stack.

    Raises InputError, with the reason, when there is no such cell or nobody here holds its plug; DeployError when its host has no
    power now.
    """
    target = next((target for target in targets if target.cell.name == cell), None)
    if target is None:
        known = ", ".join(target.cell.name for target in targets)
        raise InputError(f"stack {stack} has no cell {cell}", where="durability", next_step=f"name one of {known}")
    if reason := _out_of_reach(target):
        step = "name a cell of the cloud qemu, of a stack without load.generators: cowbench up stacks/matrices/kernels.yaml"
        raise InputError(reason, where=cell, next_step=step)
    if not vm_process.running(state.host_dir(stack, target.cell.host)):
        raise DeployError(
            "its VM does not run: it ended by itself, or a power loss that was interrupted left it so",
            where=f"host {target.cell.host}",
            next_step=f"cowbench logs {cell} --stack {stack} shows its console; cowbench down --stack {stack}, then up again",
        )
    return Plug(stack=stack, target=target, beside=tuple(each for each in targets if each.cell.host == target.cell.host))


def _out_of_reach(target: Target) -> str:
    cloud = target.cell.cloud
    features = clouds.load(cloud).features
    if not features.on_this_machine:
        return f"hosts of the cloud {cloud} are far away: nobody here holds their plug"
    if not features.reached_by_ssh:
        return f"hosts of the cloud {cloud} are engines of this very machine: cutting their power would cut yours"
    if not target.endpoint:
        return "its server lets only load generators in, and the ledger of what was acknowledged is kept on this machine"
    return ""


def flush(stack: str, host: str) -> None:
    """Have the host write everything that it holds in memory to its disks. Raises DeployError when it does not."""
    done = reaching.run(ssh.reach(stack, host), "sync", timeout_s=_FLUSH_LIMIT_S)
    if done.returncode != 0:
        raise DeployError(
            f"the host did not flush its memory ({done.stderr.strip() or f'status {done.returncode}'})",
            where=f"host {host}",
            next_step=f"cowbench logs {host} --stack {stack} shows its console",
        )


def cut(stack: str, host: str) -> None:
    """Pull the plug. What the host had flushed or written to its disks is kept, the rest of its memory is gone."""
    vm_process.pull_the_plug(state.host_dir(stack, host))


def restore(stack: str, host: str, targets: Sequence[Target]) -> None:
    """Power on again, wait for this boot's set-up, start the servers of `targets` on it and wait until each answers.

    Raises DeployError with the words of whoever did not come back.
    """
    root, reach = state.host_dir(stack, host), ssh.reach(stack, host)
    vm_process.power_on_again(root)
    deadline = time.monotonic() + _BOOT_LIMIT_S
    # Its host key is known and pinned: that SSH lets us in says enough.
    while reaching.run(reach, "true", timeout_s=_ASK_S).returncode != 0:
        if not vm_process.running(root) or time.monotonic() > deadline:
            break
        time.sleep(_POLL_S)
    # The set-up of the boot before left its status too, but cloud-init's own result is of this boot only.
    vm_process.wait_until_set_up(root, reach)
    for target in targets:
        _start(stack, target)


def _start(stack: str, target: Target) -> None:
    cell = target.cell.name
    try:
        with connection.engine(target.engine_url, stack) as engine:
            container = engine.containers.get(f"cowbench-{cell}")
            container.start()
            _wait_until_ready(stack, target, container)
    except (docker.errors.DockerException, requests.exceptions.RequestException) as error:
        raise _did_not_come_back(f"the engine did not start the server again: {error}", str(error), target) from error


def _wait_until_ready(stack: str, target: Target, container: Container) -> None:
    server = servers.load(target.cell.server)
    # As the host itself sees it, which has the private address only.
    address = urlsplit(target.private_endpoint or target.endpoint).hostname or ""
    deadline = time.monotonic() + _READY_LIMIT_S
    while not connection.answers(target.engine_url, stack, address, server.port, server.ready_path):
        container.reload()
        if container.status in {"exited", "dead"} or time.monotonic() > deadline:
            log = container.logs(tail=_LOG_LINES).decode(errors="replace").strip()
            shown = "".join(f"\n    {line}" for line in log.splitlines())
            raise _did_not_come_back(f"the server {server.name} does not answer; its log:{shown}", log, target)
        time.sleep(_POLL_S)


def _did_not_come_back(what: str, said: str, target: Target) -> DeployError:
    otherwise = f"what the power loss left is on the host: cowbench logs {target.cell.name}; then cowbench down, and up again"
    causes, next_step = setup_failure.meaning(said, otherwise)
    return DeployError(f"{what}{causes}", where=target.cell.name, next_step=next_step)
