"""What is in the tree of a machine image: packages, kernel, and the facts that its definition states in advance."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bench import knowledge
from bench.errors import DeployError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

_VERSIONS = {"docker": "docker.io", "containerd": "containerd", "runc": "runc", "systemd": "systemd"}
"""Facts that are the version of a package."""

_PROGRAM_FOLDERS = ("usr/sbin", "usr/bin", "sbin", "bin")


def packages(tree: Path) -> dict[str, str]:
    """Return the version of every installed package, by name, sorted. Reads dpkg's own file: not every builder has dpkg."""
    found = {}
    for paragraph in (tree / "var/lib/dpkg/status").read_text().split("\n\n"):
        fields = dict(re.findall(r"^(Package|Version|Status): (.*)$", paragraph, re.MULTILINE))
        if fields.get("Status") == "install ok installed":
            found[fields["Package"]] = fields["Version"]
    return dict(sorted(found.items()))


def kernel_release(tree: Path) -> str:
    """Return what `uname -r` will say. Raises DeployError unless exactly one kernel is installed: else chance would choose."""
    releases = sorted(path.name for path in (tree / "lib/modules").iterdir())
    if len(releases) != 1:
        raise DeployError(
            f"one kernel was expected in the machine image, found: {', '.join(releases) or 'none'}",
            next_step="correct the packages of its definition",
        )
    return releases[0]


def facts(tree: Path, stated: Collection[str]) -> dict[str, object]:
    """Return those of the `stated` facts that can be read from the tree: kernel, versions, modules, programs."""
    release, installed = kernel_release(tree), packages(tree)
    modules = _modules(tree / "lib/modules" / release)
    found: dict[str, object] = {
        **knowledge.of_kernel(release),
        **knowledge.of_os_release((tree / "etc/os-release").read_text()),
        **{fact: upstream(installed[package]) for fact, package in _VERSIONS.items() if package in installed},
        "fuse_overlayfs_installed": _has_program(tree, "fuse-overlayfs"),
    }
    for fact in stated:
        family, _, name = fact.partition("_")
        if family == "module":
            found[fact] = name in modules
        elif family == "tool":
            found[fact] = any(_has_program(tree, program) for program in {name, name.replace("_", ".")})
    return {fact: value for fact, value in found.items() if fact in stated}


def differences(stated: Mapping[str, object], found: Mapping[str, object]) -> tuple[str, ...]:
    """Say where the tree is not what was stated; a version may be stated by its first numbers."""
    return tuple(
        f"{fact} is {value}, stated was {stated[fact]}"
        for fact, value in sorted(found.items())
        if not _agrees(stated[fact], value)
    )


def upstream(debian_version: str) -> str:
    """Return the version that a program itself states: `1.0.0-rc93` of `1.0.0~rc93+ds1-5+deb11u5`."""
    found = re.match(r"(?:\d+:)?(\d+(?:\.\d+)*)(?:~(rc\d+))?", debian_version)
    return "-".join(part for part in found.groups() if part) if found else debian_version


def _agrees(stated: object, found: object) -> bool:
    if isinstance(stated, str) and isinstance(found, str):
        return f"{found}.".replace("-", ".").startswith(f"{stated}.".replace("-", "."))
    return stated == found


def _modules(folder: Path) -> set[str]:
    """Return modules that are built in or can be loaded, with underscores, as the kernel calls them."""
    listed = (folder / "modules.builtin").read_text().splitlines() + (folder / "modules.dep").read_text().splitlines()
    return {re.sub(r"\.ko.*", "", line.partition(":")[0].rpartition("/")[2]).replace("-", "_") for line in listed}


def _has_program(tree: Path, name: str) -> bool:
    # A link there may be absolute, and must not be followed into the builder's own files.
    return any((path := tree / directory / name).is_symlink() or path.exists() for directory in _PROGRAM_FOLDERS)
