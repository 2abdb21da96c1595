"""Installs Debian into a directory with mmdebstrap, step by step with seconds, and tells what its failures mean."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import threading
import time
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING

from bench.errors import DeployError, InputError
from stacks import machine_definition

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from stacks.machine_definition import Definition

_ARCHIVE = "http://deb.debian.org/debian"

_LIMIT_S = 3600.0
"""Two cores need one to two minutes, five more where modules are compiled; a slow mirror takes longer."""

_APT_OPTIONS = ('Acquire::Languages "none"', 'APT::Install-Recommends "false"', 'Acquire::Retries "3"')
_DPKG_OPTIONS = (
    *(f"path-exclude=/usr/share/{part}/*" for part in ("doc", "man", "locale")),
    # The kernel finds its root filesystem without an initial RAM disk, so none is made.
    "path-exclude=/etc/kernel/postinst.d/initramfs-tools",
    "force-unsafe-io",
)

_MORTAL = ("setpriv", "--pdeathsig", "KILL")
"""Ends with us, however we end."""

_CONTAINED = (*_MORTAL, "unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
"""With mounts and processes in namespaces of their own, so that the kernel unmounts and ends them with the first."""

_STEPS = (
    ("I: running apt-get update", "package lists"),
    ("I: downloading packages", "download"),
    ("I: extracting archives", "unpack"),
    ("I: installing essential", "install"),
    ("Building initial module", "compile kernel modules"),
    ("I: running --customize-hook", "customise"),
    ("I: cleaning package lists", "clean up"),
)
"""What mmdebstrap and dkms say when the next step begins."""

_MEANINGS = (
    (
        r"No space left on device|Disk quota exceeded|not enough free space",
        "the disk is full",
        "free some, or set COWBENCH_CACHE to another disk",
    ),
    (
        r"NO_PUBKEY|EXPKEYSIG|not signed|OpenPGP",
        "Debian's signature is not known here",
        "install a current package debian-archive-keyring",
    ),
    (
        r"Temporary failure resolving|Could not (connect|resolve)|Connection (timed out|refused|failed)|Network is unreachable",
        "the Debian archive cannot be reached",
        "set COWBENCH_DEBIAN_MIRROR to a mirror that this machine reaches, such as http://ftp.de.debian.org/debian",
    ),
    (
        r"does not have a Release file|\b404\b|Hash Sum mismatch|Unable to locate package|has no installation candidate",
        "the archive lacks something",
        "try again in an hour, or set COWBENCH_DEBIAN_MIRROR to another mirror",
    ),
    (r"Operation not permitted|unshare failed", "this root may not do all that root can", "run it outside of the container"),
)


def mirror() -> str:
    """Return the archive that packages come from: `COWBENCH_DEBIAN_MIRROR`, else Debian's own.

    Raises InputError for an address with a password: it would stand in the image and in the process list.
    """
    chosen = os.environ.get("COWBENCH_DEBIAN_MIRROR", "").rstrip("/") or _ARCHIVE
    if not re.fullmatch(r"(https?|file)://[^@\s]+", chosen):
        raise InputError(
            "not an http, https or file address without a password",
            where="COWBENCH_DEBIAN_MIRROR",
            next_step=f"set it to something like {_ARCHIVE}, or unset it",
        )
    return chosen


def bootstrap(definition: Definition, tree: Path, log: Path, progress: Callable[[str], None]) -> None:
    """Make `tree` hold what `definition` says; all that was printed goes to `log`. Needs root.

    Raises DeployError with the last lines and what they mean.
    """
    hook = f'{shlex.quote(str(machine_definition.shared() / "customize.sh"))} "$1"'
    command = [
        *("mmdebstrap", "--verbose", "--mode=root", "--variant=minbase", "--format=directory", "--architectures=amd64"),
        *(f"--aptopt={option}" for option in _APT_OPTIONS),
        *(f"--dpkgopt={option}" for option in _DPKG_OPTIONS),
        *(f"--include={','.join(definition.packages)}", f"--customize-hook={hook}"),
        *(definition.suites[0], str(tree)),
        # Without the security archive: bullseye's lists kernels that it no longer holds, and one archive needs one mirror.
        *(f"deb {mirror()} {suite} main contrib" for suite in definition.suites),
    ]
    step, begun = "start", time.monotonic()
    for line in _lines(command, log):
        for beginning, name in _STEPS:
            if line.startswith(beginning):
                progress(f"{definition.name}: {step} {time.monotonic() - begun:.1f} s")
                step, begun = name, time.monotonic()
    progress(f"{definition.name}: {step} {time.monotonic() - begun:.1f} s")


def run(command: Sequence[str]) -> str:
    """Run a tool of the builder and return what it prints. Raises DeployError with its last lines and what they mean."""
    try:
        done = subprocess.run(
            [*_MORTAL, *command], capture_output=True, text=True, timeout=_LIMIT_S, check=False, env=environment()
        )
    except subprocess.TimeoutExpired as error:
        raise failed(command[0], f"not done after {error.timeout:.0f} s") from error
    if done.returncode != 0:
        raise failed(command[0], done.stderr.strip()[-1500:])
    return done.stdout


def environment() -> dict[str, str]:
    """Return the environment for the builder's tools: English messages, and the folders that an ordinary user's PATH lacks."""
    path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    return {**os.environ, "LC_ALL": "C", "PATH": path, "DEBIAN_FRONTEND": "noninteractive"}


def failed(tool: str, said: str) -> DeployError:
    """Return the error for a tool's last words."""
    what, next_step = "it stopped with", "mend what the lines above tell, and run it again; nothing was left behind"
    for pattern, meaning, cure in _MEANINGS:
        if re.search(pattern, said):
            what, next_step = meaning, cure
            break
    shown = "\n".join(f"  | {line}" for line in said.splitlines())
    return DeployError(f"{tool} failed: {what}\n{shown}", next_step=next_step)


def _lines(command: Sequence[str], log: Path) -> Iterator[str]:
    """Run `command` contained, to its end, and give what it prints, line by line."""
    last = deque[str](maxlen=12)
    with log.open("w", buffering=1) as kept, _contained(command) as process:
        assert process.stdout is not None
        for line in process.stdout:
            kept.write(line)
            last.append(line.rstrip())
            yield line
        if process.wait() != 0:
            raise failed(command[0], "\n".join(last) + f"\n(all of it: {log})")


@contextmanager
def _contained(command: Sequence[str]) -> Iterator[subprocess.Popen[str]]:
    """A process that is gone afterwards, with all that it started."""
    process = subprocess.Popen(
        [*_CONTAINED, *command],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        env=environment(),
    )
    overdue = threading.Timer(_LIMIT_S, process.kill)
    overdue.start()
    try:
        yield process
    finally:
        overdue.cancel()
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()
