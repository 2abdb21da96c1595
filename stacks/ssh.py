"""How the hosts of a stack are reached by SSH: one key per stack, each host's key pinned, one connection shared per host.

Everything is in files that the `ssh` command reads, so `ssh -F FILE HOST` by hand is exactly what the program does.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import DeployError
from stacks import state

if TYPE_CHECKING:
    from collections.abc import Callable

_BANNER_WAIT_S = 2.0


def make_key(stack: str) -> tuple[str, str]:
    """A new pair of keys (private, public), Ed25519. Raises DeployError without `ssh-keygen`."""
    within = state.ssh_config(stack, "").parent
    within.mkdir(parents=True, exist_ok=True, mode=0o700)
    # Not in the system's temporary directory: a kill in between would leave a private key there.
    with tempfile.TemporaryDirectory(dir=within, prefix="t-") as directory:
        path = Path(directory) / "key"
        try:
            command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "cowbench", "-f", str(path)]
            subprocess.run(command, check=True, capture_output=True, timeout=30)
        except (OSError, subprocess.SubprocessError) as error:
            raise DeployError(
                f"no SSH key could be made ({error})", next_step="install openssh-client: make setup-vms"
            ) from error
        return path.read_text(), path.with_suffix(".pub").read_text().strip()


def reach(stack: str, host: str) -> tuple[str, ...]:
    """The start of the command line that runs a shell command on the host."""
    return ("ssh", "-F", str(state.ssh_config(stack, host)), host)


def introduce(
    *, stack: str, host: str, address: str, port: int, private_key: str, host_key: str, shared_connection: Path
) -> None:
    """Write what `ssh` needs to reach the host and nothing but that host. `host_key` is the only key that it may show."""
    config = state.ssh_config(stack, host)
    config.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    key, known = config.parent / "key", config.with_suffix(".known_hosts")
    _write_private(key, private_key)
    known.write_text(f"[{address}]:{port} {host_key}\n")
    config.write_text(_config(host, (address, port), key, known, shared_connection))


def forget(stack: str, host: str) -> None:
    """Remove what `introduce` wrote; with the stack's last host its key too."""
    config = state.ssh_config(stack, host)
    for path in (config, config.with_suffix(".known_hosts")):
        path.unlink(missing_ok=True)
    if not any(config.parent.glob("*.config")):
        shutil.rmtree(config.parent, ignore_errors=True)


def _config(host: str, place: tuple[str, int], key: Path, known: Path, shared_connection: Path) -> str:
    address, port = place
    settings = {
        "HostName": address,
        "Port": port,
        "User": "root",
        "IdentityFile": key,
        "IdentitiesOnly": "yes",
        "UserKnownHostsFile": known,
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "HostKeyAlgorithms": "ssh-ed25519",
        "BatchMode": "yes",
        "ConnectTimeout": 15,
        # A host that lost its power says nothing: without these the connection would wait for ever.
        "ServerAliveInterval": 10,
        "ServerAliveCountMax": 6,
        "LogLevel": "ERROR",
        # A handshake costs an emulated host more than a second.
        "ControlMaster": "auto",
        "ControlPath": shared_connection,
        "ControlPersist": 120,
    }
    return f"Host {host}\n" + "".join(f"    {name} {_quoted(value)}\n" for name, value in settings.items())


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, Path) else str(value)


def _write_private(path: Path, text: str) -> None:
    draft = path.with_suffix(f".{os.getpid()}")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)


def answers(address: str, port: int, connect: Callable[..., socket.socket] = socket.create_connection) -> bool:
    """Whether an SSH server greets there. A connection alone says nothing: a forwarded port accepts it anyway."""
    try:
        with connect((address, port), timeout=_BANNER_WAIT_S) as connection:
            connection.settimeout(_BANNER_WAIT_S)
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False
