"""Meeting a rented host for the first time: is the key that it shows its own, or that of somebody in between?

A cloud's console, where a VM of this machine says its key, comes minutes late or not at all. So the operator gives the VM a
word, by user-data; the VM writes a hash of the word and its key into a file. Whoever is in between shows a key of their own,
knows no word, and so cannot show that file. After that the key is pinned, and the word is of use to nobody.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import DeployError
from stacks import ssh, state, user_data

if TYPE_CHECKING:
    from collections.abc import Callable

_BOOT_LIMIT_S = 600
"""From the cloud's word that the VM is there to its SSH: half a minute as a rule, minutes for a large or busy one."""

_POLL_S = 1.0
_ATTEMPT_S = 60


def word(private_key: str, host: str) -> str:
    """The word of a host: always the same for the same stack and host, and nothing of the key can be told from it."""
    return hmac.new(private_key.encode(), host.encode(), hashlib.sha256).hexdigest()[:32]


def port() -> int:
    """Where rented hosts listen for SSH: 22, or `COWBENCH_SSH_PORT` where something in between forwards another one."""
    return int(os.environ.get("COWBENCH_SSH_PORT", "22"))


def host_key(*, stack: str, host: str, address: str, private_key: str) -> str:
    """Wait until the host answers, and its public key (`ssh-ed25519 AAAA…`) once it has proved that the key is its own.

    Raises DeployError when it does not answer, or cannot prove it.
    """
    within = state.ssh_config(stack, "").parent
    within.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=within, prefix="t-") as directory:
        key = Path(directory) / "key"
        key.touch(mode=0o600)
        key.write_text(private_key)
        said = _ask(Path(directory), key, address, host)
        shown = (Path(directory) / "known").read_text().split()
    told = f"{shown[1]} {shown[2]}"
    proof = hashlib.sha256(f"{word(private_key, host)} {told}".encode()).hexdigest()
    if not hmac.compare_digest(proof, said):
        raise DeployError(
            f"what answers at {address} cannot prove that it is the VM that was made: it may be somebody in between",
            where=f"host {host}",
            next_step="cowbench down, then up again from another network; nothing was sent there but a public key",
        )
    return told


def _ask(directory: Path, key: Path, address: str, host: str, now: Callable[[], float] = time.monotonic) -> str:
    deadline, said = now() + _BOOT_LIMIT_S, "nothing"
    while now() < deadline:
        if ssh.answers(address, port()):
            (directory / "known").unlink(missing_ok=True)
            done = _once(directory, key, address)
            if done.returncode == 0 and done.stdout.strip():
                return done.stdout.strip()
            said = done.stderr.strip() or f"status {done.returncode}"
        time.sleep(_POLL_S)
    raise DeployError(
        f"no SSH at {address} within {_BOOT_LIMIT_S} s; last answer: {said}",
        where=f"host {host}",
        next_step="look at the VM's console in the cloud's own pages: is it up, and did cloud-init run? Then cowbench down",
    )


def _once(directory: Path, key: Path, address: str) -> subprocess.CompletedProcess[str]:
    options = {
        "User": "root",
        "Port": port(),
        "IdentityFile": key,
        "IdentitiesOnly": "yes",
        # The key is noted, and believed only when its owner has proved it.
        "StrictHostKeyChecking": "accept-new",
        "UserKnownHostsFile": directory / "known",
        "GlobalKnownHostsFile": "/dev/null",
        "HashKnownHosts": "no",
        "HostKeyAlgorithms": "ssh-ed25519",
        "BatchMode": "yes",
        "ConnectTimeout": 15,
        "LogLevel": "ERROR",
    }
    words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
    command = ["ssh", "-F", "/dev/null", *words, address, f"cat {user_data.PROOF}"]
    try:
        return subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=_ATTEMPT_S, check=False)
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 255, stdout="", stderr=f"no answer within {_ATTEMPT_S} s")
