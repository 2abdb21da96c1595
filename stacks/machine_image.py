"""What VMs boot: machine images built once from a file in `images/machines/`, or a user's own cloud image; kept in the cache."""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import shutil
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bench.errors import CowbenchError, DeployError, Interrupted
from stacks import image, machine_build, machine_definition, machine_source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

names = machine_definition.names
definition = machine_definition.read
is_own = machine_source.is_own
parse = machine_source.parse
problems = machine_build.problems


@dataclass(frozen=True, kw_only=True)
class MachineImage:
    """A machine image ready to boot; `root` is a qcow2 to make overlays of, never to write to.

    `kernel` is to be booted with it, without an initial RAM disk; None when it has a bootloader of its own. `digest` tells
    what is in it. `kernel_release` and `packages` (Debian's versions) are empty where the image is the user's own.
    """

    name: str
    root: Path
    kernel: Path | None
    digest: str
    kernel_release: str
    packages: Mapping[str, str]


def facts(reference: str) -> Mapping[str, object]:
    """Return what can be known before anything is booted, words of `bench.knowledge`; nothing of a user's own image.

    Raises InputError for a name that is not there.
    """
    return {} if is_own(reference) else definition(reference).facts


def label(reference: str) -> str:
    """Return a short name for reports: the name itself, or the file name of a user's own image."""
    return parse(reference).label if is_own(reference) else reference


def fingerprint(reference: str) -> str:
    """Return what changes when the image would be another one: of its definition and how it is built, or its checksum.

    Raises InputError for a name that is not there.
    """
    if is_own(reference):
        return parse(reference).sha256
    return machine_definition.fingerprint(definition(reference), machine_build.METHOD)


def ensure(reference: str, progress: Callable[[str], None]) -> MachineImage:
    """Return the machine image, made or fetched now if the cache has none of its present definition.

    A cached one costs milliseconds. Safe to call from several processes and threads at once: one makes it, the others wait.

    Raises:
        InputError: there is no such image, or the reference is not understood.
        DeployError: it cannot be built or fetched here, or is not what it should be.
    """
    if is_own(reference):
        source = parse(reference)
        entry = f"own-{source.sha256[:16]}"
        return _kept(entry, entry, progress, lambda folder: machine_source.fetch(source, folder, progress))
    wanted = definition(reference)

    def build(folder: Path) -> None:
        if found := problems():
            raise DeployError(f"{reference} is not built yet, and cannot be here: {found[0]}", next_step="; ".join(found))
        progress(f"{reference}: building the machine image, once")
        machine_build.build(wanted, folder, progress)

    # One build at a time in a cache: a second one would not be faster, and each takes gigabytes of memory or disk.
    return _kept(f"{reference}-{fingerprint(reference)}", machine_build.LOCK, progress, build)


def _kept(entry: str, lock: str, progress: Callable[[str], None], make: Callable[[Path], None]) -> MachineImage:
    """Return the cache's entry of that name; `make` fills a folder that takes the name when all of it is there."""
    machines = image.cache_directory() / "machines"
    machines.mkdir(parents=True, exist_ok=True)
    if found := _read(machines / entry):
        return found
    with _locked(machines / f"{lock}.lock", progress):
        if not _read(machines / entry):  # else another one made it while we waited
            draft = machines / f".{lock}-{entry}"
            make(draft)
            shutil.rmtree(machines / entry, ignore_errors=True)
            draft.rename(machines / entry)
    made = _read(machines / entry)
    if made is None:
        raise DeployError(f"{machines / entry} is not complete", next_step="run make clean-cache, then the same again")
    return made


def _read(folder: Path) -> MachineImage | None:
    """Read an entry by its manifest, which is written last; None when it is absent or damaged."""
    root, kernel = folder / "root.qcow2", folder / "vmlinuz"
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        if root.stat().st_size != manifest["root_bytes"]:
            return None
        return MachineImage(
            name=manifest["name"],
            root=root,
            kernel=kernel if kernel.exists() else None,
            digest=manifest["digest"],
            kernel_release=manifest["kernel_release"],
            packages=manifest["packages"],
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextlib.contextmanager
def _locked(path: Path, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold `path` against other processes; the kernel lets go of it when the holder dies."""
    with path.open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress("waiting for another process that makes a machine image")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _main(arguments: list[str]) -> int:
    """Make the images named, all of them when none is; for `make machine-images`."""
    parser = argparse.ArgumentParser(prog="python -m stacks.machine_image", description=_main.__doc__)
    parser.add_argument("reference", nargs="*", help=f"of {', '.join(names())}; or your own, as URL#sha256=DIGITS")
    try:
        for reference in parser.parse_args(arguments).reference or names():
            made = ensure(reference, _say)
            _say(f"{label(reference)}: {made.root}")
    except CowbenchError as error:
        _say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        _say("stopped, and nothing of it left; run it again")
        return Interrupted.exit_code
    return 0


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(_main(sys.argv[1:]))
