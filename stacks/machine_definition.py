"""What a machine image is made of: its file in `images/machines/`, with what all of them share; read, never run."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import knowledge
from bench.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

FOLDER = Path(__file__).resolve().parent.parent / "images" / "machines"

_KEYS = {"suite": str, "more_suites": list, "packages": list, "facts": dict}


@dataclass(frozen=True, kw_only=True)
class Definition:
    """A machine image that the bench builds.

    `packages` are Debian packages, `name` or `name/suite`; `suites` has the one to bootstrap first. `facts` is what can be
    known before anything is built, words of `bench.knowledge`.
    """

    name: str
    suites: tuple[str, ...]
    packages: tuple[str, ...]
    facts: Mapping[str, object]

    @property
    def file(self) -> Path:
        """Where it was read from."""
        return FOLDER / f"{self.name}.toml"


def names() -> tuple[str, ...]:
    """Return the machine images that can be built, sorted: the folder is the registry."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def shared() -> Path:
    """Return the folder with what all of them have in common."""
    return FOLDER / "shared"


def read(name: str) -> Definition:
    """Return the definition of `name`.

    Raises:
        InputError: there is none of that name, or it says something that is not understood.
    """
    if name not in names():
        raise InputError(
            f"there is no machine image `{name}`",
            where=str(FOLDER),
            next_step=f"use one of {', '.join(names()) or '(none: run from a checkout)'}, "
            "or your own as /absolute/path#sha256=<64 hex digits>",
        )
    path = FOLDER / f"{name}.toml"
    stated = _toml(path)
    for key, value in stated.items():
        if not isinstance(value, _KEYS.get(key, ())):
            raise InputError(f"`{key}` is not understood there", where=str(path), next_step="see images/README.md")
    if "suite" not in stated:
        raise InputError("it names no `suite`", where=str(path), next_step="see images/README.md")
    return Definition(
        name=name,
        suites=(stated["suite"], *stated.get("more_suites", ())),
        packages=_merged(lines_of(shared() / "packages.txt"), stated.get("packages", ())),
        facts={**_toml(shared() / "facts.toml"), **_facts(stated.get("facts", {}))},
    )


def fingerprint(definition: Definition, method: str) -> str:
    """Hash everything that decides what is built: packages, shared scripts, the `method` of building; facts do not."""
    parts = [method, json.dumps([definition.suites, definition.packages])]
    for path in sorted(file for file in shared().iterdir() if file.is_file() and file.name != "facts.toml"):
        parts += [path.name, hashlib.sha256(path.read_bytes()).hexdigest()]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def lines_of(path: Path) -> tuple[str, ...]:
    """Return the words of a list file: one per line, `#` starts a comment."""
    return tuple(word for line in path.read_text().splitlines() if (word := line.partition("#")[0].strip()))


def _merged(base: Iterable[str], more: Iterable[str]) -> tuple[str, ...]:
    """Join both lists by package name: `name/suite` takes the place of `name`."""
    return tuple({package.partition("/")[0]: package for package in (*base, *more)}.values())


def _facts(stated: Mapping[str, object]) -> dict[str, object]:
    """Add what a kernel's version tells besides, and TOML cannot say: that it is none of EL7."""
    return {**(knowledge.of_kernel(str(stated["kernel"])) if "kernel" in stated else {}), **stated}


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except tomllib.TOMLDecodeError as error:
        raise InputError(str(error), where=str(path), next_step="see images/README.md") from error
