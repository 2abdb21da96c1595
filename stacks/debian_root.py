"""A small Debian root filesystem: packages unpacked by mmdebstrap but not configured, for images that need no more than files."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from typing import TYPE_CHECKING

from bench.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_LIMIT_S = 900.0
"""On a good network it takes 11 s; some mirrors are slow."""

_CERTIFICATES, _BUNDLE = "usr/share/ca-certificates/mozilla/*.crt", "etc/ssl/certs/ca-certificates.crt"


def mirror() -> str:
    """Return the Debian archive to fetch from: `COWBENCH_DEBIAN_MIRROR`, else Debian's own."""
    return os.environ.get("COWBENCH_DEBIAN_MIRROR") or "http://deb.debian.org/debian"


def make(suite: str, packages: Sequence[str], tree: Path) -> None:
    """Put the files of `packages` and of all they depend on into the new folder `tree`. Needs no root.

    Raises:
        DeployError: mmdebstrap is missing, or the packages cannot be had.
    """
    if not shutil.which("mmdebstrap"):
        raise DeployError(
            "mmdebstrap is not installed, which the load generator's image is made with", next_step="run `make setup-vms`"
        )
    tar = tree.with_suffix(".unpacked.tar")
    # The variant `extract` runs nothing of what it fetched, and so works for every user and needs no Debian host.
    command = ["mmdebstrap", "--mode=auto", "--variant=extract", "--format=tar", f"--include={','.join(packages)}"]
    command += ["--aptopt=Acquire::Languages none", "--aptopt=APT::Install-Recommends false"]
    # One suite without its updates: the packages of a point release stay, those of the security archive go with every fix.
    command += [suite, str(tar), f"deb {mirror()} {suite} main"]
    _run(command)
    unpack(tar, tree)
    tar.unlink()
    # What configuring the package would have done.
    bundle = tree / _BUNDLE
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_bytes(b"".join(each.read_bytes() for each in sorted(tree.glob(_CERTIFICATES))))


def _run(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=_LIMIT_S, stdin=subprocess.DEVNULL)
    except subprocess.TimeoutExpired as error:
        raise DeployError(
            f"fetching Debian packages took longer than {_LIMIT_S:.0f} s",
            next_step="set COWBENCH_DEBIAN_MIRROR to a nearer archive",
        ) from error
    except subprocess.CalledProcessError as error:
        last_lines = "\n".join(error.stderr.strip().splitlines()[-10:])
        raise DeployError(
            f"the Debian packages of the load generator's image could not be had:\n{last_lines}",
            where=mirror(),
            next_step="check the network and the space left; COWBENCH_DEBIAN_MIRROR names another archive",
        ) from error


def unpack(tar: Path, tree: Path) -> None:
    """Unpack `tar` into the new folder `tree`, without owners and devices: those need root, and no layer keeps them."""
    tree.mkdir()
    with tarfile.open(tar) as archive:
        for member in archive:
            if not member.isdev():
                archive.extract(member, tree, filter="tar", set_attrs=not member.issym())


def compile_sources(root: Path, tree: Path, at: str) -> None:
    """Compile every module below `tree`, which will be at the absolute path `at`, with the Python that lies in `root`.

    A container would do it at its first start otherwise: 0.9 s on a core of its own, many times that on an emulated one. The
    result knows no times: it is valid whatever the file's date, and the same for the same source.

    Raises:
        DeployError: that Python does not run here.
    """
    loader = next(iter(root.glob("lib*/ld-linux-*")), None) or root / "lib/ld-linux"
    # The link is absolute, and would lead to the host's own.
    loader = root / str(loader.readlink()).lstrip("/") if loader.is_symlink() else loader
    libraries = [str(path) for path in (*root.glob("lib/*-linux-gnu"), *root.glob("usr/lib/*-linux-gnu"))]
    python = [str(loader), "--library-path", ":".join(libraries), str(root / "usr/bin/python3")]
    command = [*python, "-S", "-s", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash"]
    env = {"PYTHONHOME": str(root / "usr"), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1", "LC_ALL": "C.UTF-8"}
    try:
        subprocess.run(
            [*command, "-s", str(tree), "-p", at, str(tree)],
            env=env,
            check=True,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
        )
    except (OSError, subprocess.SubprocessError) as error:
        told = getattr(error, "stdout", "") or str(error)
        raise DeployError(
            f"the modules of the load generator's image could not be compiled:\n{told.strip()[-800:]}",
            where=str(tree),
            next_step="remove the image's layers with `make clean-cache`, then try again",
        ) from error
