"""What a container image is put together from, as its `source.toml` says: a program, or folders that become layers."""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.errors import DeployError, InputError
from stacks import debian_root, locked_packages

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

CHECKOUT = Path(__file__).resolve().parent.parent
_GO = CHECKOUT / "tools" / "go"
_GO_BUILD_LIMIT_S = 1800.0
"""A cold build of the largest server takes about one minute of two cores; a small VM with a slow network far longer."""

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_RECIPE = 1
"""Raise when the same source is to give other files: it is part of every fingerprint."""


@dataclass(frozen=True, kw_only=True)
class Workshop:
    """Where a part is made: a folder of its own, the cache, and the layers below as they are when it is their turn."""

    folder: Path
    cache: Path
    below: tuple[Path, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Part:
    """One part. `name` is what the Dockerfile calls it; `make` returns the program, or the folder of a layer.

    `fingerprint` covers everything it is made from, and costs neither a large file's reading nor a compiler's start.
    """

    name: str
    fingerprint: str
    is_layer: bool
    make: Callable[[Workshop, str], Path]


def parts(folder: Path, source: Mapping[str, Any]) -> tuple[Part, ...]:
    """Return the parts that `source` describes, in its order. Layers know what is below them.

    Raises:
        InputError: a kind of source that there is not.
        DeployError: what a part is made from is not there.
    """
    found: list[Part] = []
    for kind, options in source.items():
        if kind == "when":
            continue
        if kind not in _KINDS:
            raise InputError(f"[{kind}] is not known", where=str(folder / "source.toml"), next_step=_SEE)
        stated, make = _KINDS[kind](folder, options)
        is_layer = kind in _LAYERS
        below = [part.fingerprint for part in found if is_layer]
        told = json.dumps([_RECIPE, architecture(), kind, options, stated, below], sort_keys=True)
        fingerprint = hashlib.sha256(told.encode()).hexdigest()[:16]
        found.append(Part(name=options["file"], fingerprint=fingerprint, is_layer=is_layer, make=make))
    if not found:
        raise InputError(
            f"none of {', '.join(f'[{kind}]' for kind in _KINDS)}", where=str(folder / "source.toml"), next_step=_SEE
        )
    return tuple(found)


def architecture() -> str:
    """Return this machine's, as images call it. Raises DeployError where none are made."""
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        raise DeployError(f"no images are made for {machine}", next_step="use an x86-64 or 64-bit ARM host")
    return _ARCHITECTURES[machine]


_Kind = tuple[object, "Callable[[Workshop, str], Path]"]
"""What a part is made from, beside the options themselves, and how it is made."""


def _wheel(folder: Path, options: Mapping[str, Any]) -> _Kind:
    del folder
    file = _wheel_file(options)
    program = Path(str(file.locate()))
    return file.hash.value if file.hash else str(program), lambda _shop, _at: _checked(program)


def _wheel_file(wheel: Mapping[str, str]) -> importlib.metadata.PackagePath:
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files(wheel["distribution"]) or []:
            if file.name == wheel["file"] and Path(str(file.locate())).is_file():
                return file
    raise DeployError(
        f"the package {wheel['distribution']} with the file `{wheel['file']}` is not installed",
        next_step="run `make setup`, which installs the locked environment with its `images` group",
    )


def _go(folder: Path, options: Mapping[str, Any]) -> _Kind:
    try:
        flags = _GO.read_text()  # the script that fixes the compiler and its flags stands for both
    except OSError as error:
        raise DeployError(f"{_GO} cannot be read", next_step="run from a complete checkout") from error
    return flags, partial(_go_build, folder, options)


def _go_build(folder: Path, go: Mapping[str, str], shop: Workshop, _at: str) -> Path:
    binary = shop.folder / go["file"]
    command = [str(_GO), "build", "-ldflags", go["ldflags"], "-o", str(binary), go["package"]]
    try:
        # tools/go finds a compiler and fixes the flags that make a build the same everywhere.
        env = {**os.environ, "GOOS": "linux", "GOARCH": architecture()}
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
    return _checked(binary)


def _checked(program: Path) -> Path:
    with program.open("rb") as stream:
        if stream.read(4) != b"\x7fELF":
            raise DeployError(
                f"{program} is not a Linux program",
                next_step="container images are made on Linux: run `make setup` on a Linux host",
            )
    return program


def _root(folder: Path, options: Mapping[str, Any]) -> _Kind:
    del folder

    def make(shop: Workshop, at: str) -> Path:
        tree = shop.folder / "root"
        debian_root.make(options["suite"], options["packages"], tree)
        _prune(tree, options)
        for modules in tree.glob("usr/lib/python3*"):
            debian_root.compile_sources(tree, modules, str(Path(at) / modules.relative_to(tree)))
        return tree

    return None, make


def _python(folder: Path, options: Mapping[str, Any]) -> _Kind:
    del folder
    lines = locked_packages.requirements((CHECKOUT / "uv.lock").read_text(), options["packages"])

    def make(shop: Workshop, at: str) -> Path:
        tree = shop.folder / "packages"
        uv = locked_packages.uv_at_hand(shop.cache)
        locked_packages.install(lines, tree, python=options["version"], architecture=architecture(), uv=uv)
        _prune(tree, options)
        return _compiled(shop, tree, at)

    return lines, make


def _code(folder: Path, options: Mapping[str, Any]) -> _Kind:
    del folder
    named = [CHECKOUT / path for path in options["paths"]]
    files = [file for path in named for file in (sorted(path.rglob("*.py")) if path.is_dir() else [path])]
    sources = {str(file.relative_to(CHECKOUT)): file.read_text() for file in files}

    def make(shop: Workshop, at: str) -> Path:
        tree = shop.folder / "code"
        for name, text in sources.items():
            (tree / name).parent.mkdir(parents=True, exist_ok=True)
            (tree / name).write_text(text)
        return _compiled(shop, tree, at)

    return sources, make


def _compiled(shop: Workshop, tree: Path, at: str) -> Path:
    """Compile with the Python of the lowest layer."""
    root = shop.folder / "below"
    debian_root.unpack(shop.below[0], root)
    debian_root.compile_sources(root, tree, at)
    shutil.rmtree(root)
    return tree


def _prune(tree: Path, options: Mapping[str, Any]) -> None:
    unwanted = {path for pattern in options.get("leave_out", ()) for path in tree.glob(pattern)}
    for place, kept in options.get("only", {}).items():
        unwanted |= {path for path in (tree / place).iterdir() if not any(path.match(pattern) for pattern in kept)}
    for path in unwanted:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)  # it may have gone with a folder above it
        else:
            path.unlink(missing_ok=True)


_SEE = "see images/README.md"
_LAYERS = frozenset({"root", "python", "code"})
_KINDS: Mapping[str, Callable[[Path, Mapping[str, Any]], _Kind]] = {
    "wheel": _wheel,
    "go": _go,
    "root": _root,
    "python": _python,
    "code": _code,
}
