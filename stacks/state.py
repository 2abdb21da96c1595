"""Where Cowbench keeps what it owns on this machine. Paths; nothing is created here but what is made once for all.

Outside the checkout on purpose: engines and disks outlive a deleted checkout, and any checkout's `sweep` must find them.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import tempfile
from pathlib import Path

from bench.errors import DeployError

SOCKET_PATH_LIMIT_BYTES = 107
"""Longest path of a unix socket on Linux: `sun_path` holds 108 bytes with the final zero."""

_DEEPEST_SOCKET = "x/libnetwork/0123456789ab.sock"
"""The engine's own, made with every start; containerd's `x/containerd.sock.ttrpc` is shorter."""


def root() -> Path:
    """The state directory: `COWBENCH_STATE`, else /var/lib/cowbench for root, else the user's own state directory."""
    if path := os.environ.get("COWBENCH_STATE"):
        return Path(path).absolute()
    if os.geteuid() == 0:
        return Path("/var/lib/cowbench")
    return Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local/state") / "cowbench"


def free_bytes() -> int:
    """What is free on the disk of the state directory, which need not exist yet."""
    directory = root()
    while not directory.exists():
        directory = directory.parent
    return shutil.disk_usage(directory).free


def hosts() -> Path:
    """One directory per stack, below it one per host. The name is one letter: unix sockets lie below it."""
    return root() / "h"


def host_dir(stack: str, host: str) -> Path:
    """Everything of one local host: disk image, mount, engine, its sockets and logs."""
    return hosts() / stack / host


def owner(stack: str, host: str) -> str:
    """The mark of a host on its processes and cgroups. It starts with the state directory's: two may share a machine.

    Of its path alone: what stands on this machine is found also when the directory is gone.
    """
    return f"{_digest(os.fsencode(root().resolve()))}.{stack}.{host}"


def account_mark() -> str:
    """The state directory's mark in accounts, where those of all machines meet, and most have the same path.

    Of a random word that is kept in it, and the path: a copy beside it is another one. Raises DeployError as `make_once`.
    """
    kept = root() / "id"
    make_once(kept, secrets.token_hex(16))
    return _digest(kept.read_bytes() + b" " + os.fsencode(root()))


def make_once(path: Path, text: str) -> None:
    """Write a file of the state directory, mode 0600, unless it is there. Raises DeployError when that cannot be done.

    Of several that come at once one wins, and all then read the same.
    """
    if os.access(path, os.R_OK):
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        number, draft = tempfile.mkstemp(prefix=f"{path.name}.", dir=path.parent)
        try:
            with os.fdopen(number, "w") as file:
                file.write(text)
                file.flush()
                os.fsync(number)
            with contextlib.suppress(FileExistsError):
                path.hardlink_to(draft)  # A link does not overwrite.
        finally:
            Path(draft).unlink()
        path.read_bytes()
    except OSError as error:
        raise DeployError(
            f"the state directory {path.parent} cannot be used: {error.strerror}",
            where=str(path),
            next_step="make it yours to write, or set COWBENCH_STATE to a directory that is",
        ) from error


def _digest(told: bytes) -> str:
    return hashlib.sha256(told).hexdigest()[:8]


def socket_fits(directory: Path) -> bool:
    """Whether the engine's longest socket path below `directory` is one that Linux accepts."""
    return len(os.fsencode(directory / _DEEPEST_SOCKET)) <= SOCKET_PATH_LIMIT_BYTES


def backend() -> Path:
    """The default Pulumi backend, a directory."""
    return root() / "pulumi"


def passphrase_file() -> Path:
    """The passphrase of stacks on the default backend, mode 0600."""
    return root() / "passphrase"


def stack_dir(stack: str) -> Path:
    """What the operator's side keeps about a stack: Pulumi's work directory, targets, credentials (mode 0600)."""
    return root() / "stacks" / stack


def ssh_config(stack: str, host: str) -> Path:
    """What `ssh -F` reads to reach a host of the stack; the stack's key (mode 0600) and the host's pinned key lie beside it."""
    return stack_dir(stack) / "ssh" / f"{host}.config"
