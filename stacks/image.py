"""Container images of the servers: each made once from its folder in `images/`, without an engine, and kept as a tar."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DeployError, InputError
from stacks import dockerfile, image_archive

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ROOT = Path(__file__).resolve().parent.parent
_FOLDERS = _ROOT / "images"
_GO = _ROOT / "tools" / "go"
_GO_BUILD_LIMIT_S = 1800.0
"""A cold build of the largest server takes about one minute of two cores; a small VM with a slow network far longer."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True, kw_only=True)
class Image:
    """A container image ready to load.

    `image_id` is what an engine with graph drivers calls it. `content_digest` covers the layers alone and is the same
    under every image store: the one to compare by. `reference` is the name it has after `docker load`.
    """

    name: str
    tar: Path
    image_id: str
    content_digest: str
    reference: str


def cache_directory() -> Path:
    """Return where built things are kept: `COWBENCH_CACHE`, else `cowbench` in the user's cache."""
    if chosen := os.environ.get("COWBENCH_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cowbench"


def names() -> tuple[str, ...]:
    """Return the images that can be made, sorted."""
    return tuple(sorted(path.parent.name for path in _FOLDERS.glob("*/Dockerfile")))


def ensure(name: str) -> Image:
    """Return the image `name`, made now if no tar of its present definition is in the cache.

    A cached one costs milliseconds. Safe to call from several processes at once: one makes it, the others wait.

    Raises:
        InputError: there is no such image, or its folder says something that is not understood.
        DeployError: what the image is made of cannot be had here.
    """
    folder = _FOLDERS / name
    if name not in names():
        raise InputError(
            f"there is no image `{name}`",
            where=str(_FOLDERS),
            next_step=f"use one of {', '.join(names()) or '(none: run from a checkout)'}, or add a folder for it",
        )
    source = tomllib.loads((folder / "source.toml").read_text())
    key = _definition_hash(folder, source)
    images = cache_directory() / "images"
    images.mkdir(parents=True, exist_ok=True)
    tar = images / f"{name}-{key}.tar"
    if cached := _cached(name, tar):
        return cached
    with _locked(images / f"{name}.lock"):
        return _cached(name, tar) or _make(name, source, tar)


def _cached(name: str, tar: Path) -> Image | None:
    """Read the record beside `tar`. It is written after the tar, so a kill in between leaves no record."""
    try:
        record = json.loads(tar.with_suffix(".json").read_text())
        if tar.stat().st_size != record.pop("tar_bytes"):
            return None
        return Image(name=name, tar=tar, **record)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _make(name: str, source: Mapping[str, Any], tar: Path) -> Image:
    folder, images = _FOLDERS / name, tar.parent
    definition = dockerfile.read((folder / "Dockerfile").read_text(), str(folder / "Dockerfile"))
    reference = f"cowbench/{name}:{tar.stem.removeprefix(f'{name}-')}"
    for left_behind in images.glob(f".{name}-*"):  # of a maker that was killed: the lock says that none is at work
        shutil.rmtree(left_behind, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=images, prefix=f".{name}-") as workshop:
        draft = Path(workshop) / tar.name
        files = _files(folder, source, Path(workshop))
        image_id, digest = image_archive.write(definition, files, architecture=_architecture(), reference=reference, tar=draft)
        record = {"image_id": image_id, "content_digest": digest, "reference": reference}
        draft_record = draft.with_suffix(".json")
        draft_record.write_text(json.dumps({**record, "tar_bytes": draft.stat().st_size}))
        tar.with_suffix(".json").unlink(missing_ok=True)
        draft.replace(tar)
        draft_record.replace(tar.with_suffix(".json"))
    return Image(name=name, tar=tar, **record)


def _definition_hash(folder: Path, source: Mapping[str, Any]) -> str:
    """Hash everything the image is made from, without reading large files or starting a compiler."""
    parts = [str(image_archive.FORMAT), _architecture()]
    for path in sorted(file for file in folder.iterdir() if file.is_file()):
        parts += [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
    if "wheel" in source:
        file = _wheel_file(source["wheel"])
        parts.append(file.hash.value if file.hash else str(file.locate()))
    if "go" in source:
        parts.append(_go_flags())
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def _files(folder: Path, source: Mapping[str, Any], workshop: Path) -> dict[str, Path]:
    """Get the one file that `source` describes, by the name under which the Dockerfile copies it."""
    if "wheel" in source:
        name, file = source["wheel"]["file"], Path(_wheel_file(source["wheel"]).locate())
    elif "go" in source:
        name, file = source["go"]["file"], _go_build(folder, source["go"], workshop)
    else:
        raise InputError("neither [wheel] nor [go]", where=str(folder / "source.toml"), next_step="see images/README.md")
    with file.open("rb") as stream:
        if stream.read(4) != b"\x7fELF":
            raise DeployError(
                f"{file} is not a Linux program",
                next_step="container images are made on Linux: run `make setup` on a Linux host",
            )
    return {name: file}


def _wheel_file(wheel: Mapping[str, str]) -> importlib.metadata.PackagePath:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files(wheel["distribution"]) or []:
            if file.name == wheel["file"] and Path(file.locate()).is_file():
                return file
    raise DeployError(
        f"the package {wheel['distribution']} with the file `{wheel['file']}` is not installed",
        next_step="run `make setup`, which installs the locked environment with its `images` group",
    )


def _go_flags() -> str:
    """Return what stands for the compiler and its flags: the script that fixes both."""
    try:
        return _GO.read_text()
    except OSError as error:
        raise DeployError(f"{_GO} cannot be read", next_step="run from a complete checkout") from error


def _go_build(folder: Path, go: Mapping[str, str], workshop: Path) -> Path:
    binary = workshop / go["file"]
    command = [str(_GO), "build", "-ldflags", go["ldflags"], "-o", str(binary), go["package"]]
    try:
        # tools/go finds a compiler and fixes the flags that make a build the same everywhere.
        env = {**os.environ, "GOOS": "linux", "GOARCH": _architecture()}
        subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True, timeout=_GO_BUILD_LIMIT_S)
    except subprocess.TimeoutExpired as error:
        raise DeployError(
            f"building {go['package']} took longer than {_GO_BUILD_LIMIT_S:.0f} s",
            next_step="check the network, then `make setup`",
        ) from error
    except subprocess.CalledProcessError as error:
        last_lines = "\n".join(error.stderr.strip().splitlines()[-10:])
        raise DeployError(
            f"building {go['package']} failed:\n{last_lines}",
            where=str(folder),
            next_step="if modules cannot be fetched, set GOPROXY to a proxy that this host reaches, then `make setup`",
        ) from error
    return binary


def _architecture() -> str:
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise DeployError(f"no images are made for {machine}", next_step="use an x86-64 or 64-bit ARM host")
    return _ARCHITECTURES[machine]


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold `path` against other processes; the kernel lets go of it when the holder dies."""
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
